package pfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"caret/commits"
	"caret/commits/revision"
	"caret/objstore"
	"caret/objstore/content"
	"caret/objstore/local"
	"caret/objstore/memory"
)

// newFS is an FS in memory with a clock that moves a second a call.
func newFS(t testing.TB) *FS {
	t.Helper()
	var mu sync.Mutex
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	}
	fs, err := openRoot(t.Context(), memory.New(), Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fs.sys.Close() })
	return fs
}

func mustRepo(t testing.TB, fs *FS, name string) {
	t.Helper()
	if _, err := fs.CreateRepo(t.Context(), Repo{Name: name}); err != nil {
		t.Fatal(err)
	}
}

func store(t testing.TB, fs *FS, data string) content.Content {
	t.Helper()
	w := fs.NewFile(t.Context(), int64(len(data)))
	defer w.Abort()
	if _, err := io.WriteString(w, data); err != nil {
		t.Fatal(err)
	}
	p, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return p.Content
}

func mustPut(t testing.TB, fs *FS, to Ref, path, data string) commits.ID {
	t.Helper()
	done, err := fs.Put(t.Context(), to, path, store(t, fs, data), commits.Attrs{}, WriteOptions{})
	if err != nil {
		t.Fatalf("put %q: %v", path, err)
	}
	return done.Commit
}

func read(fs *FS, ref Ref, path string) (string, error) {
	s, err := fs.Open(context.Background(), ref, ActList, "")
	if err != nil {
		return "", err
	}
	info, err := s.Stat(context.Background(), path)
	if err != nil {
		return "", err
	}
	r, err := s.Read(context.Background(), info, 0, -1)
	if err != nil {
		return "", err
	}
	defer r.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(r)
	return b.String(), err
}

