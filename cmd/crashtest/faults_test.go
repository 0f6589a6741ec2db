package crashtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Calls that change files, or lead to one. What the runtime and the test do with
// them elsewhere is told apart by the path.
var (
	changingCalls = []string{"fdatasync", "fsync", "pwrite64", "pwritev", "write", "ftruncate", "fallocate", "rename", "renameat", "openat", "unlinkat", "mkdirat"}
	failingCalls  = append(slices.Clone(changingCalls), "pread64")
	failingErrors = []string{"EIO", "ENOSPC"}
)

// strace injects an error or a signal into calls of a child. The N-th call is
// that of a thread, as strace counts: with many threads it may strike several
// times.
type injection struct {
	call   string // "" does nothing
	effect string // error=EIO, signal=KILL
	n      int    // 0 lists the calls
	onward bool   // and all calls after it
}

func (i injection) String() string {
	when := fmt.Sprint(i.n)
	if i.onward {
		when += "+"
	}
	return fmt.Sprintf("%s:%s:when=%s", i.call, i.effect, when)
}

// faultRig runs children under strace on copies of a store.
type faultRig struct {
	t     *testing.T
	work  string
	base  string // a store that was killed
	acked []fileWritten
	seed  uint64
}

// fileWritten is a file that a child wrote, or tried to.
type fileWritten struct {
	Key    string
	Size   int
	Commit string // "" if it was not acknowledged
}

// told is what a child said.
type told struct {
	acked, tried []fileWritten
	errors       []string // of writes, of opening and closing
	bad          []string // what must not be
	opened, done bool
	err          error // how it ended
	out          string
	struck       []string // the calls that something was injected into, in the store
	elsewhere    bool     // something was injected into other calls, too
	calls        []int    // which calls of a thread are on the store
}

func newFaultRig(t *testing.T) *faultRig {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not there, which makes calls fail; apt-get install strace")
	}
	r := &faultRig{t: t, work: memoryDir(t), seed: number(t, "CARET_FAULTS_SEED", uint64(time.Now().UnixNano()))}
	t.Logf("seed %d", r.seed)
	r.base = filepath.Join(r.work, "base")
	made := r.child("build", r.base, injection{}, nil, true)
	if len(made.acked) == 0 || !made.opened {
		t.Fatalf("no store: %+v", made)
	}
	r.acked = made.acked
	if control := r.verify(r.base, r.acked, told{}); len(control) > 0 {
		t.Fatalf("a store that was killed: %v", control)
	}
	again := r.child("build", r.base, injection{}, r.acked, true) // killed once more
	r.acked = append(r.acked, again.acked...)
	return r
}

// copy is a copy of the base, or nothing yet for a first start.
func (r *faultRig) copy(task string) string {
	dir := filepath.Join(r.work, "data")
	err := os.RemoveAll(dir)
	if task != firstStart {
		err = errors.Join(err, copyTree(r.base, dir))
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return dir
}

// firstStart is a start that makes the store.
const firstStart = "first start"

// child runs a child to its end, or kills it when it has done its work. What it
// checks is in files.
func (r *faultRig) child(task, dir string, i injection, files []fileWritten, kill bool) told {
	list, err := json.Marshal(files)
	if err != nil {
		r.t.Fatal(err)
	}
	listed := filepath.Join(r.work, "files.json")
	logs := filepath.Join(r.work, "strace")
	if err := errors.Join(os.WriteFile(listed, list, 0o600), os.RemoveAll(logs), os.MkdirAll(logs, 0o700)); err != nil {
		r.t.Fatal(err)
	}
	args := []string{os.Args[0], "-test.run=^TestFaultsChild$", "-test.timeout=0"}
	if i.call != "" {
		trace := []string{"strace", "-f", "-ff", "-y", "-o", filepath.Join(logs, "log"), "-e", "trace=" + i.call}
		if i.n > 0 {
			trace = append(trace, "-e", "inject="+i.String())
		}
		args = append(trace, args...)
	}
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(ends[1]), "child")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), faultTask+"="+task, faultDir+"="+dir, faultFiles+"="+listed, fmt.Sprintf("%s=%d", faultSeed, r.seed))
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	theirs.Close()
	timer := time.AfterFunc(2*time.Minute, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGQUIT) })
	defer timer.Stop()
	s := told{}
	s.listen(ends[0], func() {
		if kill {
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
	})
	unix.Close(ends[0])
	s.err = cmd.Wait()
	s.out = out.String()
	if !timer.Stop() {
		s.bad = append(s.bad, "HANG: "+firstLines(s.out))
	}
	s.readTrace(r.t, logs, dir)
	return s
}

