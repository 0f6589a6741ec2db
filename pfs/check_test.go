package pfs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"caret/commits"
	"caret/objstore"
	"caret/objstore/memory"
	"caret/pfs/rows"
)

// Verify finds nothing in whatever the model does.
func (m *machine) Verify(t *rapid.T) {
	m.t = t
	if rapid.IntRange(0, 9).Draw(t, "verify") > 0 {
		return
	}
	done, err := m.fs.Check(m.ctx, CheckOptions{Repo: m.repo, Found: func(d Damage) error {
		t.Errorf("a healthy store: %+v", d)
		return nil
	}})
	m.must(err)
	least := 0
	for _, b := range m.model.branches {
		least = max(least, len(b))
	}
	if done.Commits < least {
		t.Fatalf("checked %d commits, a branch has %d", done.Commits, least)
	}
}

// spoilt is a store of which blobs are damaged.
type spoilt struct {
	*memory.Store
	blobs *spoiltBlobs
}

func (s spoilt) Blobs() objstore.Blobs { return s.blobs }

type spoiltBlobs struct {
	objstore.Blobs
	victim objstore.Hash
	err    error
	got    map[objstore.Hash]int
}

func (s *spoiltBlobs) Get(ctx context.Context, h objstore.Hash, buf []byte) ([]byte, error) {
	s.got[h]++
	if h == s.victim {
		return nil, s.err
	}
	return s.Blobs.Get(ctx, h, buf)
}

