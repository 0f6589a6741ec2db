package local_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"caret/objstore"
	"caret/objstore/local"
)

// TestKilled: numbers that were given out, and rows that were acknowledged,
// are not forgotten when the process is killed. That is this test once more,
// in a process of its own.
func TestKilled(t *testing.T) {
	t.Parallel()
	const asChild = "CARET_TEST_KILLED"
	if dir := os.Getenv(asChild); dir != "" {
		giveOut(t, dir)
		return
	}
	dir := t.TempDir()
	last := uint64(0)
	for round := range 3 {
		child := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		child.Env = append(os.Environ(), asChild+"="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 1 + 100*round {
			var n uint64
			if !lines.Scan() {
				t.Fatalf("round %d: the child ended: %v", round, lines.Err())
			}
			if _, err := fmt.Sscanf(lines.Text(), "number %d", &n); err != nil || n <= last {
				t.Fatalf("round %d: %q, %v, after %d", round, lines.Text(), err, last)
			}
			last = n
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it gave out before it died
			if _, err := fmt.Sscanf(lines.Text(), "number %d", &last); err != nil {
				t.Fatalf("round %d: %q, %v", round, lines.Text(), err)
			}
		}
		child.Wait()
	}
	s := open(t, dir, local.Options{})
	if n, err := s.Rows().Number(t.Context(), "n", 0); n <= last || err != nil {
		t.Errorf("number %d, %v, after %d", n, err, last)
	}
	if err := s.Rows().View(t.Context(), func(tx objstore.Reader) error {
		_, err := tx.Get(fmt.Append(nil, last))
		return err
	}); err != nil {
		t.Errorf("the row of %d: %v", last, err)
	}
}

// giveOut gives out numbers until it is killed, each when its row is stored.
func giveOut(t *testing.T, dir string) {
	s := open(t, dir, local.Options{})
	for {
		n, err := s.Rows().Number(t.Context(), "n", 0)
		if err == nil {
			err = update(s, func(tx objstore.Writer) error { return tx.Set(fmt.Append(nil, n), nil) })
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Printf("number %d\n", n); err != nil {
			return // nobody listens
		}
	}
}