func expr(t testing.TB, s string) revision.Expr {
	t.Helper()
	x, err := revision.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestResolve has a row for each way to name a state.
func TestResolve(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	mustRepo(t, fs, "sales")
	mustRepo(t, fs, "other")
	master := Ref{Repo: "sales", Branch: "master"}
	ids := []commits.ID{{}}
	for i := 1; i <= 4; i++ {
		ids = append(ids, mustPut(t, fs, master, "f", fmt.Sprint(i)))
	}
	foreign := mustPut(t, fs, Ref{Repo: "other"}, "f", "foreign")
	second := master
	second.Base = expr(t, ".2")
	if _, err := fs.CreateBranch(t.Context(), "sales", "dev", BranchOptions{From: &second}); err != nil {
		t.Fatal(err)
	}
	mustPut(t, fs, Ref{Repo: "sales", Branch: "dev"}, "f", "dev 3")
	if _, err := fs.CreateBranch(t.Context(), "sales", "void", BranchOptions{}); err != nil {
		t.Fatal(err)
	}
	open, err := fs.StartCommit(t.Context(), master, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, fs, Ref{Repo: "sales", Base: expr(t, open.ID.String())}, "f", "staged")
	when := func(i int) string {
		c, err := fs.Commit(t.Context(), Ref{Repo: "sales", Base: expr(t, ids[i].String())})
		if err != nil {
			t.Fatal(err)
		}
		return c.Time.Format(time.RFC3339Nano)
	}
	full, short := ids[2].String(), ids[2].String()[:8]
	tests := []struct {
		branch, base, version string
		want                  string
		writable              bool
		err                   error
	}{
		{want: "4", writable: true},
		{branch: "master", want: "4", writable: true},
		{base: "master", want: "4", writable: true},
		{base: "dev", want: "dev 3", writable: true},
		{branch: "dev", want: "dev 3", writable: true},
		{branch: "dev", base: "HEAD^", want: "2"},
		{branch: "dev", version: "HEAD^^", want: "1"},
		{branch: "dev", version: ".1", want: "1"},
		{base: "dev", version: ".3", want: "dev 3"},
		{branch: "master", base: "HEAD^", want: "3"},
		{branch: "master", base: "HEAD~3", want: "1"},
		{branch: "master", base: "HEAD-3", want: "1"},
		{branch: "master", base: full, want: "2"},
		{base: full, want: "2"},
		{base: short, want: "2"},
		{base: short + "-1", want: "1"},
		{branch: "master", base: full + "-1", want: "1"},
		{base: open.ID.String(), want: "staged", writable: true},
		{branch: "master", base: open.ID.String(), want: "staged", writable: true},
		{base: open.ID.String(), version: "HEAD^", want: "4"},
		{base: open.ID.String(), version: "HEAD^^", want: "3"},
		{branch: "master", base: "HEAD@" + when(3), want: "3"},
		{branch: "master", version: "@" + when(1), want: "1"},
		{branch: "master", version: "HEAD^", want: "3"},
		{branch: "master", version: full, want: "2"},
		{branch: "master", version: full + "^", want: "1"},
		{branch: "dev", version: "master", want: "4"},
		{branch: "master", version: "dev", want: "dev 3"},
		{branch: "master", base: "HEAD^", version: "HEAD^", want: "2"},
		{branch: "master", base: "HEAD^", version: ".1", want: "1"},

		{branch: "nosuch", err: ErrNoSuchBranch},
		{base: "nosuch", err: ErrNoSuchCommit},
		{version: "nosuch", err: ErrNoSuchCommit},
		{version: foreign.String(), err: ErrNoSuchCommit},
		{base: foreign.String()[:12], err: ErrNoSuchCommit},
		{version: "HEAD^4", err: ErrNoSuchVersion},
		{version: "HEAD^4294967297", err: ErrNoSuchVersion},
		{version: "HEAD^4294967298", err: ErrNoSuchVersion},
		{version: ".0", err: ErrNoSuchVersion},
		{version: ".5", err: ErrNoSuchVersion},
		{version: ".4294967297", err: ErrNoSuchVersion},
		{version: "@2020-01-01T00:00:00Z", err: ErrNoSuchVersion},
		{branch: "void", version: "HEAD^", err: ErrNoSuchVersion},
		{branch: "void", writable: true, err: ErrNoSuchPath},
		{branch: "master", base: "dev", err: ErrNoSuchCommit},
		{branch: "HEAD", err: ErrInvalidName},
		{version: "4f1d0123456740aa8bcd0123456789ab", err: ErrNoSuchCommit},
	}
	for _, tt := range tests {
		ref := Ref{Repo: "sales", Branch: tt.branch, Base: expr(t, tt.base), Version: expr(t, tt.version)}
		got, err := read(fs, ref, "f")
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v; want %q, %v", ref, got, err, tt.want, tt.err)
		}
		if s, err := fs.Open(t.Context(), ref, ActList, ""); err == nil && s.Writable != (tt.writable && tt.version == "") {
			t.Errorf("%s: writable %v, want %v", ref, s.Writable, tt.writable)
		}
	}
	if _, err := read(fs, Ref{Repo: "nosuch"}, "f"); !errors.Is(err, ErrNoSuchRepo) {
		t.Errorf("unknown repo: %v", err)
	}
	if _, err := read(fs, Ref{Repo: "a.b"}, "f"); !errors.Is(err, ErrInvalidName) {
		t.Errorf("bad repo: %v", err)
	}
}

