package local

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// TestFailingLong: what fails again and again is borne for a while; what failed once long
// ago, as nothing was tried since, or the process was stopped, is not broken for failing
// again.
func TestFailingLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f failing
		fail := func() { f.set(slog.New(slog.DiscardHandler), "it", errors.New("it fails")) }
		fail()
		<-time.After(time.Hour)
		fail()
		if f.long() {
			t.Error("it has failed twice, an hour apart, and that is too long")
		}
		f = failing{}
		began := time.Now()
		for !f.long() {
			fail()
			<-time.After(max(time.Until(f.until), time.Millisecond))
		}
		if took := time.Since(began); took < bearFor || took > 2*bearFor+lookAgain {
			t.Errorf("it was borne for %s", took)
		}
	})
}
