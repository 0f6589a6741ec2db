package plain_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"caret/cmd/crashtest/plain"
	"caret/commits/revision"
	"caret/objstore/content"
	"caret/objstore/local"
	"caret/objstore/local/run"
	"caret/pfs"
)

// wideFiles are the files of a commit that becomes a layer.
const wideFiles = 1500

// maxSegments are the most that the log has.
const maxSegments = 4

// maker makes a store.
type maker struct {
	*testing.T
	dir    string
	source *rand.ChaCha8
	rnd    *rand.Rand
	disk   sync.RWMutex // nothing happens on the disk while it is locked
	store  *local.Store
	system *pfs.System
	fs     *pfs.FS
}

func newMaker(t *testing.T) *maker {
	m := &maker{T: t, dir: t.TempDir(), source: rand.NewChaCha8([32]byte{1})}
	m.rnd = rand.New(m.source)
	var err error
	m.store, err = local.Open(m.dir, local.Options{SegmentSize: 1, Reserve: -1, Fault: func(string) error {
		m.disk.RLock()
		defer m.disk.RUnlock()
		return nil
	}})
	m.must(err)
	m.system, err = pfs.Open(t.Context(), m.store, pfs.Options{Exclusive: true})
	m.must(err)
	m.fs = m.system.As(pfs.Root)
	return m
}

