package local_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"caret/objstore"
	"caret/objstore/local"
)

const stressDir = "CARET_TEST_STRESS_DIR"

// TestStress stops a process that writes and reads at any moment, and finds in a
// copy of its directory all that it was told, with the index, without, or with
// one that is to be made anew; now and then it is killed and goes on from there.
// The process is this test once more. CARET_STRESS is for how long.
func TestStress(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv(stressDir); dir != "" {
		stressChild(t, dir)
		return
	}
	long := 3 * time.Second
	if v := os.Getenv("CARET_STRESS"); v != "" {
		var err error
		if long, err = time.ParseDuration(v); err != nil {
			t.Fatal(err)
		}
	}
	r := &stressRig{t: t, dir: t.TempDir(), told: map[int]bool{}}
	r.start()
	for end := time.Now().Add(long); time.Now().Before(end); r.rounds++ {
		r.await(100 + rand.IntN(2000))
		r.stop()
		to := filepath.Join(t.TempDir(), "copy")
		copyAt(t, r.dir, to)
		told := r.sofar()
		if rand.IntN(3) == 0 {
			r.kill()
			r.start()
		} else if err := r.child.Process.Signal(unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
		r.verify(to, told)
		if err := os.RemoveAll(to); t.Failed() || err != nil {
			break
		}
	}
	r.kill()
	r.verify(r.dir, r.sofar())
	t.Logf("%d rounds, %d writes", r.rounds, len(r.told))
}

// stressRig is who looks at what the process leaves.
type stressRig struct {
	t      *testing.T
	dir    string
	child  *exec.Cmd
	ended  chan struct{} // closed when all the child said was read
	rounds int

	mu   sync.Mutex
	told map[int]bool // by number, whether its row is there; not if it is gone
	more chan struct{}
	want int
}

func (r *stressRig) start() {
	r.mu.Lock()
	first := 0
	for n := range r.told {
		first = max(first, n+1)
	}
	r.mu.Unlock()
	// Numbers that nobody was told of are not given to others.
	r.child = exec.Command(os.Args[0], "-test.run=^TestStress$")
	r.child.Env = append(os.Environ(), stressDir+"="+r.dir, fmt.Sprintf("CARET_TEST_STRESS_FIRST=%d", first+1000))
	r.child.Stderr = os.Stderr
	out, err := r.child.StdoutPipe()
	if err == nil {
		err = r.child.Start()
	}
	if err != nil {
		r.t.Fatal(err)
	}
	ended := make(chan struct{})
	r.ended = ended
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			r.line(lines.Text())
		}
	}()
}

func (r *stressRig) line(text string) {
	var n int
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := fmt.Sscanf(text, "set %d", &n); err == nil {
		r.told[n] = true
	} else if _, err := fmt.Sscanf(text, "gone %d", &n); err == nil {
		r.told[n] = false
	} else {
		r.t.Errorf("the process says %q", text)
	}
	if r.want--; r.want <= 0 && r.more != nil {
		close(r.more)
		r.more = nil
	}
}

// await waits until so much more has been told.
func (r *stressRig) await(n int) {
	more := make(chan struct{})
	r.mu.Lock()
	r.want, r.more = n, more
	r.mu.Unlock()
	select {
	case <-more:
	case <-r.ended:
		r.t.Fatal("the process has ended")
	case <-time.After(patience):
		r.t.Fatal("the process says nothing any more")
	}
}

// stop stops the process between two instructions.
func (r *stressRig) stop() {
	pid := r.child.Process.Pid
	if err := r.child.Process.Signal(unix.SIGSTOP); err != nil {
		r.t.Fatal(err)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, unix.WUNTRACED, nil); err != nil || !status.Stopped() {
		r.t.Fatal("the process does not stop", status, err)
	}
}

func (r *stressRig) kill() {
	if err := r.child.Process.Kill(); err != nil {
		r.t.Fatal(err)
	}
	<-r.ended
	r.child.Wait() // it was killed
}

func (r *stressRig) sofar() map[int]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.told)
}

