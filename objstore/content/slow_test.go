package content_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"caret/objstore"
	"caret/objstore/budget"
	"caret/objstore/content"
	"caret/objstore/memory"
)

// slowWriter takes each piece only when it is let.
type slowWriter struct {
	bytes.Buffer
	let chan struct{}
}

func (w *slowWriter) Write(p []byte) (int, error) {
	<-w.let
	return w.Buffer.Write(p)
}

func used(b *budget.Budget, kind budget.Kind) int64 {
	for _, p := range b.Stats().Parts {
		if p.Kind == kind.String() {
			return p.Used
		}
	}
	return -1
}

// TestSlowReader: all who take their time hold windows, and together no more than half of
// the memory for chunks; others can read meanwhile, and all bytes come in the end.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := memory.New().Blobs()
		data := random(21, 4<<20)
		p := write(t, blobs, bytes.NewReader(data), -1)
		b := budget.New(36<<20, time.Minute) // 6 MiB for chunks: a few
		const n = 12
		slow := make([]*slowWriter, n)
		done := make(chan error, n)
		for i := range slow {
			slow[i] = &slowWriter{let: make(chan struct{})}
			go func() {
				r, err := content.NewReader(t.Context(), blobs, b, p.Root, 0, -1)
				if err == nil {
					_, err = io.Copy(slow[i], r)
					r.Close()
				}
				done <- err
			}()
		}
		<-time.After(10 * time.Second)
		synctest.Wait()
		if chunks, windows := used(b, budget.Reading)+used(b, budget.Small), used(b, budget.Window); chunks > 3<<20 || windows != n*64<<10 {
			t.Errorf("%d readers that wait hold %d bytes of chunks and %d of windows", n, chunks, windows)
		}
		began := time.Now()
		r, err := content.NewReader(t.Context(), blobs, b, p.Root, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if _, err := io.Copy(&got, r); err != nil || !bytes.Equal(got.Bytes(), data) || time.Since(began) > time.Second {
			t.Errorf("another reader: %d bytes after %s, %v", got.Len(), time.Since(began), err)
		}
		r.Close()
		for _, w := range slow {
			close(w.let)
		}
		for range slow {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		for i, w := range slow {
			if !bytes.Equal(w.Bytes(), data) {
				t.Errorf("reader %d got other bytes", i)
			}
		}
		if left := b.Stats().Used; left != 0 {
			t.Errorf("%d bytes are held in the end", left)
		}
	})
}

// TestReaderBusy: a reader for whom there is no memory says so, and holds nothing.
func TestReaderBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := memory.New().Blobs()
		p := write(t, blobs, bytes.NewReader(random(22, 4<<20)), -1)
		b := budget.New(72<<20, time.Minute)
		all, err := b.Take(t.Context(), budget.Reading, 16<<20)
		if err == nil {
			err = all.Grow(6 << 20)
		}
		if err != nil {
			t.Fatal(err)
		}
		r, err := content.NewReader(t.Context(), blobs, b, p.Root, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); !errors.Is(err, budget.ErrBusy) {
			t.Errorf("without memory: %v", err)
		}
		r.Close()
		all.Release()
		if left := b.Stats().Used; left != 0 {
			t.Errorf("%d bytes are held in the end", left)
		}
	})
}

// TestWritersShare: writers wait for their buffers before they read anything, those of
// small content do not wait for large ones, and all is given back however they end.
func TestWritersShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := memory.New().Blobs()
		b := budget.New(90<<20, time.Minute) // 15 MiB for buffers: four
		type stuck struct {
			*io.PipeWriter
			done chan error
		}
		var writers []stuck
		for range 4 {
			pr, pw := io.Pipe()
			s := stuck{pw, make(chan error, 1)}
			writers = append(writers, s)
			go func() {
				w := content.NewWriter(t.Context(), blobs, content.Options{SizeHint: 8 << 20, Budget: b})
				_, err := w.ReadFrom(pr)
				w.Abort()
				s.done <- err
			}()
			if _, err := pw.Write(make([]byte, 1<<20)); err != nil {
				t.Fatal(err)
			}
		}
		body := bytes.NewReader(random(23, 8<<20))
		w := content.NewWriter(t.Context(), blobs, content.Options{SizeHint: 8 << 20, Budget: b})
		if _, err := w.ReadFrom(body); !errors.Is(err, budget.ErrBusy) || body.Len() != 8<<20 {
			t.Errorf("a fifth: %v, %d bytes left to read", err, body.Len())
		}
		w.Abort()
		small := content.NewWriter(t.Context(), blobs, content.Options{SizeHint: 1000, Budget: b})
		if _, err := small.ReadFrom(bytes.NewReader(random(24, 1000))); err != nil {
			t.Errorf("a small one: %v", err)
		}
		if _, err := small.Close(); err != nil {
			t.Error(err)
		}
		writers[0].CloseWithError(context.Canceled)
		if err := <-writers[0].done; !errors.Is(err, context.Canceled) {
			t.Errorf("one that was cut off: %v", err)
		}
		again := content.NewWriter(t.Context(), blobs, content.Options{SizeHint: 8 << 20, Budget: b})
		if _, err := again.ReadFrom(body); err != nil {
			t.Errorf("then there is room: %v", err)
		}
		if _, err := again.Close(); err != nil {
			t.Error(err)
		}
		for _, s := range writers[1:] {
			s.Close()
			if err := <-s.done; err != nil {
				t.Error(err)
			}
		}
		if left := b.Stats().Used; left != 0 {
			t.Errorf("%d bytes are held in the end", left)
		}
	})
}

// TestDamageGivesBack: a chunk that cannot be read holds no memory.
func TestDamageGivesBack(t *testing.T) {
	b := budget.New(72<<20, time.Minute)
	blobs := memory.New().Blobs()
	root := content.Ref{Hash: objstore.Sum([]byte("nowhere")), Size: 1 << 20}
	r, err := content.NewReader(t.Context(), blobs, b, root, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, objstore.ErrCorrupt) {
		t.Errorf("what is missing: %v", err)
	}
	if left := b.Stats().Used; left != 0 {
		t.Errorf("%d bytes are held", left)
	}
}
