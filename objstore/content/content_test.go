package content_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"caret/objstore"
	"caret/objstore/content"
	"caret/objstore/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func random(seed byte, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// counting counts what is newly stored.
type counting struct {
	objstore.Blobs
	mu    sync.Mutex
	seen  map[objstore.Hash]bool
	bytes int
	puts  int
}

func newCounting() *counting {
	return &counting{Blobs: memory.New().Blobs(), seen: map[objstore.Hash]bool{}}
}

func (c *counting) Put(ctx context.Context, data []byte) (objstore.Hash, error) {
	h, err := c.Blobs.Put(ctx, data)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.puts++
	if !c.seen[h] {
		c.seen[h] = true
		c.bytes += len(data)
	}
	return h, err
}

func write(t testing.TB, blobs objstore.Blobs, r io.Reader, hint int64) content.Part {
	t.Helper()
	w := content.NewWriter(context.Background(), blobs, content.Options{SizeHint: hint})
	defer w.Abort()
	if _, err := w.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	p, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func read(blobs objstore.Blobs, root content.Ref, off, length int64) ([]byte, error) {
	r, err := content.NewReader(context.Background(), blobs, nil, root, off, length)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var b bytes.Buffer
	_, err = r.WriteTo(&b)
	return b.Bytes(), err
}

var sizes = []int{0, 1, 4096, content.MinChunk - 1, content.MinChunk, content.MinChunk + 1, 1 << 20, content.MaxChunk + 1, 10<<20 + 7}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, n := range sizes {
		data := random(1, n)
		blobs := newCounting()
		want := write(t, blobs, bytes.NewReader(data), int64(n))
		if want.Hash != objstore.Sum(data) || want.Root.Size != int64(n) {
			t.Errorf("%d bytes: hash %s of %d", n, want.Hash, want.Root.Size)
		}
		// The same bytes are the same content however they come.
		for name, r := range map[string]io.Reader{
			"halves": iotest.HalfReader(bytes.NewReader(data)), "data with EOF": iotest.DataErrReader(bytes.NewReader(data)),
		} {
			for _, hint := range []int64{-1, 0, 1, int64(n), int64(2 * n)} {
				if got := write(t, blobs, r, hint); got.Content != want.Content && got.Root.Size != 0 {
					t.Errorf("%d bytes in %s with hint %d: %+v, want %+v", n, name, hint, got.Content, want.Content)
				}
				r = iotest.HalfReader(bytes.NewReader(data))
			}
		}
		got, err := read(blobs, want.Root, 0, -1)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes read back: %d, %v", n, len(got), err)
		}
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	data := random(2, 5<<20)
	blobs := newCounting()
	want := write(t, blobs, bytes.NewReader(data), -1)
	for _, step := range []int{1000, 64 << 10, content.MinChunk, 3 << 20, 5 << 20} {
		w := content.NewWriter(t.Context(), blobs, content.Options{})
		for rest := data; len(rest) > 0; {
			n := min(step, len(rest))
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		got, err := w.Close()
		if err != nil || got.Content != want.Content {
			t.Errorf("writes of %d: %+v, %v; want %+v", step, got.Content, err, want.Content)
		}
		w.Abort()
	}
	w := content.NewWriter(t.Context(), blobs, content.Options{})
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	w.Abort() // and no goroutine stays behind
}

func TestRanges(t *testing.T) {
	t.Parallel()
	data := random(3, 6<<20)
	blobs := newCounting()
	p := write(t, blobs, bytes.NewReader(data), -1)
	rapid.Check(t, func(t *rapid.T) {
		off := rapid.IntRange(0, len(data)).Draw(t, "off")
		n := rapid.IntRange(0, len(data)-off).Draw(t, "length")
		got, err := read(blobs, p.Root, int64(off), int64(n))
		if err != nil || !bytes.Equal(got, data[off:off+n]) {
			t.Fatalf("%d bytes at %d: %d bytes, %v", n, off, len(got), err)
		}
	})
	for _, r := range [][2]int64{{-1, 1}, {0, int64(len(data)) + 1}, {int64(len(data)) + 1, 0}, {1, 1<<63 - 1}} {
		if _, err := read(blobs, p.Root, r[0], r[1]); err == nil {
			t.Errorf("range %v was read", r)
		}
	}
}

func TestSourceErrors(t *testing.T) {
	t.Parallel()
	for _, n := range []int{100, 3 << 20} {
		for _, fail := range []error{io.ErrUnexpectedEOF, errors.New("digest")} {
			for _, hint := range []int64{100, 5 << 20, -1} {
				w := content.NewWriter(t.Context(), newCounting(), content.Options{SizeHint: hint})
				_, err := w.ReadFrom(io.MultiReader(bytes.NewReader(random(4, n)), iotest.ErrReader(fail)))
				if !errors.Is(err, fail) {
					t.Errorf("source of %d bytes with hint %d that fails with %v: %v", n, hint, fail, err)
				}
				if p, err := w.Close(); err == nil {
					t.Errorf("content %+v of a source that failed", p)
				}
			}
		}
	}
}

// damaged returns other bytes for one blob.
type damaged struct {
	objstore.Blobs
	victim objstore.Hash
	how    func([]byte) ([]byte, error)
}

func (d damaged) Get(ctx context.Context, h objstore.Hash, buf []byte) ([]byte, error) {
	b, err := d.Blobs.Get(ctx, h, buf)
	if err == nil && h == d.victim {
		return d.how(b)
	}
	return b, err
}

func TestDamage(t *testing.T) {
	t.Parallel()
	data := random(5, 5<<20)
	blobs := newCounting()
	p := write(t, blobs, bytes.NewReader(data), -1)
	hows := map[string]func([]byte) ([]byte, error){
		"missing": func([]byte) ([]byte, error) { return nil, objstore.ErrNotFound },
		"short":   func(b []byte) ([]byte, error) { return b[:len(b)-1], nil },
		"corrupt": func([]byte) ([]byte, error) { return nil, objstore.ErrCorrupt },
	}
	for victim := range blobs.seen {
		for name, how := range hows {
			got, err := read(damaged{blobs, victim, how}, p.Root, 0, -1)
			if !errors.Is(err, objstore.ErrCorrupt) {
				t.Errorf("%s blob: %d bytes, %v", name, len(got), err)
			}
			if !bytes.HasPrefix(data, got) {
				t.Errorf("%s blob: other bytes than were written", name)
			}
		}
	}
}

func TestConcat(t *testing.T) {
	t.Parallel()
	data := random(6, 24<<20)
	for _, tt := range []struct {
		name    string
		sizes   []int
		assumed int // all parts but the last are assumed to have this size
		reads   bool
	}{
		{"none", nil, 0, false},
		{"empty", []int{0}, 0, false},
		{"one", []int{3 << 20}, 0, false},
		{"as assumed", []int{8 << 20, 8 << 20, 5}, 8 << 20, false},
		{"all full", []int{8 << 20, 8 << 20, 8 << 20}, 8 << 20, false},
		{"an empty last one", []int{8 << 20, 0}, 8 << 20, false},
		{"another size", []int{8 << 20, 6 << 20, 1 << 20}, 8 << 20, true},
		{"odd size", []int{6<<20 + 1, 6<<20 + 1, 77}, 6<<20 + 1, true},
	} {
		blobs := newCounting()
		var parts []content.Part
		rest := data
		for i, n := range tt.sizes {
			w := content.NewPartWriter(t.Context(), blobs, content.Options{SizeHint: int64(n)}, int64(i*tt.assumed))
			if _, err := w.ReadFrom(bytes.NewReader(rest[:n])); err != nil {
				t.Fatal(err)
			}
			p, err := w.Close()
			if err != nil {
				t.Fatal(err)
			}
			if p.Hash != objstore.Sum(rest[:n]) {
				t.Errorf("%s: part %d has hash %s", tt.name, i, p.Hash)
			}
			parts = append(parts, p)
			rest = rest[n:]
		}
		whole := data[:len(data)-len(rest)]
		before := blobs.bytes
		none := reading{Blobs: blobs}
		c, err := content.Concat(t.Context(), &none, nil, parts)
		if err != nil || c.Hash != objstore.Sum(whole) || c.Root.Size != int64(len(whole)) {
			t.Errorf("%s: %+v, %v", tt.name, c, err)
			continue
		}
		if blobs.bytes-before > 1000 || (none.gets > 0) != tt.reads {
			t.Errorf("%s: stored %d bytes, read %d blobs", tt.name, blobs.bytes-before, none.gets)
		}
		got, err := read(blobs, c.Root, 0, -1)
		if err != nil || !bytes.Equal(got, whole) {
			t.Errorf("%s: read back %d bytes, %v", tt.name, len(got), err)
		}
	}
}

type reading struct {
	objstore.Blobs
	gets int
}

func (r *reading) Get(ctx context.Context, h objstore.Hash, buf []byte) ([]byte, error) {
	r.gets++
	return r.Blobs.Get(ctx, h, buf)
}

// TestChange: a change in the middle stores little anew.
func TestChange(t *testing.T) {
	t.Parallel()
	data := random(7, 32<<20)
	blobs := newCounting()
	write(t, blobs, bytes.NewReader(data), -1)
	before := blobs.bytes
	write(t, blobs, bytes.NewReader(data), -1)
	if blobs.bytes != before {
		t.Errorf("the same again stored %d bytes", blobs.bytes-before)
	}
	copy(data[15<<20:], random(8, 1<<20))
	write(t, blobs, bytes.NewReader(data), -1)
	if n := blobs.bytes - before; n > 6<<20 {
		t.Errorf("a change of 1 MiB stored %d bytes", n)
	}
	before = blobs.bytes
	write(t, blobs, io.MultiReader(bytes.NewReader(random(9, 1000)), bytes.NewReader(data)), -1)
	if n := blobs.bytes - before; n > 6<<20 {
		t.Errorf("an insertion at the front stored %d bytes", n)
	}
}

func TestWalk(t *testing.T) {
	t.Parallel()
	blobs := newCounting()
	p := write(t, blobs, bytes.NewReader(random(10, 8<<20)), -1)
	seen := map[objstore.Hash]bool{}
	err := content.Walk(t.Context(), blobs, p.Root, func(r content.Ref) error {
		seen[r.Hash] = true
		return nil
	})
	if err != nil || len(seen) != len(blobs.seen) {
		t.Errorf("walk saw %d of %d blobs, %v", len(seen), len(blobs.seen), err)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := content.NewWriter(ctx, newCounting(), content.Options{})
	if _, err := w.ReadFrom(bytes.NewReader(random(1, 5<<20))); !errors.Is(err, context.Canceled) {
		t.Errorf("write: %v", err)
	}
}

// discard hashes and keeps nothing.
type discard struct{}

func (discard) Put(_ context.Context, data []byte) (objstore.Hash, error) {
	return objstore.Sum(data), nil
}
func (discard) Get(context.Context, objstore.Hash, []byte) ([]byte, error) {
	return nil, objstore.ErrNotFound
}

func BenchmarkWriter(b *testing.B) {
	data := random(1, 64<<20)
	for _, part := range []bool{false, true} {
		name := "whole"
		if part {
			name = "part"
		}
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				w := content.NewWriter(b.Context(), discard{}, content.Options{})
				if part {
					w = content.NewPartWriter(b.Context(), discard{}, content.Options{}, 64<<20)
				}
				if _, err := w.ReadFrom(bytes.NewReader(data)); err != nil {
					b.Fatal(err)
				}
				p, err := w.Close()
				if err != nil {
					b.Fatal(err)
				}
				_ = p
			}
		})
	}
}

func BenchmarkReader(b *testing.B) {
	blobs := memory.New().Blobs()
	p := write(b, blobs, bytes.NewReader(random(1, 64<<20)), -1)
	b.SetBytes(p.Root.Size)
	for b.Loop() {
		r, err := content.NewReader(b.Context(), blobs, nil, p.Root, 0, -1)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}