// verify finds what was told in a directory, and nothing that is there by half.
// A row may be gone already, of which nobody was told: see stressGone.
func (r *stressRig) verify(dir string, told map[int]bool) {
	opts := local.Options{SegmentSize: 1, Reserve: -1}
	switch rand.IntN(3) {
	case 0:
		opts.Rebuild = true
	case 1:
		indexes, _ := filepath.Glob(filepath.Join(dir, "index-*"))
		for _, path := range indexes {
			if err := os.RemoveAll(path); err != nil {
				r.t.Fatal(err)
			}
		}
	}
	s, err := local.Open(dir, opts)
	if err != nil {
		r.t.Errorf("round %d: %v", r.rounds, err)
		return
	}
	defer s.Close()
	err = s.Rows().View(context.Background(), func(tx objstore.Reader) error {
		for n, there := range told {
			v, err := tx.Get(stressKey(n))
			switch {
			case errors.Is(err, objstore.ErrNotFound) && (!there || stressGone(n)):
			case err != nil:
				return fmt.Errorf("row %d: %w", n, err)
			case !there:
				return fmt.Errorf("row %d is there again", n)
			default:
				b, err := s.Blobs().Get(context.Background(), objstore.Hash(v), nil)
				if err != nil || !bytes.Equal(b, stressContent(n)) {
					return fmt.Errorf("content %d has %d bytes: %w", n, len(b), err)
				}
			}
		}
		return nil
	})
	if err != nil {
		r.t.Errorf("round %d: %v", r.rounds, err)
	}
}

func stressKey(n int) []byte { return fmt.Appendf(nil, "row %09d", n) }

// stressGone says which rows are deleted some time.
func stressGone(n int) bool { return n%3 == 0 }

// stressContent is of all sizes, most of them near where large blobs begin, and
// often the same.
func stressContent(n int) []byte {
	if n%7 == 0 {
		n /= 70
	}
	size := []int{0, 1, 100, 3000, local.DefaultSmallMax - 1, local.DefaultSmallMax, local.DefaultSmallMax + 1, 60_000}[n%8]
	b := make([]byte, size)
	copy(b, fmt.Append(nil, n))
	return b
}

// stressChild writes and reads until it is killed.
func stressChild(t *testing.T, dir string) {
	s := open(t, dir, local.Options{SegmentSize: 1, PackSize: 8 << 20})
	var first int64
	if _, err := fmt.Sscan(os.Getenv("CARET_TEST_STRESS_FIRST"), &first); err != nil {
		t.Fatal(err)
	}
	var next atomic.Int64
	next.Store(first)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var mine []int
			for {
				n := int(next.Add(1))
				err := stressWrite(s, n)
				if mine = append(mine, n); err == nil {
					err = stressRead(s, mine[rand.IntN(len(mine))])
				}
				if err == nil && len(mine) > 20 {
					if stressGone(mine[0]) {
						err = stressDelete(s, mine[0])
					}
					mine = mine[1:]
				}
				if err != nil {
					fmt.Printf("number %d: %v\n", n, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func stressWrite(s *local.Store, n int) error {
	h, err := s.Blobs().Put(context.Background(), stressContent(n))
	if err == nil {
		err = update(s, func(tx objstore.Writer) error { return tx.Set(stressKey(n), h[:]) })
	}
	if err == nil {
		_, err = fmt.Printf("set %d\n", n)
	}
	return err
}

func stressDelete(s *local.Store, n int) error {
	err := update(s, func(tx objstore.Writer) error { return tx.Delete(stressKey(n)) })
	if err == nil {
		_, err = fmt.Printf("gone %d\n", n)
	}
	return err
}

func stressRead(s *local.Store, n int) error {
	want := stressContent(n)
	b, err := s.Blobs().Get(context.Background(), objstore.Sum(want), nil)
	if err == nil && !bytes.Equal(b, want) {
		err = fmt.Errorf("content %d has %d bytes, not %d", n, len(b), len(want))
	}
	return err
}