func TestAmbiguousPrefix(t *testing.T) {
	t.Parallel()
	// Two ids that share twelve digits.
	rand := strings.NewReader("aaaaaabbbbbbbbbb" + "aaaaaacccccccccc")
	fs, err := openRoot(t.Context(), memory.New(), Options{Rand: rand})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fs.sys.Close() })
	mustRepo(t, fs, "r")
	a := mustPut(t, fs, Ref{Repo: "r"}, "f", "1").String()
	b := mustPut(t, fs, Ref{Repo: "r"}, "f", "2").String()
	if a[:12] != b[:12] || a[:13] == b[:13] && a == b {
		t.Fatalf("ids %s and %s are not what the test needs", a, b)
	}
	if _, err := read(fs, Ref{Repo: "r", Base: expr(t, a[:12])}, "f"); !errors.Is(err, ErrAmbiguous) {
		t.Errorf("shared prefix: %v", err)
	}
	n := 12
	for a[:n] == b[:n] {
		n++
	}
	if got, err := read(fs, Ref{Repo: "r", Base: expr(t, a[:n])}, "f"); got != "1" || err != nil {
		t.Errorf("unique prefix: %q, %v", got, err)
	}
}

// TestAmbiguousWithoutDefault: which commits a shortened id fits is for who may
// list, also where no branch is there that would say who that is.
func TestAmbiguousWithoutDefault(t *testing.T) {
	t.Parallel()
	rand := strings.NewReader("aaaaaabbbbbbbbbb" + "aaaaaacccccccccc")
	fs, err := openRoot(t.Context(), memory.New(), Options{Rand: rand})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fs.sys.Close() })
	if _, err := fs.CreateRepo(t.Context(), Repo{Name: "r", Owner: "ann"}); err != nil {
		t.Fatal(err)
	}
	on := Ref{Repo: "r"}
	id := mustPut(t, fs, on, "f", "1").String()
	mustPut(t, fs, on, "f", "2")
	prefix := Ref{Repo: "r", Base: expr(t, id[:12])}
	check := func(state string) {
		for who, want := range map[string]error{"ann": ErrAmbiguous, "bob": ErrDenied, "": ErrDenied} {
			if _, err := fs.sys.As(Caller{ID: who}).Open(t.Context(), prefix, ActList, ""); !errors.Is(err, want) {
				t.Errorf("%s, user %q: %v, want %v", state, who, err, want)
			}
		}
	}
	check("with a default branch")
	if _, err := fs.CreateBranch(t.Context(), "r", "dev", BranchOptions{From: &on}); err != nil {
		t.Fatal(err)
	}
	if err := deleteBranch(t.Context(), fs, "r", "master", BranchDeletion{}); err != nil {
		t.Fatal(err)
	}
	check("without")
}

func TestBranchNameWinsOverPrefix(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	mustRepo(t, fs, "r")
	id := mustPut(t, fs, Ref{Repo: "r"}, "f", "commit").String()
	mustPut(t, fs, Ref{Repo: "r"}, "f", "head")
	if _, err := fs.CreateBranch(t.Context(), "r", id[:8], BranchOptions{From: &Ref{Repo: "r"}}); err != nil {
		t.Fatal(err)
	}
	if got, err := read(fs, Ref{Repo: "r", Base: expr(t, id[:8])}, "f"); got != "head" {
		t.Errorf("%q, %v; want the branch's head", got, err)
	}
}

