package pfs

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"caret/objstore"
	"caret/objstore/memory"
	"caret/pfs/rows"
)

// versionIDs lists the versions of path in pages.
func versionIDs(t *testing.T, fs *FS, ref Ref, path string, limit int) (ids []string) {
	t.Helper()
	s, err := fs.Open(t.Context(), ref, ActList, "")
	if err != nil {
		t.Fatal(err)
	}
	opt := VersionsOptions{Prefix: path, Limit: limit}
	for more := true; more; {
		page, err := s.Versions(t.Context(), opt)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.Items {
			ids = append(ids, v.Commit.String())
		}
		opt.After, opt.AfterVersion, more = page.Next, page.NextVersion, page.Truncated
	}
	return ids
}

// putMany puts files in one commit, which is a layer if they are many.
func putMany(t *testing.T, fs *FS, to Ref, n int, data string) string {
	t.Helper()
	b, err := fs.NewBatch(t.Context(), to, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c := store(t, fs, data)
	for i := range n {
		if err := b.Add(t.Context(), fmt.Sprintf("%04d", i), FilePart{Content: c}, Attrs{}); err != nil {
			t.Fatal(err)
		}
	}
	id, err := b.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}

// loseMarks makes the newest rows what carets have left that made no marks.
func loseMarks(t *testing.T, store objstore.Store) (lost int) {
	t.Helper()
	err := store.Rows().Update(t.Context(), "", func(tx objstore.Writer) error {
		lost = 0
		c := objstore.Scan(tx, objstore.Prefix([]byte{'e'}))
		for c.Next() {
			row := c.Value()
			_, k := binary.Uvarint(row)
			if row[k] != 1<<3 || row[k+1] != 4 { // field 1, flags: edited alone
				continue
			}
			lost++
			if err := tx.Set(c.Key(), slices.Delete(slices.Clone(row), k, k+2)); err != nil {
				return err
			}
		}
		if err := tx.Delete(rows.Key(rows.Marked, "")); err != nil {
			return err
		}
		return c.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return lost
}

// TestVersionsOfLayerLeftAgain: a merge that decides for what the branch has leaves many
// versions again, as a layer, which is folded in beneath a later put. The list is right
// then, and also where an older caret has left no marks, before and after they are added.
func TestVersionsOfLayerLeftAgain(t *testing.T) {
	t.Parallel()
	const files, path = 1100, "0007"
	shared := memory.New()
	open := func() *FS {
		fs, err := openRoot(t.Context(), shared, Options{manual: true})
		if err != nil {
			t.Fatal(err)
		}
		return fs
	}
	fs := open()
	mustRepo(t, fs, "r")
	master, dev := Ref{Repo: "r", Branch: "master"}, Ref{Repo: "r", Branch: "dev"}
	want := []string{putMany(t, fs, master, files, "1")}
	if _, err := fs.CreateBranch(t.Context(), "r", "dev", BranchOptions{}); err != nil {
		t.Fatal(err)
	}
	putMany(t, fs, dev, files, "dev")
	want = append([]string{putMany(t, fs, master, files, "2")}, want...)
	if _, err := fs.Merge(t.Context(), master, dev, MergeOptions{Rules: []Rule{{Strategy: Ours}}}); err != nil {
		t.Fatal(err)
	}
	if waits, err := fs.sys.Folding(t.Context()); err != nil || !waits {
		t.Fatalf("there is no layer: %v", err)
	}
	want = append([]string{mustPut(t, fs, master, path, "3").String()}, want...)
	check := func(when string) {
		t.Helper()
		for _, limit := range []int{1, 100} {
			if got := versionIDs(t, fs, master, path, limit); !slices.Equal(got, want) {
				t.Errorf("%s, %d a page: listed %q, want %q", when, limit, got, want)
			}
		}
	}
	check("in a layer")
	work(t, fs)
	check("folded in")
	if n := rowsOf(t, fs, rows.Marked); n != 1 {
		t.Errorf("%d rows of a new store say that there are marks, want 1", n)
	}
	if loseMarks(t, shared) == 0 {
		t.Fatal("there were no marks")
	}
	fs = open()
	check("of an older caret")
	work(t, fs)
	check("repaired")
	if n, marked := rowsOf(t, fs, 'f'), rowsOf(t, fs, rows.Marked); n != 0 || marked != 1 {
		t.Errorf("%d rows ask for marks, %d say that they are there", n, marked)
	}
	if n := loseMarks(t, shared); n != files {
		t.Errorf("%d paths were marked, want %d", n, files)
	}
}
