package crashtest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	"golang.org/x/sys/unix"
)

// small is a file system of a size that is easily filled.
type small struct {
	t      *testing.T
	dir    string
	filler string
}

// newSmall mounts one by way of a loop device, or skips the test where that is not
// allowed. It is sparse: what fill takes is not written.
func newSmall(t *testing.T, size string) *small {
	t.Helper()
	image, dir := filepath.Join(t.TempDir(), "image"), t.TempDir()
	for _, args := range [][]string{{"truncate", "-s", size, image}, {"mkfs.ext4", "-q", "-m", "0", image}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Skipf("no file system of its own: %s: %v, %s", args[0], err, out)
		}
	}
	t.Cleanup(func() { system(t, "umount", dir) })
	return &small{t: t, dir: dir, filler: filepath.Join(dir, "filler")}
}

// fill leaves no more than so many bytes free, whatever others write meanwhile.
func (s *small) fill(left int64) {
	s.t.Helper()
	f, err := os.OpenFile(s.filler, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	for {
		var st unix.Statfs_t
		if err := unix.Statfs(s.dir, &st); err != nil {
			s.t.Fatal(err)
		}
		more := int64(st.Bavail)*st.Bsize - left
		if more <= 0 {
			return
		}
		info, err := f.Stat()
		if err == nil {
			err = unix.Fallocate(int(f.Fd()), 0, info.Size(), more)
		}
		if err != nil && !errors.Is(err, unix.ENOSPC) {
			s.t.Fatal(err)
		}
	}
}

// empty takes away what fill has put there.
func (s *small) empty() {
	s.t.Helper()
	if err := os.Remove(s.filler); err != nil {
		s.t.Fatal(err)
	}
}

// page is what a page for machines says.
func (s *server) page(t *testing.T, path string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Status + " " + string(b)
}

// full checks that writes, large ones too, are refused with a reason.
func (s *server) full(t *testing.T) {
	t.Helper()
	for _, size := range []int{10, 8 << 20} {
		_, err := put(t.Context(), s.client(), "refused", strings.Repeat("x", size))
		var e smithy.APIError
		if !errors.As(err, &e) || e.ErrorCode() != "InsufficientStorage" {
			t.Errorf("put of %d bytes on a full disk: %v", size, err)
		}
	}
	if got := s.page(t, "/_caret/health/live"); got != "200 OK ok\n" {
		t.Errorf("live: %s", got)
	}
	if got := s.page(t, "/_caret/health/ready"); !strings.HasPrefix(got, "200 OK ok, read-only: ") {
		t.Errorf("ready: %s", got)
	}
}

// TestFullDisk fills the disk under load, kills the server, and starts it while there is
// no room: everything acknowledged is read, writes are refused with a reason, and taken
// again once there is room, without another start.
func TestFullDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	const left = 180 << 20 // less than the twentieth that is kept in reserve
	bin, disk := build(t), newSmall(t, "4G")
	dir := filepath.Join(disk.dir, "data")
	l := &ledger{writes: map[string][]write{}}
	s := start(t, bin, dir)
	defer func() {
		if s != nil {
			s.kill(t)
		}
	}()
	createBucket(t, s)
	for round := range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		var wg sync.WaitGroup
		c := s.client()
		before := l.acks
		for worker := range 4 {
			wg.Go(func() { load(ctx, c, l, worker, round, uint64(round)) })
		}
		for enough := false; !enough && ctx.Err() == nil; {
			l.mu.Lock()
			enough = l.acks >= before+20
			l.mu.Unlock()
		}
		disk.fill(left)
		wg.Wait() // each is refused once
		cancel()
		s.full(t)
		s.kill(t)
		s = nil
		disk.fill(left)
		s = start(t, bin, dir)
		disk.fill(left) // it may have given space back to open
		l.check(t, s.client(), round)
		checkListing(t, s, round)
		s.full(t)
		disk.empty()
		if _, err := put(t.Context(), s.client(), "after", "room again"); err != nil {
			t.Fatalf("put when there is room again: %v", err)
		}
		if got := s.page(t, "/_caret/health/ready"); got != "200 OK ok\n" {
			t.Errorf("ready when there is room again: %s", got)
		}
	}
}