func TestRefusedWrites(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	mustRepo(t, fs, "r")
	id := mustPut(t, fs, Ref{Repo: "r"}, "f", "1").String()
	mustPut(t, fs, Ref{Repo: "r"}, "f", "2")
	c := store(t, fs, "new")
	tests := []struct {
		base, path string
		opt        WriteOptions
		want       error
	}{
		{base: "HEAD^", path: "g", want: ErrReadOnly},
		{base: id, path: "g", want: ErrReadOnly},
		{base: ".2", path: "g", want: ErrReadOnly},
		{base: "HEAD@2030-01-01T00:00:00Z", path: "g", want: ErrReadOnly},
		{path: "", want: ErrInvalidPath},
		{path: "a\xff", want: ErrInvalidPath},
		{path: strings.Repeat("a", MaxPath+1), want: ErrPathTooLong},
		{path: "g", opt: WriteOptions{IfHead: id}, want: ErrPrecondition},
		{path: "g", opt: WriteOptions{IfHead: "HEAD^"}, want: ErrPrecondition},
		{path: "g", opt: WriteOptions{IfHead: "HEAD^9"}, want: ErrPrecondition},
		{path: "g", opt: WriteOptions{IfHead: "HEAD^x"}, want: ErrInvalidExpr},
		{path: "f", opt: WriteOptions{If: Condition{IfNoneMatch: &Match{Any: true}}}, want: ErrPrecondition},
		{path: "g", opt: WriteOptions{If: Condition{IfMatch: &Match{Any: true}}}, want: ErrNoSuchPath},
	}
	for _, tt := range tests {
		to := Ref{Repo: "r", Base: expr(t, tt.base)}
		if _, err := fs.Put(t.Context(), to, tt.path, c, commits.Attrs{}, tt.opt); !errors.Is(err, tt.want) {
			t.Errorf("put %.20q to %s with %+v: %v, want %v", tt.path, to, tt.opt, err, tt.want)
		}
		if _, err := fs.CreateUpload(t.Context(), to, tt.path, commits.Attrs{}, tt.opt); tt.opt.If == (Condition{}) && !errors.Is(err, tt.want) {
			t.Errorf("upload %.20q to %s: %v, want %v", tt.path, to, err, tt.want)
		}
	}
	s, err := fs.Open(t.Context(), Ref{Repo: "r"}, ActList, "")
	if err != nil || s.N != 2 {
		t.Errorf("refused writes left %d commits, %v; want 2", s.N, err)
	}
	if err := fmt.Sprint(func() error {
		_, err := fs.Put(t.Context(), Ref{Repo: "r", Base: expr(t, "HEAD^")}, "g", c, commits.Attrs{}, WriteOptions{})
		return err
	}()); !strings.Contains(err, "master.r") {
		t.Errorf("%q does not name what can be written to", err)
	}
}

// TestConditionsHoldAgainstOthers: of many that create a file if it is not
// there, and of many that replace one they read, one wins.
func TestConditionsHoldAgainstOthers(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	mustRepo(t, fs, "r")
	none := Condition{IfNoneMatch: &Match{Any: true}}
	if won := race(t, fs, none); won != 1 {
		t.Errorf("%d writers created the file", won)
	}
	s, err := fs.Open(t.Context(), Ref{Repo: "r"}, ActList, "")
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Stat(t.Context(), "f")
	if err != nil {
		t.Fatal(err)
	}
	same := Condition{IfMatch: &Match{Hashes: []objstore.Hash{info.Content.Hash}}}
	if won := race(t, fs, same); won != 1 {
		t.Errorf("%d writers replaced the same state", won)
	}
}

func race(t *testing.T, fs *FS, cond Condition) int {
	t.Helper()
	var wg sync.WaitGroup
	results := make([]error, 16)
	for i := range results {
		c := store(t, fs, fmt.Sprintf("%p %d", &results, i))
		wg.Go(func() {
			_, results[i] = fs.Put(t.Context(), Ref{Repo: "r"}, "f", c, commits.Attrs{}, WriteOptions{If: cond})
		})
	}
	wg.Wait()
	won := 0
	for _, err := range results {
		if err == nil {
			won++
		} else if !errors.Is(err, ErrPrecondition) {
			t.Errorf("a loser got %v", err)
		}
	}
	return won
}

