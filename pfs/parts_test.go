package pfs

import (
	"encoding/base64"
	"fmt"
	"testing"

	"caret/commits"
	"caret/objstore"
	"caret/objstore/memory"
)

// manyParts is a file of as many parts as one may have, with their checksums: more
// than half a megabyte in its row.
func manyParts(t testing.TB, fs *FS, data string) commits.Entry {
	t.Helper()
	e := commits.Entry{Content: store(t, fs, data), Attrs: Attrs{Checksum: Checksum{Algorithm: "SHA256", Type: "COMPOSITE", Value: "x-10000"}}}
	for i := range MaxParts {
		sum := [32]byte{byte(i), byte(i >> 8)}
		e.Parts = append(e.Parts, 5<<20+int64(i))
		e.PartSums = append(e.PartSums, base64.StdEncoding.EncodeToString(sum[:]))
	}
	return e
}

// partsFS is a file system with files of many parts under big/ on master.
type partsFS struct {
	*FS
	testing.TB
	store  objstore.Store
	files  int
	master Ref
}

func newPartsFS(t testing.TB, files int) *partsFS {
	t.Helper()
	shared := memory.New()
	fs, err := openRoot(t.Context(), shared, Options{manual: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fs.sys.Close() })
	mustRepo(t, fs, "r")
	p := &partsFS{FS: fs, TB: t, store: shared, files: files, master: Ref{Repo: "r", Branch: "master"}}
	p.write(p.master, "first")
	return p
}

// write gives each of the files new content.
func (p *partsFS) write(to Ref, data string) {
	p.Helper()
	e := manyParts(p, p.FS, data)
	for i := range p.files {
		if _, err := p.put(p.Context(), to, fmt.Sprintf("big/%03d", i), e, WriteOptions{}, nil); err != nil {
			p.Fatal(err)
		}
	}
}

// holds says that all files under prefix have that content and all their parts, or
// that there are none if data is "".
func (p *partsFS) holds(ref Ref, prefix, data string) {
	p.Helper()
	s, err := p.Open(p.Context(), ref, ActList, "")
	if err != nil {
		p.Fatal(err)
	}
	for i := range p.files {
		path := fmt.Sprintf("%s%03d", prefix, i)
		info, err := s.Stat(p.Context(), path)
		if data == "" {
			if err == nil {
				p.Errorf("%s is there", path)
			}
			continue
		}
		if err != nil || len(info.Parts) != MaxParts || len(info.PartSums) != MaxParts {
			p.Fatalf("%s has %d parts and %d checksums, %v", path, len(info.Parts), len(info.PartSums), err)
		}
		if got, err := read(p.FS, ref, path); err != nil || got != data {
			p.Fatalf("%s reads %q, want %q; %v", path, got, data, err)
		}
	}
}

// TestManyParts: files whose rows are as long as they may be are copied, deleted,
// restored, merged and finished, many at a time, as short ones are.
func TestManyParts(t *testing.T) {
	t.Parallel()
	p := newPartsFS(t, 8)
	ctx := t.Context()
	if _, err := p.CopyFiles(ctx, p.master, "big/", p.master, "copy/", WriteOptions{}); err != nil {
		t.Fatalf("copy: %v", err)
	}
	p.holds(p.master, "copy/", "first")
	work(t, p.FS)
	p.holds(p.master, "copy/", "first")
	before, err := p.Open(ctx, p.master, ActList, "")
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for i := range p.files {
		paths = append(paths, fmt.Sprintf("big/%03d", i))
	}
	deleted, err := p.Delete(ctx, p.master, Files(paths...), WriteOptions{})
	if err != nil {
		t.Fatalf("delete: %v", err)
	}
	p.holds(p.master, "big/", "")
	work(t, p.FS)
	if _, err := p.RestoreFiles(ctx, p.master, openRef("r", before.ID), "big/", UndoOptions{}); err != nil {
		t.Fatalf("restore: %v", err)
	}
	p.holds(p.master, "big/", "first")
	if _, err := p.Delete(ctx, p.master, Files(paths...), WriteOptions{}); err != nil {
		t.Fatalf("delete in a layer: %v", err)
	}
	work(t, p.FS)
	if deleted, err = p.Delete(ctx, p.master, Files(paths...), WriteOptions{}); err != nil || !deleted.Commit.IsZero() {
		t.Fatalf("delete again: %+v, %v", deleted.Commit, err)
	}
	if _, err := p.Revert(ctx, p.master, p.master, UndoOptions{}); err != nil {
		t.Fatalf("revert: %v", err)
	}
	p.holds(p.master, "big/", "first")
	work(t, p.FS)
	p.holds(p.master, "big/", "first")
}

