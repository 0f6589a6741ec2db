package objstoretest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"caret/objstore"
)

// Outcome is asked by a store at each commit of rows. If it returns an error,
// the store fails the commit with it, and committed says whether the commit
// happens all the same.
type Outcome func() (committed bool, err error)

// RunOutcomes runs those tests of the suite in which commits fail, on stores
// that open makes, each empty. A store that cannot go on after a failure is
// opened again by reopen.
func RunOutcomes(t *testing.T, open func(testing.TB, Outcome) (objstore.Store, Reopen)) {
	for _, committed := range []bool{false, true} {
		t.Run(fmt.Sprintf("Unknown/committed=%t", committed), func(t *testing.T) {
			t.Parallel()
			testUnknown(t, committed, open)
		})
	}
}

var errLost = errors.New("connection lost")

// testUnknown: who is told that the outcome is unknown finds all or nothing, and
// the same ever after; who is told that all is well finds all.
func testUnknown(t *testing.T, committed bool, open func(testing.TB, Outcome) (objstore.Store, Reopen)) {
	var failing atomic.Bool
	s, reopen := open(t, func() (bool, error) {
		if failing.Load() {
			return committed, errLost
		}
		return true, nil
	})
	for round := range 3 {
		if err := s.Rows().Update(t.Context(), "", begin); err != nil {
			t.Fatal(err)
		}
		changed := s.Rows().Changed()
		failing.Store(true)
		errs := replaceAll(s)
		failing.Store(false)
		if reopen != nil {
			s = reopen(s)
		} else if committed {
			<-changed
		}
		for range 2 {
			view(t, s, func(tx objstore.Reader) { checkReplaced(t, tx, errs) })
		}
		set(t, s, "after", fmt.Sprint(round))
	}
}

const writers = 6

func half(writer int, which string) string { return fmt.Sprintf("%d/%s", writer, which) }

// begin sets what all writers have.
func begin(tx objstore.Writer) error {
	var err error
	for i := range writers {
		err = errors.Join(err, tx.Set([]byte(half(i, "old")), nil), tx.Set([]byte(half(i, "same")), []byte("old")), tx.Delete([]byte(half(i, "new"))))
	}
	return err
}

// replaceAll lets all writers at once replace what each has, and returns what
// they are told.
func replaceAll(s objstore.Store) []error {
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			errs[i] = s.Rows().Update(context.Background(), "", func(tx objstore.Writer) error {
				return errors.Join(tx.Delete([]byte(half(i, "old"))), tx.Set([]byte(half(i, "same")), []byte("new")), tx.Set([]byte(half(i, "new")), nil))
			})
		})
	}
	wg.Wait()
	return errs
}

func checkReplaced(t *testing.T, tx objstore.Reader, errs []error) {
	const before, after = "%[1]d/old= %[1]d/same=old", "%[1]d/new= %[1]d/same=new"
	unknown := 0
	for i, err := range errs {
		got := dump(tx, objstore.Prefix([]byte(half(i, ""))))
		is, was := got == fmt.Sprintf(after, i), got == fmt.Sprintf(before, i)
		switch {
		case errors.Is(err, objstore.ErrUnknownOutcome):
			unknown++
			if !errors.Is(err, errLost) {
				t.Errorf("the cause is lost: %v", err)
			}
			if !is && !was {
				t.Errorf("writer %d: neither before nor after: %s", i, got)
			}
		case err == nil && !is:
			t.Errorf("writer %d was told that all is well: %s", i, got)
		case err != nil && !was:
			t.Errorf("writer %d was told %v: %s", i, err, got)
		}
	}
	if unknown == 0 {
		t.Errorf("no outcome was unknown: %v", errs)
	}
}
