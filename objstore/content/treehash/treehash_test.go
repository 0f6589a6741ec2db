package treehash_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/zeebo/blake3"
	"pgregory.net/rapid"

	"caret/objstore/content/treehash"
)

func data(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b
}

func join(t interface{ Fatal(...any) }, parts [][]byte, writes int) [32]byte {
	var j treehash.Joiner
	for _, p := range parts {
		h := treehash.New(j.Pos())
		for rest := p; len(rest) > 0; {
			n := min(writes, len(rest))
			h.Write(rest[:n])
			rest = rest[n:]
		}
		if err := j.Add(h.Values(), int64(len(p))); err != nil {
			t.Fatal(err)
		}
	}
	sum, err := j.Sum()
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestJoin(t *testing.T) {
	t.Parallel()
	all := data(24<<20 + 12345)
	for _, sizes := range [][]int{
		{1 << 20, 1 << 20}, {1 << 20, 1}, {5 << 20, 5 << 20, 3}, {8 << 20, 8 << 20, 8<<20 + 12345},
		{5 << 20, 6<<20 + 1024, 1023}, {1024, 1024}, {1024, 1024, 1024, 1}, {3 << 10, 1 << 20, 5 << 10, 7<<20 + 1},
		{16 << 20, 1 << 10}, {1 << 10, 16 << 20}, {2 << 20, 2 << 20}, {7<<20 + 512<<10, 7<<20 + 512<<10, 2 << 20},
	} {
		var parts [][]byte
		rest := all
		for _, n := range sizes {
			parts = append(parts, rest[:n])
			rest = rest[n:]
		}
		want := blake3.Sum256(bytes.Join(parts, nil))
		for _, writes := range []int{1 << 30, 16 << 10, 16<<10 + 1, 1000, 1 << 20} {
			if got := join(t, parts, writes); got != want {
				t.Errorf("parts of %v in writes of %d: %x, want %x", sizes, writes, got, want)
			}
		}
	}
}

func TestJoinProperty(t *testing.T) {
	t.Parallel()
	all := data(4 << 20)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 5).Draw(t, "parts")
		var parts [][]byte
		rest := all
		for i := range n {
			size := rapid.IntRange(1, 700).Draw(t, "KiB") << 10
			if i == n-1 {
				size -= rapid.IntRange(0, 1023).Draw(t, "short")
			}
			parts = append(parts, rest[:size])
			rest = rest[size:]
		}
		want := blake3.Sum256(bytes.Join(parts, nil))
		if got := join(t, parts, rapid.IntRange(1, 1<<20).Draw(t, "writes")); got != want {
			t.Fatalf("%x, want %x", got, want)
		}
	})
}

func TestJoinRefuses(t *testing.T) {
	t.Parallel()
	var j treehash.Joiner
	if _, err := j.Sum(); err == nil {
		t.Error("a sum of nothing")
	}
	if err := j.Add(make([]byte, 32), 2<<20); err == nil {
		t.Error("too few values were taken")
	}
	j = treehash.Joiner{}
	if err := j.Add(make([]byte, 64), 1024); err == nil {
		t.Error("too many values were taken")
	}
	j = treehash.Joiner{}
	if err := j.Add(make([]byte, 32), 1000); err != nil {
		t.Error(err)
	}
	if err := j.Add(make([]byte, 32), 1000); err == nil {
		t.Error("a part behind a short chunk was taken")
	}
}

func BenchmarkHasher(b *testing.B) {
	p := data(8 << 20)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		h := treehash.New(8 << 20)
		h.Write(p)
		h.Values()
	}
}

func BenchmarkZeebo(b *testing.B) {
	p := data(8 << 20)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		blake3.Sum256(p)
	}
}
