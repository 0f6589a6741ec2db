package crashtest

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

const (
	quickCases  = 130
	shortCases  = 10
	quickRounds = 10 // see builder
	caseTimeout = time.Minute
	casesAtOnce = 2
	// casesPerChild is after how many cases a child ends, with what they left
	// behind in it.
	casesPerChild = 50
)

// baseNames: the same store, closed, and killed while it was idle.
var baseNames = []string{"closed", "killed"}

// damageRun is one run of the suite.
type damageRun struct {
	t      *testing.T
	dir    string // of the bases
	work   string
	seed   uint64
	rounds int
	limits limits

	mu      sync.Mutex
	results []result
}

type result struct {
	damage
	outcome
}

// newDamageRun makes the bases.
func newDamageRun(t *testing.T) *damageRun {
	r := &damageRun{t: t, seed: uint64(time.Now().UnixNano()), rounds: quickRounds, work: memoryDir(t)}
	r.seed = number(t, "CARET_DAMAGE_SEED", r.seed)
	r.rounds = int(number(t, "CARET_DAMAGE_ROUNDS", uint64(r.rounds)))
	r.dir = cmp.Or(os.Getenv("CARET_DAMAGE_BASES"), filepath.Join(r.work, "bases"))
	t.Logf("seed %d, bases in %s", r.seed, r.dir)
	for _, name := range baseNames {
		if _, err := os.Stat(filepath.Join(r.dir, name, baseOracle)); err == nil {
			continue // an earlier run made it
		}
		r.build(name)
	}
	undamaged := r.runAlone(damage{Base: "killed", Kind: control})
	if undamaged.Class != whole {
		t.Fatalf("without damage: %s %s", undamaged.Class, strings.Join(undamaged.Details, "\n"))
	}
	t.Logf("without damage: %d reads, %v, %d MiB resident, %d MiB allocated", undamaged.Reads, undamaged.Took.Round(time.Millisecond), undamaged.Peak>>20, undamaged.Allocs>>20)
	r.limits = limits{undamaged.Peak, undamaged.Allocs}
	return r
}

