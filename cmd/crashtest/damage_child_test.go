package crashtest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"caret/objstore"
	"caret/objstore/local"
	"caret/pfs"
)

// outcome is what a case came to.
type outcome struct {
	Class   string   // one of those below
	Details []string // the first ones, of a class that fails
	Hurt    int      // how many reads and writes had an error that says what is damaged
	Reads   int      // of all these
	Peak    int64    // most bytes resident
	Allocs  int64    // bytes allocated
	Took    time.Duration
}

// Outcomes. The first four are allowed, and so is no change at all.
const (
	same    = "no change" // the damage changed nothing, so nothing was tried
	whole   = "whole"     // all of the data, no error
	hurt    = "hurt"      // errors that say what is damaged, all else is right
	refused = "refused"   // Open fails, and says which file, or what to do

	wrong  = "WRONG"  // an answer that is not right
	lost   = "LOST"   // what was stored is said not to be there
	failed = "ERROR"  // an error that does not say that something is damaged
	vague  = "VAGUE"  // Open fails, and says neither which file nor what to do
	spread = "SPREAD" // damage to the bytes of one file hurts something else
	forgot = "FORGOT" // what was written after the damage is not there after a restart
	memory = "MEMORY" // far more memory than the reads need
	crash  = "CRASH"
	hang   = "HANG"
)

// worse is in which order outcomes of one case count.
var worse = []string{same, whole, hurt, refused, vague, failed, spread, memory, forgot, lost, wrong, hang, crash}

func (o *outcome) is(class, format string, args ...any) {
	if slices.Index(worse, class) > slices.Index(worse, o.Class) {
		o.Class = class
	}
	if class != whole && class != hurt && len(o.Details) < 5 {
		o.Details = append(o.Details, class+": "+fmt.Sprintf(format, args...))
	}
}

// ok says whether it is allowed.
func (o *outcome) ok() bool { return slices.Contains([]string{same, whole, hurt, refused}, o.Class) }

var (
	saysDamage = regexp.MustCompile(`(?i)corrupt|damage|checksum`)
	saysWhat   = regexp.MustCompile(`(?i)use a newer caret|restore |rebuild|delete the file|remove the file|move .* aside`)
)

// damaged says whether an error says that something is damaged.
func damaged(err error) bool {
	return errors.Is(err, objstore.ErrCorrupt) || errors.Is(err, objstore.ErrForeign) || saysDamage.MatchString(err.Error())
}

// missing says whether an error says that something is not there.
func missing(err error) bool {
	for _, e := range []error{objstore.ErrNotFound, pfs.ErrNoSuchRepo, pfs.ErrNoSuchBranch, pfs.ErrNoSuchTag, pfs.ErrNoSuchCommit,
		pfs.ErrNoSuchVersion, pfs.ErrNoSuchPath, pfs.ErrNoSuchUpload, pfs.ErrNoSuchUser, pfs.ErrNoSuchKey, pfs.ErrKeyGone} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// examiner runs cases on copies of one base.
type examiner struct {
	ctx    context.Context
	dir    string // of the bases
	work   string // where copies are made
	bases  map[string]*oracle
	files  map[string][]string // names of the files of each base
	limits limits
}

// limits are what reads of an undamaged store need, and a margin.
type limits struct{ Peak, Allocs int64 }

const (
	peakLimit   = 1 << 30 // resident
	allocsLimit = 1 << 30 // beyond thrice what it takes without damage
)

func (x *examiner) base(name string) (*oracle, error) {
	if o := x.bases[name]; o != nil {
		return o, nil
	}
	text, err := os.ReadFile(filepath.Join(x.dir, name, baseOracle))
	if err != nil {
		return nil, err
	}
	o := &oracle{}
	if err := json.Unmarshal(text, o); err != nil {
		return nil, err
	}
	list, err := fileNames(filepath.Join(x.dir, name))
	x.bases[name], x.files[name] = o, list
	return o, err
}

// run damages a copy of a base, and says what comes of it.
func (x *examiner) run(d damage) (o outcome, err error) {
	started := time.Now()
	o.Class = whole
	want, err := x.base(d.Base)
	if err != nil {
		return o, err
	}
	dir := filepath.Join(x.work, "data")
	if err := errors.Join(os.RemoveAll(dir), copyTree(filepath.Join(x.dir, d.Base, baseData), dir)); err != nil {
		return o, err
	}
	if changed, err := d.apply(filepath.Join(x.dir, d.Base), dir); err != nil || !changed {
		o.Class = same
		return o, err
	}
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil { // the peak begins anew
		return o, err
	}
	before := allocated()
	c := &examined{examiner: x, o: &o, d: &d, dir: dir, want: want}
	if c.open() {
		c.read()
		c.write()
		c.close()
		if c.open() {
			c.read()
			c.close()
		}
	} else if c.open() { // once more, which must not make it forget
		c.read()
		c.close()
	}
	o.Allocs, o.Peak, o.Took = allocated()-before, peak(), time.Since(started)
	if o.Peak > peakLimit {
		o.is(memory, "%d MiB were resident", o.Peak>>20)
	}
	if x.limits.Allocs > 0 && o.Allocs > 3*x.limits.Allocs+allocsLimit {
		o.is(memory, "%d MiB were allocated; %d are without damage", o.Allocs>>20, x.limits.Allocs>>20)
	}
	return o, nil
}

func allocated() int64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64())
}

