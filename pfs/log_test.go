package pfs

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"caret/commits"
	"caret/objstore/memory"
)

// TestLogFilters compares logs with what a walk over all commits finds, with
// paths that commits change often and ones they hardly ever do.
func TestLogFilters(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	now := time.UnixMilli(1_700_000_000_000).UTC()
	fs, err := openRoot(ctx, memory.New(), Options{manual: true, Now: func() time.Time { now = now.Add(time.Second); return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer fs.sys.Close()
	if _, err := fs.CreateRepo(ctx, Repo{Name: "r"}); err != nil {
		t.Fatal(err)
	}
	const total = 1800
	paths := make(map[CommitID]string)
	c := mustPutContent(t, fs, "x")
	for i := range total {
		path := fmt.Sprintf("often/%d", i%7)
		switch {
		case i%599 == 10:
			path = fmt.Sprintf("rare/%d", i)
		case i%5 == 0:
			path = fmt.Sprintf("many/%d", i)
		}
		author := fs.sys.As(Caller{ID: "x", Name: []string{"Alice", "Bob"}[i%2], Admin: true})
		done, err := author.Put(ctx, Ref{Repo: "r"}, path, c.Content, Attrs{}, WriteOptions{Message: fmt.Sprint("step ", i)})
		if err != nil {
			t.Fatal(err)
		}
		paths[done.Commit] = path
		if i == total/2 { // the rest is on a branch
			if _, err := fs.CreateBranch(ctx, "r", "b", BranchOptions{From: &Ref{Repo: "r"}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, ref := range []Ref{{Repo: "r"}, {Repo: "r", Branch: "b"}, {Repo: "r", Version: expr(t, "HEAD^700")}} {
		s, err := fs.Open(ctx, ref, ActList, "")
		if err != nil {
			t.Fatal(err)
		}
		all, err := s.Log(ctx, LogOptions{})
		if err != nil {
			t.Fatal(err)
		}
		mid := all[len(all)/2].Time
		for _, opt := range []LogOptions{
			{Path: "rare/"}, {Path: "often/"}, {Path: "many/"}, {Path: "absent/"}, {Path: "rare/", Limit: 1}, {Path: "often/3"},
			{Since: mid}, {Until: mid}, {Since: mid, Until: mid}, {Path: "rare/", Until: mid}, {Path: "many/", Since: mid},
			{Author: "ali"}, {Message: "STEP 17", Path: "often/"}, {After: all[300].ID, Path: "rare/"}, {After: all[3].ID, Until: mid, Limit: 5},
		} {
			var want []CommitID
			after := opt.After.IsZero()
			for _, c := range all {
				p := paths[c.ID]
				if after && (opt.Path == "" || p == opt.Path || strings.HasSuffix(opt.Path, "/") && strings.HasPrefix(p, opt.Path)) &&
					!c.Time.Before(opt.Since) && (opt.Until.IsZero() || !c.Time.After(opt.Until)) && opt.keeps(&c) && (opt.Limit == 0 || len(want) < opt.Limit) {
					want = append(want, c.ID)
				}
				after = after || c.ID == opt.After
			}
			list, err := s.Log(ctx, opt)
			if err != nil {
				t.Fatal(err)
			}
			var got []CommitID
			for i, c := range list {
				got = append(got, c.ID)
				if c.Pos.N > 1 && (len(c.Parents) != 1 || c.Parents[0].IsZero()) {
					t.Errorf("%+v: commit %d has parents %v", opt, i, c.Parents)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("log of %s with %+v has %d commits, want %d", ref, opt, len(got), len(want))
			}
		}
	}
}

func mustPutContent(t *testing.T, fs *FS, data string) (c commits.Entry) {
	t.Helper()
	w := fs.NewFile(t.Context(), int64(len(data)))
	defer w.Abort()
	if _, err := w.Write([]byte(data)); err != nil {
		t.Fatal(err)
	}
	p, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	c.Content = p.Content
	return c
}
