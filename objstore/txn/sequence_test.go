package txn_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"caret/objstore/txn"
)

// TestBlocks: blocks grow, a failed reservation gives out nothing, and the end
// of all numbers is an error.
func TestBlocks(t *testing.T) {
	t.Parallel()
	s := newStub()
	rows := open(t, s, txn.Options{})
	for i := range uint64(64 + 256 + 1024 + 1024) {
		if n, err := rows.Number(t.Context(), "n", 0); n != i+1 || err != nil {
			t.Fatalf("%d: %d, %v", i, n, err)
		}
	}
	if !slices.Equal(s.reserved, []uint64{64, 256, 1024, 1024}) {
		t.Errorf("reserved %d", s.reserved)
	}
	broken := errors.New("broken")
	s.reserve = func() error { return broken }
	if n, err := rows.Number(t.Context(), "n", 0); !errors.Is(err, broken) {
		t.Errorf("%d, %v", n, err)
	}
	s.reserve = func() error { return nil }
	if n, err := rows.Number(t.Context(), "n", 0); n != 2369 || err != nil {
		t.Errorf("afterwards %d, %v", n, err)
	}
	// A floor within the block is no reason to reserve, one above is.
	for _, floor := range []uint64{2400, 9000} {
		if n, err := rows.Number(t.Context(), "n", floor); n != floor+1 || err != nil {
			t.Errorf("above %d: %d, %v", floor, n, err)
		}
	}
	if len(s.reserved) != 6 {
		t.Errorf("reserved %d", s.reserved)
	}
	if n, err := rows.Number(t.Context(), "n", math.MaxUint64); err == nil {
		t.Errorf("above all: %d", n)
	}
}

// TestNumberWaits: who waits for another's reservation can give up.
func TestNumberWaits(t *testing.T) {
	t.Parallel()
	s := newStub()
	rows := open(t, s, txn.Options{})
	begun, gate := make(chan bool), make(chan bool)
	s.reserve = func() error { close(begun); <-gate; return nil }
	first := make(chan error)
	go func() {
		_, err := rows.Number(context.Background(), "n", 0)
		first <- err
	}()
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	second := make(chan error)
	go func() {
		_, err := rows.Number(ctx, "n", 0)
		second <- err
	}()
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up: %v", err)
	}
	close(gate)
	if err := <-first; err != nil {
		t.Error(err)
	}
}
