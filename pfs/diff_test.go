package pfs

import (
	"testing"

	"caret/objstore/memory"
)

// TestDiffSaysWhatDiffers: content, what was said of it, or tags alone.
func TestDiffSaysWhatDiffers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	fs, err := openRoot(ctx, memory.New(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer fs.sys.Close()
	if _, err := fs.CreateRepo(ctx, Repo{Name: "r"}); err != nil {
		t.Fatal(err)
	}
	on := Ref{Repo: "r"}
	put := func(data, contentType string) {
		t.Helper()
		if _, err := fs.Put(ctx, on, "f", mustPutContent(t, fs, data).Content, Attrs{ContentType: contentType}, WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	differs := func(from string) (got [3]bool, files int) {
		t.Helper()
		list, err := fs.Diff(ctx, Ref{Repo: "r", Version: expr(t, from)}, on, DiffOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 1 {
			got[0], got[1], got[2] = list[0].Differs()
		}
		return got, len(list)
	}
	put("a", "text/plain")
	for _, tt := range []struct {
		change func()
		want   [3]bool
	}{
		{func() { put("b", "text/plain") }, [3]bool{true, false, false}},
		{func() { put("b", "text/csv") }, [3]bool{false, true, false}},
		{func() {
			if _, err := fs.SetTags(ctx, on, "f", nil, map[string]string{"k": "v"}, WriteOptions{}); err != nil {
				t.Fatal(err)
			}
		}, [3]bool{false, false, true}},
		{func() { put("a", "text/plain") }, [3]bool{true, true, true}},
	} {
		tt.change()
		if got, n := differs("HEAD^"); n != 1 || got != tt.want {
			t.Errorf("content, metadata, tags differ: %v in %d files, want %v", got, n, tt.want)
		}
	}
	if got, n := differs(".1"); n != 0 {
		t.Errorf("changed and changed back: %v", got)
	}
}