// TestManyPartsMerged merges such files, and finishes a commit of them.
func TestManyPartsMerged(t *testing.T) {
	t.Parallel()
	p := newPartsFS(t, 8)
	ctx, dev := t.Context(), Ref{Repo: "r", Branch: "dev"}
	if _, err := p.CreateBranch(ctx, "r", "dev", BranchOptions{From: &p.master}); err != nil {
		t.Fatal(err)
	}
	p.write(dev, "second")
	mustPut(t, p.FS, p.master, "other", "x")
	if _, err := p.Merge(ctx, p.master, dev, MergeOptions{}); err != nil {
		t.Fatalf("merge: %v", err)
	}
	p.holds(p.master, "big/", "second")
	work(t, p.FS)
	p.holds(p.master, "big/", "second")
	o, err := p.StartCommit(ctx, p.master, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p.write(openRef("r", o.ID), "third")
	if _, err := p.CopyFiles(ctx, p.master, "big/", openRef("r", o.ID), "copy/", WriteOptions{}); err != nil {
		t.Fatalf("copy into an open commit: %v", err)
	}
	if _, err := p.FinishCommit(ctx, openRef("r", o.ID), FinishOptions{}); err != nil {
		t.Fatalf("finish: %v", err)
	}
	p.holds(p.master, "big/", "third")
	p.holds(p.master, "copy/", "second")
	work(t, p.FS)
	p.holds(p.master, "big/", "third")
}

// TestManyPartsMergedAtOnce: also where others change the branch all the time.
func TestManyPartsMergedAtOnce(t *testing.T) {
	t.Parallel()
	var hook func()
	fs, err := openRoot(t.Context(), hooked{memory.New(), &hook}, Options{manual: true})
	if err != nil {
		t.Fatal(err)
	}
	defer fs.sys.Close()
	mustRepo(t, fs, "r")
	p := &partsFS{FS: fs, TB: t, files: 8, master: Ref{Repo: "r", Branch: "master"}}
	p.write(p.master, "first")
	dev := Ref{Repo: "r", Branch: "dev"}
	if _, err := p.CreateBranch(t.Context(), "r", "dev", BranchOptions{From: &p.master}); err != nil {
		t.Fatal(err)
	}
	p.write(dev, "second")
	mustPut(t, fs, p.master, "other", "x")
	moves := 0
	hook = func() {
		if moves++; moves > 4 {
			return
		}
		again := hook
		hook = nil
		e := manyParts(p, p.FS, fmt.Sprint("meanwhile", moves)) // which loses to the merge, by its rule
		if _, err := p.put(t.Context(), p.master, "big/000", e, WriteOptions{}, nil); err != nil {
			t.Error(err)
		}
		hook = again
	}
	_, err = p.Merge(t.Context(), p.master, dev, MergeOptions{Rules: []Rule{{Strategy: Theirs}}})
	hook = nil
	if err != nil || moves < 2 {
		t.Fatalf("merge: %v, after %d moves", err, moves)
	}
	p.holds(p.master, "big/", "second")
}

// TestManyPartsBeyondMemory: what is staged in steps may be more than is held in memory.
func TestManyPartsBeyondMemory(t *testing.T) {
	t.Parallel()
	p := newPartsFS(t, 130)
	if _, err := p.CopyFiles(t.Context(), p.master, "big/", p.master, "copy/", WriteOptions{}); err != nil {
		t.Fatalf("copy: %v", err)
	}
	work(t, p.FS)
	p.holds(p.master, "copy/", "first")
}
