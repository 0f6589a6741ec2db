package crashtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"golang.org/x/sys/unix"
)

// Sizes of disks, in MB.
var diskSizes = []int64{200, 300, 400, 500, 700, 1000, 1500, 2000}

const (
	fillerPart = 15 // percent of a disk that another one's file has from the beginning
	startLimit = time.Minute
	comeBack   = 10 * time.Second // after which writes must be taken again
)

// volume is a file system of a size.
type volume struct {
	kind  string // tmpfs or ext4
	size  int64
	dir   string
	image string
}

// mountVolume makes an empty file system; an error if this machine or user cannot.
func mountVolume(t *testing.T, kind string, size int64) (*volume, error) {
	v := &volume{kind: kind, size: size, dir: t.TempDir()}
	commands := [][]string{{"mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d", size), "tmpfs", v.dir}}
	if kind == "ext4" {
		v.image = filepath.Join(memoryDir(t), "disk")
		commands = [][]string{{"truncate", "-s", fmt.Sprint(size), v.image}, {"mkfs.ext4", "-q", v.image}, {"mount", "-o", "loop", v.image, v.dir}}
	}
	for _, c := range commands {
		if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%v: %w: %s", c, err, out)
		}
	}
	return v, nil
}

// drop unmounts it. A process that was killed may take a moment to let go.
func (v *volume) drop(t *testing.T) {
	var err error
	for range 100 {
		var out []byte
		if out, err = exec.Command("umount", v.dir).CombinedOutput(); err == nil {
			return
		}
		err = fmt.Errorf("umount: %w: %s", err, out)
		<-time.After(50 * time.Millisecond)
	}
	t.Error(err)
}

// used is how many percent of it are.
func (v *volume) used() int64 {
	var st unix.Statfs_t
	if unix.Statfs(v.dir, &st) != nil || st.Blocks == 0 {
		return 0
	}
	return int64(100 * (st.Blocks - st.Bavail) / st.Blocks)
}

// hog is somebody else's file, which takes all space there is, as long as it
// is there.
type hog struct {
	path string
	stop chan struct{}
	wg   sync.WaitGroup
}

// newHog begins one, and returns when no byte is left.
func newHog(v *volume, atOnce bool) (*hog, error) {
	h := &hog{path: filepath.Join(v.dir, "hog"), stop: make(chan struct{})}
	f, err := os.OpenFile(h.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if atOnce {
		var st unix.Statfs_t
		if err := unix.Statfs(v.dir, &st); err != nil {
			return nil, err
		}
		unix.Fallocate(int(f.Fd()), 0, 0, int64(st.Bavail)*st.Bsize) // what it cannot have is taken below
	}
	h.fill(f)
	h.wg.Go(func() {
		defer f.Close()
		for {
			select {
			case <-h.stop:
				return
			case <-time.After(20 * time.Millisecond): // what was given back meanwhile is taken too
				h.fill(f)
			}
		}
	})
	return h, nil
}

// fill writes until nothing more fits.
func (h *hog) fill(f *os.File) {
	buf := make([]byte, 1<<20)
	for n := len(buf); n >= 1; {
		if _, err := f.Write(buf[:n]); err != nil {
			n /= 16
		}
	}
}

// end removes the file.
func (h *hog) end() {
	close(h.stop)
	h.wg.Wait()
	os.Remove(h.path)
}

// watched is a server whose end is noticed, and whose last words are kept.
type watched struct {
	cmd  *exec.Cmd
	url  string
	done chan struct{} // closed when it has ended
	mu   sync.Mutex
	said []string
}

// startWatched starts a server. It is an error if it ends, or takes too long.
func startWatched(bin, dir string) (*watched, error) {
	w := &watched{cmd: exec.Command(bin, "serve", "--data", dir, "--listen", "127.0.0.1:0"), done: make(chan struct{})}
	w.cmd.Env = append(os.Environ(), "CARET_ROOT_ACCESS_KEY="+accessKey, "CARET_ROOT_SECRET_KEY="+secretKey)
	stderr, err := w.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	url := make(chan string, 1)
	go func() {
		defer close(w.done)
		w.listen(stderr, url)
		w.cmd.Wait()
	}()
	select {
	case w.url = <-url:
		return w, nil
	case <-w.done:
		return nil, fmt.Errorf("the server does not start:\n%s", w.last())
	case <-time.After(startLimit):
		w.cmd.Process.Signal(syscall.SIGQUIT)
		<-w.done
		return nil, fmt.Errorf("the server does not start within %v:\n%s", startLimit, w.last())
	}
}

func (w *watched) listen(r io.Reader, url chan<- string) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if _, at, ok := strings.Cut(lines.Text(), " at "); ok && strings.HasPrefix(at, "http://") {
			select {
			case url <- at:
			default:
			}
		}
		w.mu.Lock()
		if len(w.said) < 500 {
			w.said = append(w.said, lines.Text())
		}
		w.mu.Unlock()
	}
	io.Copy(io.Discard, r)
}

