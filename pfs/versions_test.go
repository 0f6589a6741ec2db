package pfs

import (
	"slices"
	"testing"

	"caret/commits/revision"
	"caret/objstore/memory"
)

// TestVersionsLeftAgain lists, a version a page, where an open commit leaves a
// version again that others have replaced meanwhile.
func TestVersionsLeftAgain(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]Options{"rows": {}, "layer": {LayerAbove: 1}, "staged": {}} {
		opts.manual = true
		fs, err := openRoot(t.Context(), memory.New(), opts)
		if err != nil {
			t.Fatal(err)
		}
		defer fs.sys.Close()
		mustRepo(t, fs, "r")
		ref := Ref{Repo: "r", Branch: "master"}
		want := []string{mustPut(t, fs, ref, "x", "1").String()}
		if name == "staged" { // then nothing comes between
			want = slices.Insert(want, 0, mustPut(t, fs, ref, "x", "2").String())
		}
		open, err := fs.StartCommit(t.Context(), ref, WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		staged := Ref{Repo: "r", Base: revision.Expr{Base: open.ID.String()}}
		if _, err := fs.SetTags(t.Context(), staged, "x", nil, map[string]string{"k": "v"}, WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		mustPut(t, fs, staged, "y", "")
		if name == "staged" {
			ref = staged
		} else {
			for _, data := range []string{"2", "3"} {
				want = slices.Insert(want, 1, mustPut(t, fs, ref, "x", data).String())
			}
			if _, err := fs.FinishCommit(t.Context(), openRef("r", open.ID), FinishOptions{Strategy: Theirs}); err != nil {
				t.Fatal(err)
			}
		}
		want = append(want, open.ID.String()) // of y
		s, err := fs.Open(t.Context(), ref, ActList, "")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		opt := VersionsOptions{Limit: 1}
		for more := true; more; {
			page, err := s.Versions(t.Context(), opt)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range page.Items {
				got = append(got, v.Commit.String())
			}
			opt.After, opt.AfterVersion, more = page.Next, page.NextVersion, page.Truncated
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: listed %q, want %q", name, got, want)
		}
	}
}