func TestRepos(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	ctx := t.Context()
	for _, name := range []string{"b", "a", "c"} {
		mustRepo(t, fs, name)
	}
	if _, err := fs.CreateRepo(ctx, Repo{Name: "a"}); !errors.Is(err, ErrRepoExists) {
		t.Errorf("create again: %v", err)
	}
	if _, err := fs.CreateRepo(ctx, Repo{Name: "HEAD"}); !errors.Is(err, ErrInvalidName) {
		t.Errorf("bad name: %v", err)
	}
	list, err := fs.Repos(ctx, "a", 1)
	if err != nil || len(list) != 1 || list[0].Name != "b" || list[0].DefaultBranch != "master" {
		t.Errorf("repos after a: %+v, %v", list, err)
	}
	old := mustPut(t, fs, Ref{Repo: "a"}, "f", "old")
	if err := deleteRepo(ctx, fs, "a", DeleteOptions{}); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("delete with commits: %v", err)
	}
	if err := deleteRepo(ctx, fs, "a", DeleteOptions{Force: true}); err != nil {
		t.Error(err)
	}
	if _, err := fs.Repo(ctx, "a"); !errors.Is(err, ErrNoSuchRepo) {
		t.Errorf("deleted repo: %v", err)
	}
	mustRepo(t, fs, "a")
	if _, err := read(fs, Ref{Repo: "a"}, "f"); !errors.Is(err, ErrNoSuchPath) {
		t.Errorf("a new repo has its namesake's file: %v", err)
	}
	if _, err := read(fs, Ref{Repo: "a", Base: expr(t, old.String())}, "f"); !errors.Is(err, ErrNoSuchCommit) {
		t.Errorf("a new repo has its namesake's commit: %v", err)
	}
}

func TestBranches(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	ctx := t.Context()
	mustRepo(t, fs, "r")
	mustPut(t, fs, Ref{Repo: "r"}, "f", "1")
	if _, err := fs.CreateBranch(ctx, "r", "master", BranchOptions{}); !errors.Is(err, ErrBranchExists) {
		t.Errorf("create again: %v", err)
	}
	if _, err := fs.CreateBranch(ctx, "nosuch", "dev", BranchOptions{}); !errors.Is(err, ErrNoSuchRepo) {
		t.Errorf("branch of no repo: %v", err)
	}
	if _, err := fs.CreateBranch(ctx, "r", "dev", BranchOptions{From: &Ref{Repo: "r", Version: expr(t, "HEAD^")}}); !errors.Is(err, ErrNoSuchVersion) {
		t.Errorf("branch from before the first commit: %v", err)
	}
	b, err := fs.CreateBranch(ctx, "r", "dev", BranchOptions{From: &Ref{Repo: "r"}})
	if err != nil || b.N != 1 || b.Head.IsZero() {
		t.Errorf("branch: %+v, %v", b, err)
	}
	if err := deleteBranch(ctx, fs, "r", "master", BranchDeletion{Empty: true}); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("delete a default branch as if empty: %v", err)
	}
	if err := deleteBranch(ctx, fs, "r", "dev", BranchDeletion{Empty: true}); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("delete a branch with files as if empty: %v", err)
	}
	if err := deleteBranch(ctx, fs, "r", "dev", BranchDeletion{}); err != nil {
		t.Error(err)
	}
	if _, err := fs.Delete(ctx, Ref{Repo: "r"}, Files("f"), WriteOptions{}); err != nil {
		t.Error(err)
	}
	if err := deleteBranch(ctx, fs, "r", "master", BranchDeletion{Empty: true}); err != nil {
		t.Error(err)
	}
	if _, err := fs.Repo(ctx, "r"); !errors.Is(err, ErrNoSuchRepo) {
		t.Errorf("the last branch left its repo: %v", err)
	}
}

