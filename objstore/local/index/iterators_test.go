package index

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"caret/objstore"
)

// TestShared: what a range shares is what every key in it begins with.
func TestShared(t *testing.T) {
	t.Parallel()
	key := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 'a', 0xfe, 0xff}), 1, 5)
	rapid.Check(t, func(t *rapid.T) {
		start, end, k := key.Draw(t, "start"), key.Draw(t, "end"), key.Draw(t, "key")
		if bytes.Compare(start, end) >= 0 {
			start, end = end, append(start, 0)
		}
		for _, reverse := range []bool{false, true} {
			p := shared(start, end, reverse)
			if reverse && !bytes.HasPrefix(end, p) {
				t.Fatalf("%q to %q share %q, which the end does not begin with", start, end, p)
			}
			if in := bytes.Compare(k, start) >= 0 && bytes.Compare(k, end) < 0; in && !bytes.HasPrefix(k, p) {
				t.Fatalf("%q to %q share %q, but %q lies there", start, end, p, k)
			}
		}
		if p := append([]byte("a"), start...); p[len(p)-1] != 0xff && !bytes.Equal(shared(p, objstore.PrefixEnd(p), false), p) {
			t.Fatalf("all that begins with %q shares %q", p, shared(p, objstore.PrefixEnd(p), false))
		}
	})
}

// TestIterators: pages are right whatever iterator they are read with, and
// these do not become many.
func TestIterators(t *testing.T) {
	t.Parallel()
	x, err := Open(t.TempDir(), Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	var keys []string
	for i := range 30 {
		for j := range 30 {
			keys = append(keys, fmt.Sprintf("%c%c/%02d", 'a'+i%3, 'a'+i, j))
		}
	}
	slices.Sort(keys)
	if err := x.Apply(func(yield func(_, _ []byte) bool) {
		for _, k := range keys {
			yield([]byte("r"+k), []byte{})
		}
	}, State{}); err != nil {
		t.Fatal(err)
	}
	snap := x.Snapshot([]byte("r"))
	defer snap.Discard()
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		from := random.IntN(len(keys))
		to := min(from+random.IntN(50), len(keys)-1)
		r := objstore.Range{Start: []byte(keys[from]), End: []byte(keys[to]), Reverse: random.IntN(2) == 0}
		want := slices.Clone(keys[from:to])
		if random.IntN(5) == 0 {
			r, want = objstore.Range{Start: r.Start, Reverse: r.Reverse}, slices.Clone(keys[from:])
		}
		if r.Reverse {
			slices.Reverse(want)
		}
		limit := 1 + random.IntN(40)
		page, err := snap.Page(r, limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, row := range page {
			got = append(got, string(row.Key))
		}
		if want = want[:min(limit, len(want))]; !slices.Equal(got, want) {
			t.Fatalf("%q to %q, reverse %t: %q, want %q", r.Start, r.End, r.Reverse, got, want)
		}
		if len(snap.iterators) > maxIterators {
			t.Fatalf("%d iterators", len(snap.iterators))
		}
	}
}