func (m *maker) must(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

// copy copies what counts of the directory, as it is at this moment.
func (m *maker) copy() string {
	m.disk.Lock()
	defer m.disk.Unlock()
	to := m.TempDir()
	// What was under way may still remove a file of the log, as it is no longer
	// needed; what it was replaced by is there already, and found the next time.
	for _, name := range []string{"FORMAT", "log/acked", "log/*.log", "log/run-*.rows", "packs/*"} {
		for done := false; !done; {
			list, err := filepath.Glob(filepath.Join(m.dir, name))
			m.must(err)
			done = true
			for _, from := range list {
				b, err := os.ReadFile(from)
				if errors.Is(err, fs.ErrNotExist) {
					done = false
					break
				}
				m.must(err)
				path := filepath.Join(to, strings.TrimPrefix(from, m.dir))
				m.must(os.MkdirAll(filepath.Dir(path), 0o700))
				m.must(os.WriteFile(path, b, 0o600))
			}
		}
	}
	return to
}

// close closes the store.
func (m *maker) close() {
	m.must(errors.Join(m.system.Close(), m.store.Close()))
}

// at is a ref to what an expression means in a repo.
func (m *maker) at(repo, expr string) pfs.Ref {
	x, err := revision.Parse(expr)
	m.must(err)
	return pfs.Ref{Repo: repo, Base: x}
}

func (m *maker) repo(name string) {
	_, err := m.fs.CreateRepo(m.Context(), pfs.Repo{Name: name, Description: "the repo " + name})
	m.must(err)
}

// data is random bytes.
func (m *maker) data(size int) []byte {
	b := make([]byte, size)
	_, err := m.source.Read(b)
	m.must(err)
	return b
}

func (m *maker) content(b []byte) content.Content {
	w := m.fs.NewFile(m.Context(), int64(len(b)))
	defer w.Abort()
	_, err := w.Write(b)
	m.must(err)
	p, err := w.Close()
	m.must(err)
	return p.Content
}

func (m *maker) put(to pfs.Ref, path string, b []byte) {
	m.Helper()
	attrs := pfs.Attrs{
		ContentType: "text/x-" + path[:1], ContentEncoding: "a", ContentDisposition: "b", ContentLanguage: "c", CacheControl: "d", Expires: "e",
		Meta:     map[string]string{"size": fmt.Sprint(len(b)), "empty": "", "z": "ü"},
		Checksum: pfs.Checksum{Algorithm: "CRC32", Type: "FULL_OBJECT", Value: "AAAAAA=="},
	}
	if len(b)%2 == 0 {
		attrs = pfs.Attrs{Tags: map[string]string{"team": "blue", "none": ""}}
	}
	_, err := m.fs.Put(m.Context(), to, path, m.content(b), attrs, pfs.WriteOptions{Message: "put " + path})
	m.must(err)
}

func (m *maker) delete(to pfs.Ref, list ...pfs.Deletion) {
	m.Helper()
	_, err := m.fs.Delete(m.Context(), to, list, pfs.WriteOptions{})
	m.must(err)
}

// churn is n commits of one file, some of them deletions.
func (m *maker) churn(repo, branch, prefix string, n int) {
	to := pfs.Ref{Repo: repo, Branch: branch}
	names := []string{"a", "a\x00b", "a\x00\x00b", "a\x00ÿ", "a/b", "é", "z"}
	for range n {
		path := prefix + names[m.rnd.IntN(len(names))]
		if m.rnd.IntN(5) == 0 {
			m.delete(to, pfs.Files(path)...)
			continue
		}
		m.put(to, path, m.data([]int{0, 1, 64, 511, 513, 4096, 20_000}[m.rnd.IntN(7)]))
	}
}

func (m *maker) branch(repo, name, from string) {
	ref := m.at(repo, from)
	_, err := m.fs.CreateBranch(m.Context(), repo, name, pfs.BranchOptions{From: &ref})
	m.must(err)
}

func (m *maker) merge(repo, into, from string, fast bool) {
	rules := []pfs.Rule{{Pattern: "**", Strategy: pfs.Theirs}}
	_, err := m.fs.Merge(m.Context(), pfs.Ref{Repo: repo, Branch: into}, pfs.Ref{Repo: repo, Branch: from}, pfs.MergeOptions{NoFastForward: !fast, Rules: rules})
	m.must(err)
}

// batch is a commit of n files.
func (m *maker) batch(repo, prefix string, n, size int) {
	set, err := m.fs.NewBatch(m.Context(), pfs.Ref{Repo: repo, Branch: "master"}, pfs.WriteOptions{Message: "many files"})
	m.must(err)
	defer set.Close()
	for i := range n {
		m.must(set.Add(m.Context(), fmt.Sprintf("%s%04d", prefix, i), pfs.FilePart{Content: m.content(m.data(size))}, pfs.Attrs{}))
	}
	_, err = set.Finish(m.Context())
	m.must(err)
}

// histories are branches that leave others, and meet again.
func (m *maker) histories() {
	ctx, master := m.Context(), pfs.Ref{Repo: "one", Branch: "master"}
	m.repo("empty")
	m.repo("one")
	m.branch("one", "none", "master")
	m.churn("one", "master", "", 40)
	m.branch("one", "dev", "master~5")
	m.churn("one", "dev", "d/", 15)
	m.churn("one", "master", "", 10)
	m.branch("one", "deep", "dev~3")
	m.churn("one", "deep", "", 10)
	m.branch("one", "still", "deep~2")
	m.merge("one", "master", "deep", false)
	m.churn("one", "master", "", 3)
	m.merge("one", "dev", "master", false)
	m.branch("one", "moved", "dev")
	m.churn("one", "moved", "", 5)
	m.merge("one", "dev", "moved", true)
	_, err := m.fs.ResetBranch(ctx, "one", "moved", m.at("one", "master~4"), pfs.WriteOptions{}, false)
	m.must(err)
	m.churn("one", "moved", "", 3)
	_, err = m.fs.Revert(ctx, master, m.at("one", "master"), pfs.UndoOptions{})
	m.must(err)
	m.branch("one", "gone", "master")
	_, err = m.fs.DeleteBranch(ctx, "one", "gone", pfs.BranchDeletion{})
	m.must(err)
	for name, at := range map[string]string{"v1": "master~20", "v2": "dev", "v3": "still"} {
		_, err := m.fs.CreateTag(ctx, "one", name, m.at("one", at), "")
		m.must(err)
	}
	m.versions(master)
}

// versions takes versions of a file away, and tags it.
func (m *maker) versions(on pfs.Ref) {
	ctx := m.Context()
	var made []*revision.Expr
	for i := range 4 {
		done, err := m.fs.Put(ctx, on, "versions", m.content(m.data(i)), pfs.Attrs{}, pfs.WriteOptions{})
		m.must(err)
		x, err := revision.Parse(done.Commit.String())
		m.must(err)
		made = append(made, &x)
	}
	m.delete(on, pfs.Deletion{Path: "versions", Version: made[1]})
	m.delete(on, pfs.Deletion{Path: "versions", Version: made[3]})
	_, err := m.fs.SetTags(ctx, on, "versions", nil, map[string]string{"a": "b"}, pfs.WriteOptions{})
	m.must(err)
	m.delete(on, pfs.Deletion{Path: "versions", Version: made[0]}, pfs.Deletion{Path: "versions", Version: made[2]})
}

// large is files of many chunks.
func (m *maker) large() {
	ctx, master := m.Context(), pfs.Ref{Repo: "large", Branch: "master"}
	m.repo("large")
	whole := m.data(5<<20 + 7)
	m.put(master, "chunks", whole)
	m.put(master, "chunks", append(m.data(70_000), whole[70_000:]...))
	m.put(master, "chunk", m.data(300<<10))
	up, err := m.fs.CreateUpload(ctx, master, "parts", pfs.Attrs{}, pfs.WriteOptions{})
	m.must(err)
	var parts []pfs.CompletedPart
	for i, part := range [][]byte{whole[5:], whole[:pfs.MinPart+3], []byte("end")} {
		_, w, err := m.fs.NewPart(ctx, master, "parts", up.ID, i+1, int64(len(part)))
		m.must(err)
		_, err = w.Write(part)
		m.must(err)
		p, err := w.Close()
		m.must(err)
		_, err = m.fs.PutPart(ctx, master, "parts", up.ID, i+1, p, pfs.Checksum{Algorithm: "CRC32", Value: "AAAAAA=="})
		m.must(err)
		parts = append(parts, pfs.CompletedPart{Number: i + 1})
	}
	_, err = m.fs.CompleteUpload(ctx, master, "parts", up.ID, parts, pfs.Checksum{Algorithm: "CRC32", Type: "COMPOSITE", Value: "AAAAAA==-3"}, pfs.WriteOptions{})
	m.must(err)
}

// open is an open commit.
func (m *maker) open() {
	o, err := m.fs.StartCommit(m.Context(), pfs.Ref{Repo: "one", Branch: "dev"}, pfs.WriteOptions{Message: "open"})
	m.must(err)
	to := m.at("one", o.ID.String())
	m.put(to, "a", m.data(100))
	m.put(to, "new", m.data(5000))
	m.delete(to, pfs.Files("a/b", "é")...)
}

// told is what can be told of a store.
type told struct {
	names map[string]string                 // repos, branches, tags and open commits: their commits
	logs  map[string][]plain.Commit         // of branches
	files map[string]map[string]plain.Facts // of commits
}

func newTold() told {
	return told{map[string]string{}, map[string][]plain.Commit{}, map[string]map[string]plain.Facts{}}
}

// ask asks pfs.
func (m *maker) ask() told {
	ctx, x := m.Context(), newTold()
	repos, err := m.fs.Repos(ctx, "", 0)
	m.must(err)
	for _, r := range repos {
		x.names[r.Name] = r.Description + " " + r.DefaultBranch
		branches, err := m.fs.Branches(ctx, r.Name, "", 0)
		m.must(err)
		for _, b := range branches {
			m.askBranch(x, r.Name, b)
		}
		tags, err := m.fs.Tags(ctx, r.Name, "", 0)
		m.must(err)
		for _, tag := range tags {
			x.names[r.Name+" tag "+tag.Name] = tag.Commit.String()
		}
		open, err := m.fs.OpenCommits(ctx, r.Name, pfs.CommitID{}, 0)
		m.must(err)
		for _, o := range open {
			x.names[r.Name+" open "+o.ID.String()] = o.Parent.String()
			m.askFiles(x, r.Name, o.ID)
		}
	}
	return x
}

// askBranch asks for the log of a branch, and for the files of each commit.
func (m *maker) askBranch(x told, repo string, b pfs.Branch) {
	name := repo + " branch " + b.Name
	x.names[name] = ""
	if !b.Head.IsZero() {
		x.names[name] = b.Head.String()
	}
	s, err := m.fs.Open(m.Context(), pfs.Ref{Repo: repo, Branch: b.Name}, pfs.ActList, "")
	m.must(err)
	list, err := s.Log(m.Context(), pfs.LogOptions{})
	m.must(err)
	for _, c := range list {
		shown := plain.Commit{ID: c.ID.String(), Author: c.Author, Message: c.Message, Time: uint64(c.Time.UnixMilli()), Files: c.Files, Hash: c.Hash}
		for _, p := range c.Parents {
			shown.Parents = append(shown.Parents, p.String())
		}
		x.logs[name] = append(x.logs[name], shown)
		m.askFiles(x, repo, c.ID)
	}
}

func (m *maker) askFiles(x told, repo string, id pfs.CommitID) {
	if x.files[id.String()] != nil {
		return
	}
	files := map[string]plain.Facts{}
	x.files[id.String()] = files
	s, err := m.fs.Open(m.Context(), m.at(repo, id.String()), pfs.ActList, "")
	m.must(err)
	for info, err := range s.All(m.Context(), "") {
		m.must(err)
		files[info.Path] = facts(info)
	}
}

// facts are those of a file.
func facts(i pfs.Info) plain.Facts {
	a := i.Attrs
	f := plain.Facts{
		Version: i.Commit.String(), Hash: i.Content.Hash, Size: uint64(i.Content.Root.Size), Modified: uint64(i.Modified.UnixMilli()),
		Headers:  [6]string{a.ContentType, a.ContentEncoding, a.ContentDisposition, a.ContentLanguage, a.CacheControl, a.Expires},
		Checksum: [3]string{a.Checksum.Algorithm, a.Checksum.Type, a.Checksum.Value},
		Sums:     i.PartSums,
	}
	for _, n := range i.Parts {
		f.Parts = append(f.Parts, uint64(n))
	}
	for _, key := range slices.Sorted(maps.Keys(a.Meta)) {
		f.Meta = append(f.Meta, key, a.Meta[key])
	}
	for _, key := range slices.Sorted(maps.Keys(a.Tags)) {
		f.Tags = append(f.Tags, key, a.Tags[key])
	}
	return f
}

// read asks the reader, and reads the content of every file.
func read(t *testing.T, s *plain.Store) told {
	x := newTold()
	id := func(at plain.Place) string {
		list, err := s.Log(at)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			return ""
		}
		return list[0].ID
	}
	whole := map[[32]byte]bool{}
	files := func(id string, list map[string]*plain.File) {
		x.files[id] = map[string]plain.Facts{}
		for path, f := range list {
			x.files[id][path] = f.Facts
			if whole[f.Hash] {
				continue
			}
			if _, err := s.Content(f); err != nil {
				t.Errorf("%q in %s: %v", path, id, err)
			}
			whole[f.Hash] = true
		}
	}
	for name, r := range s.Repos {
		x.names[name] = r.Description + " " + r.DefaultBranch
		for tag, at := range r.Tags {
			x.names[name+" tag "+tag] = id(at)
		}
		for open, at := range r.Open {
			x.names[name+" open "+open] = id(at)
			list, err := s.OpenFiles(open, at)
			if err != nil {
				t.Error(err)
			}
			files(open, list)
		}
		for branch, at := range r.Branches {
			name := name + " branch " + branch
			x.names[name] = id(at)
			list, err := s.Log(at)
			if err != nil {
				t.Error(err)
			}
			for _, c := range list {
				if x.files[c.ID] == nil {
					files(c.ID, s.Files(c.At))
				}
				shown := *c
				shown.At = plain.Place{}
				x.logs[name] = append(x.logs[name], shown)
			}
		}
	}
	return x
}