func TestUploadErrors(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	ctx := t.Context()
	mustRepo(t, fs, "r")
	to := Ref{Repo: "r"}
	u, err := fs.CreateUpload(ctx, to, "f", commits.Attrs{}, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 3; n++ {
		c := store(t, fs, fmt.Sprintf("part %d", n))
		if _, err := fs.PutPart(ctx, to, "f", u.ID, n, content.Part{Content: c}, commits.Checksum{}); err != nil {
			t.Fatal(err)
		}
	}
	other := objstore.Sum([]byte("other"))
	tests := []struct {
		path, id string
		parts    []CompletedPart
		want     error
	}{
		{"f", u.ID, nil, ErrInvalidArgument},
		{"f", u.ID, []CompletedPart{{Number: 2}, {Number: 1}}, ErrPartOrder},
		{"f", u.ID, []CompletedPart{{Number: 2}, {Number: 2}}, ErrPartOrder},
		{"f", u.ID, []CompletedPart{{Number: 9}}, ErrInvalidPart},
		{"f", u.ID, []CompletedPart{{Number: 0}}, ErrInvalidPart},
		{"f", u.ID, []CompletedPart{{Number: 1, Hash: &other}}, ErrInvalidPart},
		{"f", u.ID, []CompletedPart{{Number: 1, Checksum: "AAAA"}}, ErrInvalidPart},
		{"f", u.ID, []CompletedPart{{Number: 1}, {Number: 2}}, ErrPartTooSmall},
		{"g", u.ID, []CompletedPart{{Number: 1}}, ErrNoSuchUpload},
		{"f", "00", []CompletedPart{{Number: 1}}, ErrNoSuchUpload},
	}
	for _, tt := range tests {
		_, err := fs.CompleteUpload(ctx, to, tt.path, tt.id, tt.parts, commits.Checksum{}, WriteOptions{})
		if !errors.Is(err, tt.want) {
			t.Errorf("complete %+v: %v, want %v", tt, err, tt.want)
		}
	}
	if _, _, err := fs.NewPart(ctx, to, "f", u.ID, MaxParts+1, 1); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("part number beyond the last: %v", err)
	}
	page, err := fs.Parts(ctx, to, "f", u.ID, 1, 1)
	parts, more := page.Parts, page.More
	if err != nil || len(parts) != 1 || parts[0].Number != 2 || !more {
		t.Errorf("parts after 1: %+v, %v, %v", parts, more, err)
	}
	if err := fs.AbortUpload(ctx, to, "f", u.ID); err != nil {
		t.Error(err)
	}
	if err := fs.AbortUpload(ctx, to, "f", u.ID); !errors.Is(err, ErrNoSuchUpload) {
		t.Errorf("abort again: %v", err)
	}
}