// peak is the most bytes that were resident.
func peak() (n int64) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			fmt.Sscanf(rest, "%d", &n)
		}
	}
	return n << 10
}

// examined is one case.
type examined struct {
	*examiner
	o       *outcome
	d       *damage
	dir     string
	want    *oracle
	store   *local.Store
	system  *pfs.System
	written []written
}

// written is a file that the case wrote.
type written struct {
	place
	hash string
}

// open opens the store; false if it refuses.
func (c *examined) open() bool {
	var err error
	c.store, c.system, err = openRoot(c.ctx, c.dir, pfs.Options{})
	if err == nil {
		return true
	}
	text := strings.ReplaceAll(err.Error(), c.dir+"/", " ")
	named := saysWhat.MatchString(text)
	for _, name := range c.files[c.d.Base] {
		named = named || strings.Contains(text, filepath.Base(name))
	}
	switch {
	case c.d.Only != nil:
		c.o.is(spread, "open: %v", err)
	case !named:
		c.o.is(vague, "open: %v", err)
	default:
		c.o.is(refused, "open: %v", err)
	}
	return false
}

// close closes the store. What it could not put in order for damage it may say.
func (c *examined) close() {
	if err := errors.Join(c.system.Close(), c.store.Close()); err != nil {
		c.error("close", err)
	}
}

// error judges an error of a read or a write.
func (c *examined) error(op string, err error) {
	c.o.Hurt++
	hash, ok := strings.CutPrefix(op, "content ")
	expected := c.d.Only == nil || ok && slices.Contains(c.d.Only, hash)
	switch {
	case damaged(err) && !expected:
		c.o.is(spread, "%s: %v", op, err)
	case damaged(err), strings.HasPrefix(op, mine) && errors.Is(err, objstore.ErrFailed):
		c.o.is(hurt, "%s: %v", op, err)
	case missing(err):
		c.o.is(lost, "%s: %v", op, err)
	default:
		c.o.is(failed, "%s: %v", op, err)
	}
}

// read reads everything, and what the case wrote.
func (c *examined) read() {
	readAll(c.ctx, c.system, &c.want.Plan, func(op, answer string, err error) {
		c.o.Reads++
		want := c.want.Answers[op]
		switch {
		case err != nil:
			c.error(op, err)
		case answer != want && answer == "":
			c.o.is(lost, "%s: nothing is listed, and should be %s", op, want)
		case answer != want:
			c.o.is(wrong, "%s: %s, and should be %s", op, answer, want)
		}
	})
	r := &reading{ctx: c.ctx, system: c.system, fs: c.system.As(pfs.Root), plan: &c.want.Plan}
	for _, w := range c.written {
		got, err := r.content(w.place)
		switch {
		case err != nil && missing(err):
			c.o.is(forgot, "%v: %v", w.place, err)
		case err != nil:
			c.error(mine+" "+w.Path, err)
		case got != w.hash:
			c.o.is(wrong, "%v, just written, has other content", w.place)
		}
	}
}

