package objstoretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"caret/objstore"
)

func testBlobs(t *testing.T, s objstore.Store, _ Reopen) {
	for _, n := range []int{0, 1, 100, 4096, 1 << 20, objstore.MaxBlob} {
		data := bytes.Repeat([]byte{byte(n), 7}, n/2+1)[:n]
		h, err := s.Blobs().Put(t.Context(), data)
		if err != nil || h != objstore.Sum(data) {
			t.Fatalf("put %d bytes: %s, %v", n, h, err)
		}
		want := bytes.Clone(data)
		for i := range data {
			data[i] = 0 // it is the caller's again
		}
		for range 2 {
			got, err := s.Blobs().Get(t.Context(), h, []byte("reused"))
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("get %d bytes: %d bytes, %v", n, len(got), err)
			}
			set(t, s, "k", "v") // makes it durable
		}
	}
	if _, err := s.Blobs().Put(t.Context(), make([]byte, objstore.MaxBlob+1)); !errors.Is(err, objstore.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if _, err := s.Blobs().Get(t.Context(), objstore.Sum([]byte("unknown")), nil); !errors.Is(err, objstore.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
}

func testSameBlob(t *testing.T, s objstore.Store, _ Reopen) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				data := bytes.Repeat([]byte{byte(j)}, 5000)
				h, err := s.Blobs().Put(context.Background(), data)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := s.Blobs().Get(context.Background(), h, nil); err != nil || !bytes.Equal(got, data) {
					t.Errorf("writer %d: %d bytes, %v", i, len(got), err)
				}
				set(t, s, fmt.Sprintf("%d/%d", i, j), "")
			}
		})
	}
	wg.Wait()
}

func testDurable(t *testing.T, s objstore.Store, reopen Reopen) {
	if reopen == nil {
		t.Skip("the store keeps nothing")
	}
	var hashes []objstore.Hash
	for i := range 20 {
		h, err := s.Blobs().Put(t.Context(), bytes.Repeat([]byte{byte(i)}, i*1000))
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, h)
	}
	set(t, s, "a", "1")
	s = reopen(s)
	view(t, s, func(tx objstore.Reader) {
		if got := dump(tx, objstore.Range{}); got != "a=1" {
			t.Errorf("rows: %s", got)
		}
	})
	for i, h := range hashes {
		if got, err := s.Blobs().Get(t.Context(), h, nil); err != nil || len(got) != i*1000 {
			t.Errorf("blob %d: %d bytes, %v", i, len(got), err)
		}
	}
	set(t, s, "b", "2")
}