func TestListUploads(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	ctx := t.Context()
	mustRepo(t, fs, "r")
	to := Ref{Repo: "r"}
	for _, p := range []string{"a", "a", "a\x00", "d/1", "d/2", "e"} {
		if _, err := fs.CreateUpload(ctx, to, p, commits.Attrs{}, WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for limit := 1; limit <= 6; limit++ {
		var got []string
		opt := UploadsOptions{Delimiter: "/", Limit: limit}
		for {
			s, err := fs.Open(ctx, to, ActList, "")
			if err != nil {
				t.Fatal(err)
			}
			page, err := s.Uploads(ctx, opt)
			if err != nil {
				t.Fatal(err)
			}
			for _, it := range page.Items {
				got = append(got, it.Prefix+it.Path)
			}
			if !page.Truncated {
				break
			}
			opt.AfterPath, opt.AfterID = page.NextPath, page.NextID
		}
		if s := strings.Join(got, " "); s != "a a a\x00 d/ e" {
			t.Errorf("limit %d: %q", limit, s)
		}
	}
}

// TestLongRows finishes and deletes what is few files but too many bytes for
// one transaction.
func TestLongRows(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	mustRepo(t, fs, "r")
	attrs := commits.Attrs{Meta: map[string]string{"long": strings.Repeat("x", 8000)}}
	c := store(t, fs, "same")
	o, err := fs.StartCommit(t.Context(), Ref{Repo: "r"}, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for i := range 450 {
		p := fmt.Sprintf("%s/%03d", strings.Repeat("d", 1000), i)
		paths = append(paths, p)
		if _, err := fs.Put(t.Context(), Ref{Repo: "r", Base: expr(t, o.ID.String())}, p, c, attrs, WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := fs.FinishCommit(t.Context(), openRef("r", o.ID), FinishOptions{}); err != nil {
		t.Fatalf("finish: %v", err)
	}
	count := func(version string) int {
		t.Helper()
		s, err := fs.Open(t.Context(), Ref{Repo: "r", Version: expr(t, version)}, ActList, "")
		if err != nil {
			t.Fatal(err)
		}
		page, err := s.List(t.Context(), ListOptions{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		return len(page.Items)
	}
	if n := count("HEAD"); n != len(paths) {
		t.Fatalf("%d files after the finish", n)
	}
	paths = append(paths, "absent")
	before, err := fs.Open(t.Context(), Ref{Repo: "r"}, ActList, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.Delete(t.Context(), Ref{Repo: "r"}, Files(paths...), WriteOptions{If: Condition{IfMatch: &Match{Any: true}}}); !errors.Is(err, ErrNoSuchPath) {
		t.Fatalf("a condition that fails for the last path: %v", err)
	}
	if open, err := fs.OpenCommits(t.Context(), "r", commits.ID{}, 0); err != nil || len(open) != 0 || count("HEAD") != len(paths)-1 {
		t.Fatalf("%d open commits after a refused deletion, %v", len(open), err)
	}
	d, err := fs.Delete(t.Context(), Ref{Repo: "r"}, Files(paths...), WriteOptions{IfHead: before.ID.String()})
	if err != nil {
		t.Fatalf("delete: %v", err)
	}
	if len(d.Items) != len(paths) || !d.Items[0].Existed || d.Items[len(paths)-1].Existed {
		t.Errorf("outcome: %v", d.Items)
	}
	if a, b := count("HEAD"), count("HEAD^"); a != 0 || b != len(paths)-1 {
		t.Errorf("%d files after the deletion, %d before", a, b)
	}
	if id := d.Commit; id == before.ID || id == (commits.ID{}) {
		t.Errorf("commit %s", id)
	}
}

// TestUploadsSurvive: parts that were uploaded before a restart are completed
// after it, by several at once, with one commit.
func TestUploadsSurvive(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), t.Context()
	open := func() (*FS, func()) {
		on, err := local.Open(dir, local.Options{Reserve: -1})
		if err != nil {
			t.Fatal(err)
		}
		fs, err := openRoot(ctx, on, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return fs, func() {
			if err := errors.Join(fs.sys.Close(), on.Close()); err != nil {
				t.Error(err)
			}
		}
	}
	fs, stop := open()
	mustRepo(t, fs, "r")
	to := Ref{Repo: "r"}
	u, err := fs.CreateUpload(ctx, to, "f", commits.Attrs{}, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	var parts []CompletedPart
	for i, data := range []string{strings.Repeat("first ", 1<<20), "last"} {
		want.WriteString(data)
		_, w, err := fs.NewPart(ctx, to, "f", u.ID, i+1, int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, data); err != nil {
			t.Fatal(err)
		}
		p, err := w.Close()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fs.PutPart(ctx, to, "f", u.ID, i+1, p, commits.Checksum{}); err != nil {
			t.Fatal(err)
		}
		parts = append(parts, CompletedPart{Number: i + 1, Hash: &p.Hash})
	}
	stop()
	fs, stop = open()
	defer stop()
	var wg sync.WaitGroup
	ids := make([]commits.ID, 8)
	for i := range ids {
		wg.Go(func() {
			done, err := fs.CompleteUpload(ctx, to, "f", u.ID, parts, commits.Checksum{}, WriteOptions{})
			if err != nil {
				t.Errorf("complete: %v", err)
			}
			ids[i] = done.Commit
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] || id.IsZero() {
			t.Fatalf("commits %v", ids)
		}
	}
	if got, err := read(fs, to, "f"); err != nil || got != want.String() {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if b, err := fs.Branch(ctx, "r", "master"); err != nil || b.N != 1 {
		t.Errorf("%d commits, %v", b.N, err)
	}
}