// write writes files to a branch, an open commit and a new repo.
func (c *examined) write() {
	fs := c.system.As(pfs.Root)
	opt := pfs.WriteOptions{Message: mine}
	put := func(to pfs.Ref, path string, size int) {
		data := []byte(strings.Repeat(fmt.Sprintf("%s %s %d ", c.d.Kind, path, size), size/8+1)[:size])
		w := fs.NewFile(c.ctx, int64(size))
		defer w.Abort()
		_, err := w.Write(data)
		if err == nil {
			var p pfs.FilePart
			if p, err = w.Close(); err == nil {
				var done pfs.Committed
				if done, err = fs.Put(c.ctx, to, path, p.Content, pfs.Attrs{}, opt); err == nil {
					c.written = append(c.written, written{place{to.Repo, done.Commit.String(), path}, objstore.Sum(data).String()})
				}
			}
		}
		if err != nil {
			c.error(mine+" "+path, err)
		}
	}
	scratch := pfs.Ref{Repo: "small", Branch: "scratch"}
	for i, size := range []int{300, 5000, 600_000} {
		put(scratch, fmt.Sprintf("%s%d", minePrefix, i), size)
	}
	put(at("small", c.want.Plan.Open), minePrefix+"staged", 2000)
	if _, err := fs.CreateRepo(c.ctx, pfs.Repo{Name: mine}); err != nil {
		c.error(mine, err)
		return
	}
	put(pfs.Ref{Repo: mine}, minePrefix+"new", 50)
}

// What the parent says to a child in the environment, and hears of it.
const (
	childTask   = "CARET_DAMAGE_CHILD" // "build NAME" or "examine"
	childDir    = "CARET_DAMAGE_DIR"   // of the bases
	childWork   = "CARET_DAMAGE_WORK"
	childSeed   = "CARET_DAMAGE_SEED"
	childRounds = "CARET_DAMAGE_ROUNDS"
	says        = "damage: " // begins the lines that are for the parent
)

// TestDamageChild is a child of TestDamage: it makes a base, or runs cases that
// it reads from its input.
func TestDamageChild(t *testing.T) {
	task := os.Getenv(childTask)
	if task == "" {
		t.Skip("it is a part of TestDamage")
	}
	limitAddresses(t)
	if name, ok := strings.CutPrefix(task, "build "); ok {
		buildChild(t, name)
		return
	}
	x := &examiner{ctx: t.Context(), dir: os.Getenv(childDir), work: os.Getenv(childWork), bases: map[string]*oracle{}, files: map[string][]string{}}
	if err := json.Unmarshal([]byte(os.Getenv("CARET_DAMAGE_LIMITS")), &x.limits); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var d damage
		if err := json.Unmarshal(in.Bytes(), &d); err != nil {
			t.Fatal(err)
		}
		o, err := x.run(d)
		if err != nil {
			t.Fatalf("%v: %v", &d, err)
		}
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("%s%s\n", says, text)
	}
}

// buildChild makes a base. It ends when its input does, or is killed before.
func buildChild(t *testing.T, name string) {
	var seed uint64
	var rounds int
	if _, err := fmt.Sscan(os.Getenv(childSeed)+" "+os.Getenv(childRounds), &seed, &rounds); err != nil {
		t.Fatal(err)
	}
	b, err := buildBase(t.Context(), filepath.Join(os.Getenv(childDir), name), seed, rounds)
	if err != nil {
		t.Fatal(err)
	}
	if name != "killed" {
		b.close()
		if b.failed != nil {
			t.Fatal(b.failed)
		}
	}
	fmt.Println(says + "built")
	bufio.NewScanner(os.Stdin).Scan()
}

// limitAddresses makes an allocation of nonsense size fail, which ends the child.
func limitAddresses(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "-race" && s.Value == "true" {
				return // which needs terabytes
			}
		}
	}
	const most = 24 << 30
	if err := unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: most, Max: most}); err != nil {
		t.Fatal(err)
	}
}