// last is what it said of its end, or at last.
func (w *watched) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, line := range w.said {
		if strings.Contains(line, "fatal error") || strings.HasPrefix(line, "panic") || strings.Contains(line, "SIGBUS") || strings.Contains(line, "unexpected fault") {
			return strings.Join(w.said[i:min(len(w.said), i+12)], "\n")
		}
	}
	return strings.Join(w.said[max(0, len(w.said)-8):], "\n")
}

// alive says whether it still runs.
func (w *watched) alive() bool {
	select {
	case <-w.done:
		return false
	default:
		return true
	}
}

// end ends it by a signal, and says whether it had ended before by itself, or
// would not end.
func (w *watched) end(signal syscall.Signal) error {
	if !w.alive() {
		return fmt.Errorf("the server has died:\n%s", w.last())
	}
	w.cmd.Process.Signal(signal)
	select {
	case <-w.done:
	case <-time.After(startLimit):
		w.cmd.Process.Signal(syscall.SIGKILL)
		return fmt.Errorf("the server does not end at %v", signal)
	}
	if crashed := w.last(); strings.Contains(crashed, "fatal error") || strings.Contains(crashed, "panic") {
		return fmt.Errorf("the server crashed as it ended:\n%s", crashed)
	}
	return nil
}

func (w *watched) client() *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(w.url), Region: "us-east-1", UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
		HTTPClient:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: time.Minute},
	})
}

// text is what is written under a key: nothing in it comes twice.
func text(key string, size int) string {
	var seed [32]byte
	copy(seed[:], key)
	b := make([]byte, size)
	rand.NewChaCha8(seed).Read(b)
	return string(b)
}

// filling is a disk that is filled through a server.
type filling struct {
	t      *testing.T
	v      *volume
	bin    string
	server *watched

	mu      sync.Mutex
	acked   map[string]int // sizes, by key
	unknown map[string]int // were tried, and failed
	errors  map[string]int // what was said of those, by code

	refusals atomic.Int64 // in a row
	next     atomic.Int64
}

// code is what an error of a write says, "" if there is none.
func code(err error) string {
	var e smithy.APIError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.ErrorCode()
	}
	return "no answer"
}

const noSpace = "InsufficientStorage"

// put writes a new file, and says how that went.
func (f *filling) put(ctx context.Context, c *s3.Client, size int) string {
	key := fmt.Sprintf("%d/%06d", f.next.Load()%7, f.next.Add(1))
	_, err := put(ctx, c, key, text(key, size))
	said := code(err)
	f.mu.Lock()
	defer f.mu.Unlock()
	if said == "" {
		f.acked[key] = size
		f.refusals.Store(0)
		return said
	}
	f.unknown[key] = size
	f.errors[said]++
	f.refusals.Add(1)
	return said
}

// write writes files of all sizes, until ctx ends.
func (f *filling) write(ctx context.Context, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 5))
	c := f.server.client()
	for ctx.Err() == nil && f.server.alive() {
		size := []int{10, 600, 4096, 4096, 100_000, 1_500_000}[rnd.IntN(6)]
		if f.v.size > 600<<20 && rnd.IntN(4) == 0 {
			size = 6 << 20
		}
		if f.put(context.WithoutCancel(ctx), c, size) != "" {
			<-time.After(5 * time.Millisecond)
		}
	}
}

// check reads everything: what was acknowledged is there, and what was not is
// there as a whole or not at all.
func (f *filling) check(when string) {
	f.mu.Lock()
	type file struct {
		key  string
		size int
		must bool
	}
	var files []file
	for key, size := range f.acked {
		files = append(files, file{key, size, true})
	}
	for key, size := range f.unknown {
		files = append(files, file{key, size, false})
	}
	f.mu.Unlock()
	work := make(chan file)
	var wg sync.WaitGroup
	var bad atomic.Int64
	c := f.server.client()
	for range 4 {
		wg.Go(func() {
			for x := range work {
				got, err := get(c, x.key, "")
				switch {
				case err == nil && (got == text(x.key, x.size) || got == "" && !x.must):
				case bad.Add(1) <= 3:
					f.t.Errorf("%s: %s has %d bytes, %v; acknowledged: %v, of %d bytes", when, x.key, len(got), err, x.must, x.size)
				}
			}
		})
	}
	for _, x := range files {
		work <- x
	}
	close(work)
	wg.Wait()
	if n := bad.Load(); n > 3 {
		f.t.Errorf("%s: %d files of %d in all cannot be read or are wrong", when, n, len(files))
	}
}

// refuses writes a few files, each of which must be taken or refused for want of
// space.
func (f *filling) refuses(when string) {
	c := f.server.client()
	for _, size := range []int{10, 4096, 200_000} {
		if said := f.put(f.t.Context(), c, size); said != "" && said != noSpace {
			f.t.Errorf("%s: a write of %d bytes is refused with %q", when, size, said)
		}
	}
}

func (f *filling) start(when string) bool {
	s, err := startWatched(f.bin, filepath.Join(f.v.dir, "data"))
	if err != nil {
		f.t.Errorf("%s: %v", when, err)
		return false
	}
	f.server = s
	return true
}

