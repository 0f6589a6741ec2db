package objstoretest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"caret/objstore"
)

// testCounters: no update is lost, and each sees all before it, however it
// looks.
func testCounters(t *testing.T, s objstore.Store, _ Reopen) {
	const writers, rounds = 8, 25
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range rounds {
				if err := s.Rows().Update(context.Background(), "counters", count); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	view(t, s, func(tx objstore.Reader) {
		v, err := tx.Get([]byte("n"))
		if err != nil || binary.BigEndian.Uint64(v) != writers*rounds {
			t.Errorf("counted %x, %v", v, err)
		}
	})
}

// count adds to a counter and to its log, of which only the last two rows are
// kept, and compares all ways to see them.
func count(tx objstore.Writer) error {
	logKey := func(n uint64) []byte { return binary.BigEndian.AppendUint64([]byte("log"), n) }
	var n uint64
	v, err := tx.Get([]byte("n"))
	if err == nil {
		n = binary.BigEndian.Uint64(v)
	} else if !errors.Is(err, objstore.ErrNotFound) {
		return err
	}
	many, err := tx.GetMany([][]byte{logKey(n), []byte("n"), logKey(n + 1)})
	if err != nil {
		return err
	}
	if !bytes.Equal(many[1], v) || (many[0] == nil) != (n == 0) || many[2] != nil {
		return fmt.Errorf("after %d: GetMany says %q", n, many)
	}
	logs := objstore.Prefix([]byte("log"))
	for _, reverse := range []bool{false, true} {
		logs.Reverse = reverse
		page, err := tx.Page(logs, 3)
		if err != nil {
			return err
		}
		if len(page) != int(min(n, 2)) {
			return fmt.Errorf("after %d: %d rows, reverse %t", n, len(page), reverse)
		}
		if n > 0 && reverse && !bytes.Equal(page[0].Key, logKey(n)) {
			return fmt.Errorf("after %d: the last row is %q", n, page[0].Key)
		}
	}
	n++
	if n > 2 {
		if err := tx.Delete(logKey(n - 2)); err != nil {
			return err
		}
	}
	return errors.Join(tx.Set(logKey(n), nil), tx.Set([]byte("n"), binary.BigEndian.AppendUint64(nil, n)))
}

// testRefusals: who is refused because of what another transaction wrote
// finds that there, though a store may make many durable at once.
func testRefusals(t *testing.T, s objstore.Store, _ Reopen) {
	exists := errors.New("exists")
	for round := range 10 {
		key := binary.BigEndian.AppendUint32([]byte("once"), uint32(round))
		gate := make(chan struct{})
		var wg sync.WaitGroup
		update := func(fn func(objstore.Writer) error) {
			if err := s.Rows().Update(t.Context(), "", fn); err != nil && !errors.Is(err, exists) {
				t.Errorf("update: %v", err)
			} else if err == nil {
				return
			}
			if err := s.Rows().View(t.Context(), func(tx objstore.Reader) error {
				_, err := tx.Get(key)
				return err
			}); err != nil {
				t.Errorf("what was said to exist: %v", err)
			}
		}
		// While one waits at the gate the others gather behind it; slow ones
		// among them keep what they share from becoming durable too soon.
		wg.Go(func() { update(func(objstore.Writer) error { <-gate; return nil }) })
		for i := range 24 {
			wg.Go(func() {
				update(func(tx objstore.Writer) error {
					if i%8 == 7 {
						for n := range 2000 {
							if err := tx.Set(binary.BigEndian.AppendUint32([]byte("slow"), uint32(n)), nil); err != nil {
								return err
							}
						}
						return nil
					}
					if _, err := tx.Get(key); !errors.Is(err, objstore.ErrNotFound) {
						return errors.Join(err, exists)
					}
					return tx.Set(key, []byte("there"))
				})
			})
		}
		for range 100 {
			runtime.Gosched()
		}
		close(gate)
		wg.Wait()
	}
}

// testChanged: who asks before looking is woken by what the look did not see,
// once that can be seen.
func testChanged(t *testing.T, s objstore.Store, _ Reopen) {
	boom := errors.New("boom")
	for round := range 5 {
		value := fmt.Sprint(round)
		changed := s.Rows().Changed()
		if err := s.Rows().Update(t.Context(), "", func(tx objstore.Writer) error {
			return errors.Join(tx.Set([]byte("k"), []byte("failed")), boom)
		}); !errors.Is(err, boom) {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			done <- s.Rows().Update(context.Background(), "", func(tx objstore.Writer) error { return tx.Set([]byte("k"), []byte(value)) })
		}()
		<-changed
		view(t, s, func(tx objstore.Reader) {
			if v, err := tx.Get([]byte("k")); err != nil || string(v) != value {
				t.Errorf("woken in round %d, it sees %q, %v", round, v, err)
			}
		})
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// testWatchers: watchers of a busy store see all that happens.
func testWatchers(t *testing.T, s objstore.Store, _ Reopen) {
	const most = 100
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				changed := s.Rows().Changed()
				var v []byte
				if err := s.Rows().View(t.Context(), func(tx objstore.Reader) (err error) {
					v, err = tx.Get([]byte("n"))
					if errors.Is(err, objstore.ErrNotFound) {
						err = nil
					}
					return err
				}); err != nil {
					t.Error(err)
					return
				}
				if string(v) == fmt.Sprint(most) {
					return
				}
				<-changed
			}
		})
	}
	for n := range most {
		set(t, s, "n", fmt.Sprint(n+1))
	}
	wg.Wait()
}