// checkAll checks everything.
func checkAll(t testing.TB, fs *FS, opt CheckOptions) (list []Damage, done Checked) {
	t.Helper()
	opt.Found = func(d Damage) error {
		list = append(list, d)
		return nil
	}
	done, err := fs.Check(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	if done.Damaged != len(list) {
		t.Errorf("says it found %d, told %d", done.Damaged, len(list))
	}
	return list, done
}

// kept is a store with something of each kind: merges, layers that are folded in and
// such that are not, open commits, uploads, branches that were reset and deleted.
func kept(t *testing.T) (*FS, spoilt) {
	t.Helper()
	mem := memory.New()
	on := spoilt{mem, &spoiltBlobs{Blobs: mem.Blobs(), got: map[objstore.Hash]int{}}}
	fs, err := openRoot(t.Context(), on, Options{LayerAbove: 2, manual: true, foldPage: 2})
	if err != nil {
		t.Fatal(err)
	}
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	mustRepo(t, fs, "r")
	mustRepo(t, fs, "gone")
	mustPut(t, fs, Ref{Repo: "gone"}, "g", "in a repo that is deleted")
	must(fs.DeleteRepo(ctx, "gone", DeleteOptions{Force: true}))
	master := Ref{Repo: "r", Branch: "master"}
	mustPut(t, fs, master, "a", "a1")
	mustPut(t, fs, master, "a", "a2")
	mustPut(t, fs, master, "zero\x00byte", "z")
	mustPut(t, fs, master, "big", strings.Repeat("0123456789abcdef", 400_000))
	_, err = fs.Delete(ctx, master, Files("zero\x00byte"), WriteOptions{})
	must(nil, err)
	must(fs.CreateBranch(ctx, "r", "side", BranchOptions{From: &master}))
	side := Ref{Repo: "r", Branch: "side"}
	mustPut(t, fs, side, "s", "on the side")
	mustPut(t, fs, master, "m", "on master")
	must(fs.Merge(ctx, master, side, MergeOptions{}))
	must(fs.CreateTag(ctx, "r", "v1", master, ""))
	layer := func(prefix string) {
		o, err := fs.StartCommit(ctx, master, WriteOptions{})
		must(o, err)
		for i := range 5 {
			mustPut(t, fs, openRef("r", o.ID), fmt.Sprint(prefix, i), fmt.Sprint(prefix, i))
		}
		must(fs.FinishCommit(ctx, openRef("r", o.ID), FinishOptions{}))
	}
	layer("folded")
	work(t, fs)
	mustPut(t, fs, master, "folded1", "over it")
	s, err := fs.Open(ctx, master, ActList, "")
	must(s, err)
	must(fs.SetTags(ctx, master, "a", nil, map[string]string{"k": "v"}, WriteOptions{}))
	must(fs.CreateBranch(ctx, "r", "deleted", BranchOptions{From: &master}))
	mustPut(t, fs, Ref{Repo: "r", Branch: "deleted"}, "d", "on a branch that is deleted")
	must(nil, deleteBranch(ctx, fs, "r", "deleted", BranchDeletion{}))
	must(fs.CreateBranch(ctx, "r", "reset", BranchOptions{From: &master}))
	reset := Ref{Repo: "r", Branch: "reset"}
	mustPut(t, fs, reset, "left", "on what a branch was")
	must(resetBranch(ctx, fs, "r", "reset", master, WriteOptions{}))
	o, err := fs.StartCommit(ctx, master, WriteOptions{})
	must(o, err)
	mustPut(t, fs, openRef("r", o.ID), "staged", "in an open commit")
	uploaded(t, fs, master, "up", "part of an upload")
	layer("layer")
	return fs, on
}

// TestCheckHealthy: nothing is found where nothing is wrong, each blob is read once,
// and none if it is to be quick.
func TestCheckHealthy(t *testing.T) {
	t.Parallel()
	fs, on := kept(t)
	clear(on.blobs.got)
	list, done := checkAll(t, fs, CheckOptions{})
	if len(list) > 0 || done.Commits < 15 || done.Files < 15 || done.Blobs == 0 || done.Bytes < 3_000_000 {
		t.Errorf("%+v, found %+v", done, list)
	}
	for h, n := range on.blobs.got {
		if n != 1 {
			t.Errorf("blob %s was read %d times", h, n)
		}
	}
	list, quick := checkAll(t, fs, CheckOptions{Quick: true})
	if len(list) > 0 || quick.Blobs > 0 || quick.Commits != done.Commits || quick.Files != done.Files {
		t.Errorf("quick: %+v, found %+v", quick, list)
	}
	list, one := checkAll(t, fs, CheckOptions{Repo: "r"})
	if len(list) > 0 || one.Commits != done.Commits-1 {
		t.Errorf("one repo: %+v of %+v, found %+v", one, done, list)
	}
	if _, err := fs.Check(t.Context(), CheckOptions{Repo: "nosuch"}); !errors.Is(err, ErrNoSuchRepo) {
		t.Errorf("a repo that is not there: %v", err)
	}
	if _, err := fs.sys.As(Anonymous).Check(t.Context(), CheckOptions{}); !errors.Is(err, ErrDenied) {
		t.Errorf("by anybody: %v", err)
	}
	stop := errors.New("stop")
	if _, err := fs.Check(t.Context(), CheckOptions{At: func(Checked) error { return stop }}); !errors.Is(err, stop) {
		t.Errorf("stopped: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := fs.Check(ctx, CheckOptions{At: func(Checked) error { cancel(); return nil }}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestCheckBlobs: each blob that is missing or damaged is found with every version that
// has it, and nothing else is.
func TestCheckBlobs(t *testing.T) {
	t.Parallel()
	fs, on := kept(t)
	clear(on.blobs.got)
	checkAll(t, fs, CheckOptions{})
	paths := map[string]bool{}
	for _, h := range slices.Collect(maps.Keys(on.blobs.got)) {
		for err, kind := range map[error]string{objstore.ErrNotFound: MissingBlob, objstore.ErrCorrupt: DamagedBlob, errors.New("input/output error"): DamagedBlob} {
			on.blobs.victim, on.blobs.err = h, err
			list, _ := checkAll(t, fs, CheckOptions{})
			if len(list) != 1 && (len(list) != 2 || list[0].Path != "s" || list[1].Path != "s") { // which was merged
				t.Fatalf("blob %s: %v: %+v", h, err, list)
			}
			d := list[len(list)-1]
			repo, branch := "r", map[string]string{"g": "master", "s": "side", "d": "deleted", "left": "reset"}[d.Path]
			if d.Path == "g" {
				repo = "gone"
			}
			if d.Kind != kind || !strings.Contains(d.Detail, h.String()) || d.Repo != repo || d.Branch != cmp.Or(branch, "master") || d.Path != "up" && d.Version.IsZero() {
				t.Errorf("blob %s: %v: %+v", h, err, d)
			}
			paths[d.Path] = true
		}
	}
	for _, p := range []string{"a", "big", "s", "m", "zero\x00byte", "folded0", "folded1", "layer4", "d", "g", "left", "staged", "up"} {
		if !paths[p] {
			t.Errorf("no damage of %q was found", p)
		}
	}
}

// allRows are the rows of a kind.
func allRows(t testing.TB, fs *FS, kind byte) (list []objstore.Row) {
	t.Helper()
	err := fs.sys.db.View(t.Context(), func(tx objstore.Reader) (err error) {
		list, err = tx.Page(objstore.Prefix([]byte{kind}), 10_000)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func setRow(t testing.TB, fs *FS, key, value []byte) {
	t.Helper()
	if err := fs.sys.db.Update(t.Context(), "", func(tx objstore.Writer) error {
		if value == nil {
			return tx.Delete(key)
		}
		return tx.Set(key, value)
	}); err != nil {
		t.Fatal(err)
	}
}

// TestCheckRows: each row that is missing, and each that is not what it was, is found,
// with its path, and nothing else is.
func TestCheckRows(t *testing.T) {
	t.Parallel()
	fs, _ := kept(t)
	lost := map[byte][]string{ // kinds of damage if it is gone
		'l': {MissingRow}, 'h': {MissingRow}, 'c': {BrokenChain}, 'i': {MissingCommit}, 'e': {MissingRow}, 'v': {MissingRow}, 'm': {MissingRow}, 'd': {MissingRow},
	}
	for kind, want := range lost {
		list := allRows(t, fs, kind)
		if len(list) == 0 {
			t.Errorf("no rows %c", kind)
		}
		for _, row := range list {
			if kind == 'd' && strings.HasSuffix(string(row.Key), "staged") {
				continue // it was never staged, as far as anybody knows
			}
			setRow(t, fs, row.Key, nil)
			found, _ := checkAll(t, fs, CheckOptions{Quick: true})
			setRow(t, fs, row.Key, append([]byte{}, row.Value...))
			if len(found) != 1 || !slices.Contains(want, found[0].Kind) {
				t.Errorf("without row %q: %+v", row.Key, found)
				continue
			}
			if path := rowPath(row.Key); path != "" && kind != 'd' && found[0].Path != path {
				t.Errorf("without row %q: %+v", row.Key, found[0])
			}
		}
	}
	for _, kind := range []byte{'l', 'h', 'c', 'i', 'e', 'v', 'm', 'd', rows.Repo, rows.Branch, rows.Tag, rows.Open, rows.Upload, rows.Part, rows.Move, rows.DroppedBranch, rows.DroppedRepo, rows.Settings} {
		for _, row := range allRows(t, fs, kind) {
			if len(row.Value) < 4 {
				continue
			}
			setRow(t, fs, row.Key, row.Value[:len(row.Value)-3])
			found, _ := checkAll(t, fs, CheckOptions{Quick: true})
			setRow(t, fs, row.Key, row.Value)
			if len(found) != 1 && kind != 'l' {
				t.Errorf("row %q cut short: %+v", row.Key, found)
			}
			if path := rowPath(row.Key); len(found) > 0 && path != "" && found[0].Path != path {
				t.Errorf("row %q cut short: %+v", row.Key, found[0])
			}
		}
	}
	for _, key := range []string{"l\x01", "c\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02x", "v\x00\x00\x00\x00\x00\x00\x00\x01x", "b\x00", "R\x00", "o\x00", "e\x00\x00\x00\x00\x00\x00\x00\x01x"} {
		setRow(t, fs, []byte(key), []byte{})
		found, _ := checkAll(t, fs, CheckOptions{})
		setRow(t, fs, []byte(key), nil)
		if len(found) != 1 {
			t.Errorf("a row with the key %q: %+v", key, found)
		}
	}
	if found, _ := checkAll(t, fs, CheckOptions{}); len(found) > 0 {
		t.Errorf("all as it was: %+v", found)
	}
}

// TestCheckAltered: a byte of a row of history that is another one is found in
// every place but what is said beside the history, and never as two things.
func TestCheckAltered(t *testing.T) {
	t.Parallel()
	fs, _ := kept(t)
	for _, kind := range []byte{'c', 'e', 'v'} {
		for n, row := range allRows(t, fs, kind) {
			for i := n % 3; i < len(row.Value); i += 3 {
				b := slices.Clone(row.Value)
				b[i] ^= 0x10
				setRow(t, fs, row.Key, b)
				found, _ := checkAll(t, fs, CheckOptions{Quick: true})
				setRow(t, fs, row.Key, row.Value)
				if len(found) == 0 && !edited(row.Value, i) {
					t.Errorf("row %q with another byte at %d of %x: nothing found", row.Key, i, row.Value)
				}
				if kind == 'c' && len(found) > 1 {
					t.Errorf("row %q with another byte at %d: %+v", row.Key, i, found)
				}
			}
		}
	}
}

// edited says whether the byte at i of a state row is that of its flags, of which one
// is no part of the history.
func edited(row []byte, i int) bool { return i > 0 && row[i-1] == 8 && i < 4 }

// rowPath is the path in the key of a state.
func rowPath(key []byte) string {
	switch key[0] {
	case 'e':
		return string(key[9:])
	case 'v':
		return strings.ReplaceAll(string(key[9:len(key)-10]), "\x00\xff", "\x00")
	case 'd':
		return string(key[1+len(commits.ID{}):])
	}
	return ""
}

// TestCheckMeanwhile: what is written, folded in and finished between any two steps of a
// check is no damage, and damage of what was there before it is found all the same.
func TestCheckMeanwhile(t *testing.T) {
	t.Parallel()
	const files = 1200 // several steps for each kind of row
	for first := range 4 {
		mem := memory.New()
		on := spoilt{mem, &spoiltBlobs{Blobs: mem.Blobs(), got: map[objstore.Hash]int{}, err: objstore.ErrCorrupt}}
		fs, err := openRoot(t.Context(), on, Options{LayerAbove: 2, manual: true, foldPage: 300})
		if err != nil {
			t.Fatal(err)
		}
		mustRepo(t, fs, "r")
		master := Ref{Repo: "r"}
		var open CommitID
		stage := func(n int) {
			o, err := fs.StartCommit(t.Context(), master, WriteOptions{})
			if err != nil {
				t.Fatal(err)
			}
			open = o.ID
			for i := range n {
				mustPut(t, fs, openRef("r", open), fmt.Sprint("f", i), fmt.Sprint("content ", i))
			}
		}
		finish := func() {
			if _, err := fs.FinishCommit(t.Context(), openRef("r", open), FinishOptions{Strategy: Theirs}); err != nil {
				t.Fatal(err)
			}
		}
		stage(files)
		finish()
		stage(4)
		on.blobs.victim = objstore.Sum(fmt.Append(nil, "content ", files-1))
		n := first
		var found []Damage
		if _, err := fs.Check(t.Context(), CheckOptions{
			Found: func(d Damage) error { found = append(found, d); return nil },
			At: func(Checked) error {
				switch n++; n % 40 { // it is called for each blob too
				case 10:
					mustPut(t, fs, master, fmt.Sprint("f", n%files), fmt.Sprint("over it ", n))
				case 20:
					work(t, fs)
				case 30:
					finish()
					stage(4)
				case 35:
					if _, err := fs.Delete(t.Context(), master, Files(fmt.Sprint("f", (n*7)%(files-1))), WriteOptions{}); err != nil {
						t.Fatal(err)
					}
				}
				return nil
			},
		}); err != nil {
			t.Fatal(err)
		}
		if len(found) != 1 || found[0].Path != fmt.Sprint("f", files-1) || found[0].Kind != DamagedBlob {
			t.Errorf("found %+v", found)
		}
	}
}