// end ends the server, which must have lived until then.
func (f *filling) end(when string, signal syscall.Signal) {
	if err := f.server.end(signal); err != nil {
		f.t.Errorf("%s: %v", when, err)
	}
}

// run fills the disk up to a percentage; then somebody else's file takes the rest.
// 100 is until writes are refused.
func (f *filling) run(percent int64, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 6))
	filler := filepath.Join(f.v.dir, "filler")
	if err := fillFile(filler, f.v.size/100*fillerPart); err != nil {
		f.t.Fatal(err)
	}
	if !f.start("at first") {
		return
	}
	defer func() { f.server.end(syscall.SIGKILL) }()
	if _, err := f.server.client().CreateBucket(f.t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
		f.t.Errorf("a new store on a disk of %d MB that is empty by %d percent takes no write: %v", f.v.size/1_000_000, 100-fillerPart, err)
		return
	}
	h := f.fill(percent, rnd)
	if h == nil {
		return
	}
	hogged := true
	defer func() {
		if hogged {
			h.end()
		}
	}()
	for i, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGKILL} {
		f.end(fmt.Sprintf("the disk is full, after %d starts", i), signal)
		when := fmt.Sprintf("start %d while the disk is full", i+1)
		if !f.start(when) {
			return
		}
		f.check(when)
		f.refuses(when)
	}
	h.end()
	hogged = false
	os.Remove(filler)
	f.comesBack()
	f.end("there is space again", syscall.SIGTERM)
	if f.start("there is space again") {
		f.check("there is space again, started")
	}
}

// fill writes until the disk is used so far, lets the hog take what is left while
// writes go on, and checks what there is.
func (f *filling) fill(percent int64, rnd *rand.Rand) *hog {
	ctx, stop := context.WithCancel(f.t.Context())
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() { f.write(ctx, rnd.Uint64()+uint64(i)) })
	}
	for started := time.Now(); f.refusals.Load() < 20 && (percent == 100 || f.v.used() < percent) && f.server.alive() && time.Since(started) < 5*time.Minute; {
		<-time.After(3 * time.Millisecond)
	}
	if f.refusals.Load() >= 20 {
		f.check("writes are refused")
	}
	h, err := newHog(f.v, rnd.IntN(2) == 0)
	if err != nil {
		f.t.Error(err)
	} else {
		<-time.After(time.Duration(rnd.IntN(700)) * time.Millisecond) // writes go on, for a while
	}
	stop()
	wg.Wait()
	if !f.server.alive() {
		f.t.Errorf("while the disk was filled: the server has died:\n%s", f.server.last())
		if !f.start("while the disk is full") {
			h.end()
			return nil
		}
	}
	f.check("the disk is full")
	f.refuses("the disk is full")
	return h
}

// comesBack: when there is space again writes are taken, without a restart.
func (f *filling) comesBack() {
	started := time.Now()
	c := f.server.client()
	for f.put(f.t.Context(), c, 5000) != "" {
		if time.Since(started) > comeBack || !f.server.alive() {
			f.t.Errorf("writes are not taken %v after there is space again: %v\n%s", time.Since(started).Round(time.Millisecond), f.errors, f.server.last())
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	f.check("there is space again")
}

// fillFile makes a file of a size with space of its own.
func fillFile(path string, size int64) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(unix.Fallocate(int(file.Fd()), 0, 0, size), file.Close())
}

// TestDiskFull fills disks of many sizes. At a point somebody else takes all
// that is left: everything acknowledged can still be read, the server lives, starts
// again and again, refuses writes for want of space, and takes them when there is
// space again. CARET_DISKFULL is at how many points of each disk that is tried; it
// needs root.
func TestDiskFull(t *testing.T) {
	points := int64(number(t, "CARET_DISKFULL", 0))
	type one struct {
		kind   string
		mb, at int64
	}
	list := []one{{kind: "tmpfs", mb: 300, at: 60}, {kind: "ext4", mb: 200, at: 100}}
	if points > 0 {
		list = nil
		for _, mb := range diskSizes {
			for i := range points {
				for _, kind := range []string{"tmpfs", "ext4"} {
					list = append(list, one{kind: kind, mb: mb, at: max(fillerPart+1, 100*(i+1)/points)})
				}
			}
		}
	} else {
		t.Parallel()
		if testing.Short() {
			t.Skip("long")
		}
	}
	bin := build(t)
	seed := number(t, "CARET_DISKFULL_SEED", uint64(time.Now().UnixNano()))
	t.Logf("seed %d", seed)
	for _, x := range list {
		t.Run(fmt.Sprintf("%s-%dMB-at-%d", x.kind, x.mb, x.at), func(t *testing.T) {
			v, err := mountVolume(t, x.kind, x.mb*1_000_000)
			if err != nil {
				t.Skipf("no disk of a size can be mounted here, which needs root: %v", err)
			}
			defer v.drop(t)
			f := &filling{t: t, v: v, bin: bin, acked: map[string]int{}, unknown: map[string]int{}, errors: map[string]int{}}
			f.run(x.at, seed)
			t.Logf("%d writes acknowledged; the others: %v", len(f.acked), f.errors)
		})
	}
}
