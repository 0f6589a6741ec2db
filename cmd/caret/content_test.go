package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"caret/api/v1"
)

// TestContentOnScreen: what a file or its name holds gives a terminal no orders.
func TestContentOnScreen(t *testing.T) {
	t.Parallel()
	f := fileDiff{Difference: v1.Difference{Path: "a\x1b[2Jb", Change: "added"}, Patch: "--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+\ta\x1b]0;title\x07\n"}
	got := f.text(printer{screen: true})
	if strings.ContainsAny(got, "\x1b\x07") || !strings.Contains(got, "+\ta") {
		t.Errorf("%q", got)
	}
	if got := f.text(printer{}); !strings.Contains(got, "+\ta\x1b]0;title\x07\n") {
		t.Errorf("a patch for a program: %q", got)
	}
	if got := f.text(printer{screen: true, color: true}); !strings.Contains(got, "\x1b[32m+\ta") {
		t.Errorf("colours: %q", got)
	}
}

// TestContentIsBounded: whatever two files hold, they are compared in little time.
func TestContentIsBounded(t *testing.T) {
	s := newStore(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	file := func(n int) string {
		var b strings.Builder
		for b.Len() < maxCompared-30 {
			fmt.Fprintln(&b, rnd.IntN(n))
		}
		return b.String()
	}
	for _, n := range []int{2, 1000, 1 << 60} {
		s.must(strings.NewReader(file(n)), "put", "r:f", "-")
		s.must(strings.NewReader(file(n)), "put", "r:f", "-")
		begin := time.Now()
		out, _ := s.must(nil, "diff", "r@HEAD^", "r@HEAD", "--content")
		t.Logf("lines of %d kinds: %d bytes in %s", n, len(out), time.Since(begin))
		if time.Since(begin) > 30*time.Second {
			t.Errorf("took %s", time.Since(begin))
		}
	}
}