// number is a number in the environment.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// memoryDir is a folder for the test, in memory if there is room.
func memoryDir(t *testing.T) string {
	var st unix.Statfs_t
	if unix.Statfs("/dev/shm", &st) != nil || int64(st.Bavail)*st.Bsize < 2<<30 {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("/dev/shm", "caret-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// build makes a base in a child.
func (r *damageRun) build(name string) {
	c := r.child("build " + name)
	defer c.end()
	if line, ok := c.hear(); !ok || line != "built" {
		r.t.Fatalf("base %s: %q\n%s", name, line, c.said())
	}
	if name == "killed" {
		c.cmd.Process.Signal(syscall.SIGKILL)
		c.cmd.Wait()
	}
	// Once more, without space that is allocated and not used: to copy it takes long.
	data := filepath.Join(r.dir, name, baseData)
	if err := errors.Join(os.Rename(data, data+"-made"), copyTree(data+"-made", data), os.RemoveAll(data+"-made")); err != nil {
		r.t.Fatal(err)
	}
}

// child is a process that makes a base or runs cases.
type child struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string
	work  string

	mu  sync.Mutex
	out bytes.Buffer // what it said besides
}

func (r *damageRun) child(task string) *child {
	work, err := os.MkdirTemp(r.work, "child-")
	if err != nil {
		r.t.Fatal(err)
	}
	limits, err := json.Marshal(r.limits)
	if err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestDamageChild$", "-test.timeout=0")
	cmd.Env = append(os.Environ(), childTask+"="+task, childDir+"="+r.dir, childWork+"="+work, "CARET_DAMAGE_LIMITS="+string(limits),
		fmt.Sprintf("%s=%d", childSeed, r.seed), fmt.Sprintf("%s=%d", childRounds, r.rounds))
	c := &child{cmd: cmd, lines: make(chan string, 1), work: work}
	if c.in, err = cmd.StdinPipe(); err != nil {
		r.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	go c.listen(out)
	return c
}

// listen hands on the lines that are meant for the parent.
func (c *child) listen(out io.Reader) {
	defer close(c.lines)
	in := bufio.NewReader(out)
	for {
		line, err := in.ReadString('\n')
		if text, ok := strings.CutPrefix(line, says); ok {
			c.lines <- strings.TrimSuffix(text, "\n")
		} else {
			c.mu.Lock()
			if c.out.Len() < 64<<10 {
				c.out.WriteString(line)
			}
			c.mu.Unlock()
		}
		if err != nil {
			return
		}
	}
}

// hear waits for a line; false if the child ends or says nothing for too long.
func (c *child) hear() (string, bool) {
	select {
	case line, ok := <-c.lines:
		return line, ok
	case <-time.After(caseTimeout):
		return hang, false
	}
}

func (c *child) said() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.String()
}

// end ends the child.
func (c *child) end() {
	c.in.Close()
	c.cmd.Process.Signal(syscall.SIGKILL)
	for range c.lines {
		continue
	}
	c.cmd.Wait()
	os.RemoveAll(c.work)
}

// run runs a case in a child; false if the child is of no use any more.
func (r *damageRun) run(c *child, d damage) (outcome, bool) {
	text, err := json.Marshal(d)
	if err != nil {
		r.t.Error(err)
		return outcome{}, false
	}
	started := time.Now()
	if _, err := c.in.Write(append(text, '\n')); err != nil {
		return outcome{Class: crash, Details: []string{firstLines(c.said())}}, false
	}
	line, ok := c.hear()
	var o outcome
	switch {
	case ok:
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			r.t.Errorf("%q: %v", line, err)
		}
	case line == hang:
		c.cmd.Process.Signal(syscall.SIGQUIT)
		for range c.lines {
			continue
		}
		o = outcome{Class: hang, Details: []string{firstLines(c.said())}}
	default:
		c.cmd.Wait()
		o = outcome{Class: crash, Details: []string{firstLines(c.said())}}
	}
	o.Took = time.Since(started)
	return o, ok
}

// runAlone runs a case in a child of its own, so that what comes of it is not
// what another case has left behind.
func (r *damageRun) runAlone(d damage) outcome {
	c := r.child("examine")
	defer c.end()
	o, _ := r.run(c, d)
	return o
}

// firstLines is the beginning of what a child said, without the empty lines.
func firstLines(s string) string {
	lines := slices.DeleteFunc(strings.Split(s, "\n"), func(l string) bool { return strings.TrimSpace(l) == "" })
	return strings.Join(lines[:min(len(lines), 14)], "\n")
}

// all runs cases, some at once.
func (r *damageRun) all(cases []damage) {
	var wg sync.WaitGroup
	next := make(chan damage)
	for range casesAtOnce {
		wg.Go(func() { r.worker(next) })
	}
	for i, d := range cases {
		next <- d
		if i > 0 && i%500 == 0 {
			r.t.Logf("%d of %d cases", i, len(cases))
		}
	}
	close(next)
	wg.Wait()
}

func (r *damageRun) worker(next <-chan damage) {
	var c *child
	n := 0
	for d := range next {
		if c == nil {
			c, n = r.child("examine"), 0
		}
		o, alive := r.run(c, d)
		if n++; !alive || n == casesPerChild || !o.ok() && n > 1 {
			c.end()
			c = nil
		}
		if !o.ok() && n > 1 {
			if alone := r.runAlone(d); alone.ok() {
				r.t.Logf("%v: %s, after %d other cases in one process; alone %s: %s", &d, o.Class, n-1, alone.Class, strings.Join(o.Details, "\n"))
				o = alone
			}
		}
		r.mu.Lock()
		r.results = append(r.results, result{d, o})
		r.mu.Unlock()
	}
	if c != nil {
		c.end()
	}
}

// draw makes up n cases: every kind of damage to every kind of file, in turns.
func (r *damageRun) draw(n int) []damage {
	rnd := rand.New(rand.NewPCG(r.seed, 3))
	type choice struct {
		base, kind string
		files      []*target
	}
	var choices []choice
	folders := map[string][]string{}
	for _, base := range baseNames {
		all, err := targets(filepath.Join(r.dir, base))
		if err != nil {
			r.t.Fatal(err)
		}
		byKind := map[string][]*target{}
		for _, f := range all {
			if folder := filepath.Dir(f.name); folder != "." && !slices.Contains(folders[base], folder) {
				folders[base] = append(folders[base], folder)
			}
			byKind[fileKind(f.name)] = append(byKind[fileKind(f.name)], f)
		}
		for _, name := range slices.Sorted(maps.Keys(byKind)) {
			for _, kind := range damageKinds {
				choices = append(choices, choice{base, kind, byKind[name]})
			}
		}
	}
	var cases []damage
	drawn := map[string]bool{}
	for before := -1; len(cases) < n && len(cases) > before; {
		before = len(cases)
		rnd.Shuffle(len(choices), func(i, j int) { choices[i], choices[j] = choices[j], choices[i] })
		for _, c := range choices {
			d, ok := c.files[rnd.IntN(len(c.files))].draw(rnd, filepath.Join(r.dir, c.base), c.kind)
			d.Base = c.base
			// What one file has may be made from others: without those it counts.
			if also := folders[c.base]; len(also) > 0 && rnd.IntN(3) == 0 {
				d.Also, d.Only = also[rnd.IntN(len(also))], nil
				ok = ok && d.Also != filepath.Dir(d.File) && d.Also != d.File
			}
			if ok && !drawn[d.String()] && len(cases) < n {
				drawn[d.String()] = true
				cases = append(cases, d)
			}
		}
	}
	return cases
}

// report prints what came of the cases, and fails the test with those that must
// not be.
func (r *damageRun) report() {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	counts := map[string]map[string]int{}
	total := map[string]int{}
	most := map[string]int{}
	for _, x := range r.results {
		row := fileKind(x.File) + "\t" + x.Kind
		if x.Also != "" {
			row = fileKind(x.File) + ", without " + fileKind(x.Also) + "\tall kinds"
		}
		if counts[row] == nil {
			counts[row] = map[string]int{}
		}
		counts[row][x.Class]++
		total[x.Class]++
		if x.Reads > 0 {
			most[row] = max(most[row], (100*x.Hurt+x.Reads-1)/x.Reads)
		}
	}
	classes := slices.DeleteFunc(slices.Clone(worse), func(class string) bool { return total[class] == 0 })
	fmt.Fprintf(w, "file\tdamage\t%s\tmost reads hurt\n", strings.Join(classes, "\t"))
	line := func(row string, n map[string]int, most string) {
		fmt.Fprint(w, row)
		for _, class := range classes {
			if fmt.Fprint(w, "\t"); n[class] > 0 {
				fmt.Fprint(w, n[class])
			}
		}
		fmt.Fprintf(w, "\t%s\n", most)
	}
	for _, row := range slices.Sorted(maps.Keys(counts)) {
		line(row, counts[row], fmt.Sprintf("%d %%", most[row]))
	}
	line("all\t", total, "")
	w.Flush()
	r.t.Logf("%d cases\n%s", len(r.results), &text)
	r.fail()
}

// fail fails the test with the first cases of each class that must not be.
func (r *damageRun) fail() {
	const each = 12
	shown := map[string]int{}
	slices.SortStableFunc(r.results, func(a, b result) int { return slices.Index(worse, b.Class) - slices.Index(worse, a.Class) })
	for _, x := range r.results {
		if x.ok() {
			continue
		}
		if shown[x.Class]++; shown[x.Class] > each {
			continue
		}
		id, err := json.Marshal(x.damage)
		if err != nil {
			r.t.Fatal(err)
		}
		r.t.Errorf("%s: %v\n    CARET_DAMAGE_CASE='%s'\n    %s", x.Class, &x.damage, id, strings.ReplaceAll(strings.Join(x.Details, "\n"), "\n", "\n    "))
	}
	for class, n := range shown {
		if n > each {
			r.t.Errorf("%s: %d more", class, n-each)
		}
	}
}

// TestDamage damages one file of a store in a process of its own, and checks that
// everything that is read is right or an error that says what is damaged, that
// writing goes on or is refused, and that a restart changes nothing of that.
//
// CARET_DAMAGE is how many cases there are, CARET_DAMAGE_SEED draws the same ones
// again, CARET_DAMAGE_BASES is a folder in which the stores are kept and found
// again, and CARET_DAMAGE_CASE runs one case.
func TestDamage(t *testing.T) {
	t.Parallel()
	r := newDamageRun(t)
	if id := os.Getenv("CARET_DAMAGE_CASE"); id != "" {
		var d damage
		if err := json.Unmarshal([]byte(id), &d); err != nil {
			t.Fatal(err)
		}
		r.results = []result{{d, r.runAlone(d)}}
		t.Logf("%+v", r.results[0].outcome)
		r.report()
		return
	}
	r.rollbacks()
	cases := uint64(quickCases)
	if testing.Short() {
		cases = shortCases
	}
	r.all(r.draw(int(number(t, "CARET_DAMAGE", cases))))
	r.report()
}

// rollbacks: a store that is put back as a whole to an earlier moment must be
// found out by the suite; no store can find that out itself.
func (r *damageRun) rollbacks() {
	for _, base := range baseNames {
		if o := r.runAlone(damage{Base: base, Kind: rollback, From: filepath.Join(baseOlder, "3")}); o.Class != wrong && o.Class != lost {
			r.t.Errorf("%s, put back to an earlier moment: %+v: the suite does not work", base, o)
		}
	}
}