// listen takes in what a child says, until it is gone.
func (s *told) listen(fd int, done func()) {
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Read(fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n <= 0 || err != nil {
			return
		}
		word, rest, _ := strings.Cut(string(buf[:n]), " ")
		var f fileWritten
		switch word {
		case "ack", "try":
			if err := json.Unmarshal([]byte(rest), &f); err != nil {
				s.bad = append(s.bad, err.Error())
			}
			if word == "ack" {
				s.acked = append(s.acked, f)
			} else {
				s.tried = append(s.tried, f)
			}
		case "error":
			s.errors = append(s.errors, rest)
		case "bad":
			s.bad = append(s.bad, rest)
		case "opened":
			s.opened = true
		case "done":
			s.done = true
			done()
		}
	}
}

var injected = regexp.MustCompile(`\(INJECTED\)|SIGKILL`)

// readTrace reads what strace has written: a file for each thread.
func (s *told) readTrace(t *testing.T, logs, dir string) {
	names, err := filepath.Glob(filepath.Join(logs, "log.*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		last := ""
		for n, line := range lines {
			if strings.Contains(line, dir) && !strings.HasPrefix(line, "+++") {
				s.calls = append(s.calls, n+1)
				last = line
			}
			if strings.Contains(line, "(INJECTED)") && strings.Contains(line, dir) {
				s.struck = append(s.struck, line)
			} else if strings.Contains(line, "(INJECTED)") {
				s.elsewhere = true
			}
		}
		if injected.MatchString(lines[len(lines)-1]) && last != "" && !strings.Contains(last, "(INJECTED)") {
			s.struck = append(s.struck, "killed at or after "+last)
		}
	}
	slices.Sort(s.calls)
	s.calls = slices.Compact(s.calls)
}

// saysError: an error of the disk must be told as what it is.
var saysError = regexp.MustCompile(`input/output error|no space left|not enough free|refuses writes|store is closed`)

// verify opens a store that nothing fails, and says what is not as it should be.
func (r *faultRig) verify(dir string, acknowledged []fileWritten, after told) []string {
	files := slices.Concat(acknowledged, after.acked)
	acked := map[string]bool{}
	for _, f := range files {
		acked[f.Key] = true
	}
	for _, f := range after.tried {
		if !acked[f.Key] {
			files = append(files, f)
		}
	}
	s := r.child("verify", dir, injection{}, files, false)
	for _, e := range s.errors {
		s.bad = append(s.bad, "after it, started without faults: "+e)
	}
	if s.err != nil || !s.done {
		s.bad = append(s.bad, fmt.Sprintf("after it, started without faults: %v\n%s", s.err, firstLines(s.out)))
	}
	return s.bad
}

// judge says what of a child whose calls failed is not as it should be, and
// whether anything was injected into calls on the store at all.
func (r *faultRig) judge(task string, i injection, dir string, s told) (bad []string, struck bool) {
	if len(s.struck) == 0 {
		return nil, false
	}
	killed := strings.HasPrefix(i.effect, "signal")
	bad = s.bad
	if !killed && (s.err != nil || !s.done && s.opened) {
		if s.elsewhere {
			return nil, false // the runtime or the test was hit, which may be why
		}
		bad = append(bad, fmt.Sprintf("CRASH: %v\n%s", s.err, firstLines(s.out)))
	}
	if !killed {
		for _, e := range s.errors {
			if !saysError.MatchString(e) {
				bad = append(bad, "VAGUE: "+e)
			}
		}
	}
	return append(bad, r.verify(dir, r.files(task), s)...), true
}

// files are those that a task begins with.
func (r *faultRig) files(task string) []fileWritten {
	if task == firstStart {
		return nil
	}
	return r.acked
}

// try runs one case, and reports it.
func (r *faultRig) try(task string, i injection) (struck bool) {
	dir := r.copy(task)
	s := r.child(task, dir, i, r.files(task), false)
	bad, struck := r.judge(task, i, dir, s)
	if len(bad) > 0 {
		r.t.Errorf("%s with %v, which struck %s:\n    %s", task, i, s.struck[0], strings.ReplaceAll(strings.Join(bad[:min(len(bad), 4)], "\n"), "\n", "\n    "))
	}
	return struck
}

// calls are the calls of each name that a task makes on the store, counted by
// thread.
func (r *faultRig) calls(task string, names []string) map[string][]int {
	calls := map[string][]int{}
	for _, name := range names {
		if list := r.child(task, r.copy(task), injection{call: name}, r.files(task), false).calls; len(list) > 0 {
			calls[name] = list
		}
	}
	return calls
}

// TestFaults makes calls of the system fail, once or from then on, while a
// process works on a store: it must not crash, must say what failed, and a start
// afterwards must find everything that was acknowledged. CARET_FAULTS is how many
// faults there are; each takes a second.
func TestFaults(t *testing.T) {
	n := int(number(t, "CARET_FAULTS", 0))
	if n == 0 {
		t.Skip("CARET_FAULTS is not set; it is the number of faults")
	}
	r := newFaultRig(t)
	rnd := rand.New(rand.NewPCG(r.seed, 7))
	calls := r.calls("work", failingCalls)
	t.Logf("calls, counted by thread: %v", calls)
	names := slices.Sorted(maps.Keys(calls))
	struck := map[string]int{}
	for k := range n {
		call := names[k%len(names)]
		i := injection{call: call, effect: "error=" + failingErrors[rnd.IntN(2)], n: one(rnd, calls[call]), onward: rnd.IntN(2) == 0}
		if r.try("work", i) {
			struck[call]++
		}
	}
	t.Logf("faults that struck: %v", struck)
	if len(struck) < 3 {
		t.Error("hardly any call was made to fail: the rig does not work")
	}
}

func one(rnd *rand.Rand, list []int) int { return list[rnd.IntN(len(list))] }

// TestKillAtCalls kills a process at every call that changes files while it
// starts on a store that was killed before, and at some calls while it works and
// closes; a start afterwards must find everything that was acknowledged.
func TestKillAtCalls(t *testing.T) {
	n := int(number(t, "CARET_FAULTS", 0))
	if n == 0 {
		t.Skip("CARET_FAULTS is not set; it is the number of kills at work")
	}
	r := newFaultRig(t)
	struck := map[string]int{}
	for _, task := range []string{firstStart, "start"} {
		for call, list := range r.calls(task, changingCalls) {
			for _, k := range list {
				if r.try(task, injection{call: call, effect: "signal=KILL", n: k}) {
					struck[task]++
				}
			}
		}
	}
	calls := r.calls("work", changingCalls)
	rnd := rand.New(rand.NewPCG(r.seed, 8))
	names := slices.Sorted(maps.Keys(calls))
	for k := range n {
		call := names[k%len(names)]
		if r.try("work", injection{call: call, effect: "signal=KILL", n: one(rnd, calls[call])}) {
			struck["work"]++
		}
	}
	t.Logf("kills: %v", struck)
	if len(struck) < 3 {
		t.Error("hardly any call was killed at: the rig does not work")
	}
}