// compare reads a copy, which must have what pfs told.
func compare(t *testing.T, when, dir string, want told) *plain.Store {
	s, err := plain.Read(dir)
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	got := read(t, s)
	t.Logf("%s: %+v; %d names, %d commits", when, s.Seen, len(got.names), len(got.files))
	if diff := cmp.Diff(want.names, got.names); diff != "" {
		t.Errorf("%s: names: %s", when, diff)
	}
	if diff := cmp.Diff(want.logs, got.logs); diff != "" {
		t.Errorf("%s: logs: %s", when, diff)
	}
	if len(want.files) != len(got.files) {
		t.Errorf("%s: %d commits, not %d", when, len(got.files), len(want.files))
	}
	for id, files := range want.files {
		if !reflect.DeepEqual(files, got.files[id]) {
			t.Fatalf("%s: files of %s: %s", when, id, cmp.Diff(files, got.files[id]))
		}
	}
	return s
}

// merged merges runs in a copy, as caret does when there are many, and leaves
// those that were merged.
func (m *maker) merged(dir string) {
	runs, _, _, err := run.List(filepath.Join(dir, "log"))
	m.must(err)
	for _, part := range [][]run.Info{runs[:3], runs[4:6]} { // the first, whose deletions go, and others
		_, err := run.Merge(m.Context(), filepath.Join(dir, "log"), runs[0].ID, part, run.Options{})
		m.must(err)
	}
}

