package budget

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"caret/objstore"
)

// TestReadAll: what is read is counted once it has come, as much as it takes, and given
// back; who sends nothing holds nothing, and who sends too much is told so.
func TestReadAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(18<<20, time.Minute) // 3 MiB for documents
		for _, n := range []int{0, 1, firstRead - 1, firstRead, firstRead + 1, 100_000, 1 << 20} {
			want := bytes.Repeat([]byte("x"), n)
			got, share, err := b.ReadAll(t.Context(), Document, bytes.NewReader(want))
			used := b.Stats().Used
			if err != nil || !bytes.Equal(got, want) || n > firstRead && used < int64(n) || n < firstRead && used != 0 || used > 4*int64(n) {
				t.Errorf("%d bytes: %d, %d used, %v", n, len(got), used, err)
			}
			share.Release()
		}
		r, w := io.Pipe()
		done := make(chan error, 1)
		go func() {
			_, share, err := b.ReadAll(t.Context(), Document, r)
			share.Release()
			done <- err
		}()
		w.Write(make([]byte, firstRead/2))
		synctest.Wait()
		if used := b.Stats().Used; used != 0 {
			t.Errorf("%d bytes are held of what has not come", used)
		}
		w.Write(make([]byte, firstRead))
		synctest.Wait()
		if used := b.Stats().Used; used != 2*firstRead {
			t.Errorf("%d bytes are held", used)
		}
		broken := errors.New("broken")
		w.CloseWithError(broken)
		if err := <-done; !errors.Is(err, broken) {
			t.Errorf("it ended with %v", err)
		}
		if _, _, err := b.ReadAll(t.Context(), Document, strings.NewReader(strings.Repeat("x", 5<<20))); !errors.Is(err, objstore.ErrTooLarge) {
			t.Errorf("more than there is: %v", err)
		}
		if used := b.Stats().Used; used != 0 || b.Short() {
			t.Errorf("%d used in the end", used)
		}
		var none *Budget
		if got, _, err := none.ReadAll(t.Context(), Document, strings.NewReader(strings.Repeat("x", 100_000))); err != nil || len(got) != 100_000 {
			t.Errorf("without a budget: %d, %v", len(got), err)
		}
	})
}

// TestShort: a budget is short while somebody waits, and a while after somebody could not
// grow, as who could make room is looked for then.
func TestShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(18*70, time.Minute)
		one, two := b.None(Document), b.None(Document)
		if err := errors.Join(one.Grow(200), two.Grow(5)); err != nil || b.Short() {
			t.Fatal(err, b.Short())
		}
		if err := two.Grow(50); !errors.Is(err, ErrBusy) || !b.Short() {
			t.Errorf("%v, short: %v", err, b.Short())
		}
		<-time.After(shortFor + 1)
		if b.Short() {
			t.Error("it is short of memory for ever")
		}
	})
}
