package crashtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// cutsPerDisk is after how many power cuts a new disk is begun, so that
// copying one stays quick.
const cutsPerDisk = 5

// disk is an ext4 file system in a file, mounted by way of a loop device.
type disk struct {
	image, dir string
}

// system runs a command that needs root.
func system(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// newDisk makes an empty disk, or with from the disk as which from would
// come back now if its power went.
func newDisk(t *testing.T, name string, from *disk) *disk {
	t.Helper()
	d := &disk{image: filepath.Join(t.TempDir(), name), dir: t.TempDir()}
	if from != nil {
		system(t, "cp", "--sparse=always", from.image, d.image)
	} else {
		system(t, "truncate", "-s", "8G", d.image)
		system(t, "mkfs.ext4", "-q", "-E", "lazy_itable_init=1", d.image)
	}
	return d
}

func (d *disk) mount(t *testing.T) {
	t.Helper()
	system(t, "mount", "-o", "loop", d.image, d.dir)
	t.Cleanup(func() { d.drop(t) })
}

// drop takes the disk away. It may be called again.
func (d *disk) drop(t *testing.T) {
	t.Helper()
	if d.image == "" {
		return
	}
	system(t, "umount", d.dir)
	if err := os.Remove(d.image); err != nil {
		t.Error(err)
	}
	d.image = ""
}

// TestPowerCut writes to a server, stops it at a random moment, takes what
// its disk holds just then, without what the kernel has not yet written, and
// checks that a server started on that has every acknowledged write. A file
// written without a sync shows that something is lost at all.
func TestPowerCut(t *testing.T) {
	cuts, err := strconv.Atoi(os.Getenv("CARET_POWER_CUTS"))
	if err != nil {
		t.Skip("CARET_POWER_CUTS is not set; it is the number of cuts, and root is needed")
	}
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 0))
	bin := build(t)
	acks, lostControls, startCuts := 0, 0, 0
	for round := 0; round < cuts; {
		d := newDisk(t, "disk", nil)
		d.mount(t)
		l := &ledger{writes: map[string][]write{}}
		s := start(t, bin, filepath.Join(d.dir, "data"))
		createBucket(t, s)
		for range min(cutsPerDisk, cuts-round) {
			control := filepath.Join(d.dir, fmt.Sprintf("control%d", round))
			text := fmt.Sprintf("not synced in round %d", round)
			after := cut(t, s, d, l, round, seed+uint64(round), time.Duration(50+rnd.IntN(900))*time.Millisecond, func() {
				if err := os.WriteFile(control, []byte(text), 0o600); err != nil {
					t.Error(err)
				}
			})
			if got, _ := os.ReadFile(filepath.Join(after.dir, filepath.Base(control))); string(got) != text {
				lostControls++
			}
			d = after
			for rnd.IntN(3) == 0 { // once more, while it starts
				d = cutStart(t, bin, d, rnd)
				startCuts++
			}
			s = start(t, bin, filepath.Join(d.dir, "data"))
			l.check(t, s.client(), round)
			checkListing(t, s, round)
			round++
		}
		s.kill(t)
		d.drop(t)
		acks += l.acks
	}
	t.Logf("%d power cuts and %d more at starts, seed %d: %d acknowledged writes, losses are the errors above; %d of %d files that were not synced were lost", cuts, startCuts, seed, acks, lostControls, cuts)
	// The kernel may write one by itself.
	if acks == 0 || 10*lostControls < 9*cuts {
		t.Error("nothing was acknowledged, or much that was not synced was not lost: the rig does not work")
	}
}

// cutStart cuts the power while a server starts on a disk, or has just started.
func cutStart(t *testing.T, bin string, d *disk, rnd *rand.Rand) *disk {
	t.Helper()
	cmd := exec.Command(bin, "serve", "--data", filepath.Join(d.dir, "data"), "--listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "CARET_ROOT_ACCESS_KEY="+accessKey, "CARET_ROOT_SECRET_KEY="+secretKey)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Duration(rnd.IntN(150)) * time.Millisecond) // the random moment
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	next := newDisk(t, fmt.Sprintf("start%d", rnd.Uint64()), d)
	cmd.Process.Kill()
	cmd.Wait()
	d.drop(t)
	next.mount(t)
	return next
}

// cut cuts the power of a server under load after a while, and returns its
// disk as it comes back.
func cut(t *testing.T, s *server, d *disk, l *ledger, round int, seed uint64, after time.Duration, last func()) *disk {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	c := s.client()
	for worker := range 8 {
		wg.Go(func() { load(ctx, c, l, worker, round, seed) })
	}
	<-time.After(after) // the random moment
	last()
	s.signal(t, syscall.SIGSTOP)
	next := newDisk(t, fmt.Sprintf("disk%d", round), d)
	s.kill(t)
	wg.Wait()
	d.drop(t)
	next.mount(t)
	return next
}

// TestPowerCutUnsynced: where no sync reaches the disk, though the server is told
// that it did, the rig finds that acknowledged writes are lost.
func TestPowerCutUnsynced(t *testing.T) {
	if os.Getenv("CARET_POWER_CUTS") == "" {
		t.Skip("CARET_POWER_CUTS is not set; root is needed")
	}
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not there, which swallows syncs")
	}
	bin := build(t)
	d := newDisk(t, "disk", nil)
	d.mount(t)
	s := start(t, bin, filepath.Join(d.dir, "data")) // what makes the store is on disk
	createBucket(t, s)
	s.kill(t)
	system(t, "sync", "-f", d.dir)
	const syncs = "fsync,fdatasync,msync,syncfs,sync_file_range"
	cmd := exec.Command("strace", "-f", "-o", filepath.Join(t.TempDir(), "trace"), "-e", "trace="+syncs, "-e", "inject="+syncs+":retval=0",
		bin, "serve", "--data", filepath.Join(d.dir, "data"), "--listen", "127.0.0.1:0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s = launched(t, cmd, accessKey, secretKey)
	l := &ledger{writes: map[string][]write{}}
	d = cut(t, s, d, l, 0, 1, time.Second, func() {})
	defer d.drop(t)
	if l.acks == 0 {
		t.Fatal("nothing was acknowledged: the load does not work")
	}
	again, err := startWatched(bin, filepath.Join(d.dir, "data"))
	if err != nil {
		t.Logf("the server finds it itself: %v", err)
		return
	}
	defer again.end(syscall.SIGKILL)
	lost := l.losses(again.client())
	if len(lost) == 0 {
		t.Errorf("none of %d acknowledged writes is lost: the rig does not work", l.acks)
	} else {
		t.Logf("%d acknowledged writes, and %d losses, such as: %s", l.acks, len(lost), lost[0])
	}
}