// damage changes a byte in the middle of files, one at a time; none can then be read.
func damage(t *testing.T, dir string, patterns ...string) {
	for _, pattern := range patterns {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(names) == 0 {
			t.Fatal(pattern, err)
		}
		whole, err := os.ReadFile(names[0])
		if err != nil {
			t.Fatal(err)
		}
		b := slices.Clone(whole)
		b[len(b)/2] ^= 1
		if err := os.WriteFile(names[0], b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := readAll(dir); err == nil {
			t.Errorf("%s is damaged and can be read", names[0])
		} else {
			t.Logf("%s: %.200v", pattern, err)
		}
		if err := os.WriteFile(names[0], whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// lose removes the segments, of which acked says that they had more than the runs.
func lose(t *testing.T, dir string) {
	names, err := filepath.Glob(filepath.Join(dir, "log", "*.log"))
	for _, name := range names {
		err = errors.Join(err, os.Remove(name))
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := readAll(dir); err == nil || !strings.Contains(err.Error(), "are lost") {
		t.Errorf("without segments: %v", err)
	}
}

// readAll reads the files of all commits of all branches.
func readAll(dir string) error {
	s, err := plain.Read(dir)
	if err != nil {
		return err
	}
	seen := map[[32]byte]bool{}
	for _, r := range s.Repos {
		for _, at := range r.Branches {
			list, err := s.Log(at)
			if err != nil {
				return err
			}
			for _, c := range list {
				for _, f := range s.Files(c.At) {
					if seen[f.Hash] {
						continue
					}
					if _, err := s.Content(f); err != nil {
						return err
					}
					seen[f.Hash] = true
				}
			}
		}
	}
	return nil
}

// TestPlain reads stores by what the documents say, and compares all of them to what
// caret says of them.
func TestPlain(t *testing.T) {
	m := newMaker(t)
	m.histories()
	m.large()
	m.repo("wide")
	for i := range 6 { // more than there are segments, which are used again
		m.batch("wide", fmt.Sprintf("%d/", i%3), 420, 16<<10)
	}
	m.churn("wide", "master", "0/", 5)
	for layered := false; !layered; {
		m.batch("wide", "layer/", wideFiles, 64)
		dir := m.copy()
		layered = compare(t, "killed in the midst of folding", dir, m.ask()).Seen.Layers > 0 // else folding was faster
	}
	m.batch("wide", "small/", 200, 4096)
	m.open()
	dir, told := m.copy(), m.ask()
	if s := compare(t, "killed", dir, told); s.Seen.Runs < 2 || s.Seen.Bulks == 0 || s.Seen.Records == 0 {
		t.Errorf("not everything was there to be read: %+v", s.Seen)
	}
	lose(t, dir)
	m.close()
	dir = m.copy()
	if s := compare(t, "closed", dir, told); s.Seen.Runs <= maxSegments {
		t.Errorf("no segment was used again: %+v", s.Seen)
	}
	damage(t, dir, "log/run-*.rows", "log/acked", "packs/*")
	m.merged(dir)
	if s := compare(t, "merged", dir, told); s.Seen.Superseded != 5 {
		t.Errorf("not everything was there to be read: %+v", s.Seen)
	}
}
