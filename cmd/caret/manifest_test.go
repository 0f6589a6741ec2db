package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
)

// TestManifest: what is written is read again, and of what is damaged the rest is.
func TestManifest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if m, err := readManifest(root); err != nil || len(m) > 0 {
		t.Errorf("of an empty folder: %v, %v", m, err)
	}
	other := strings.Repeat("ab", 32)
	want := manifest{
		"a":                                {{noBytes, 0}, {other, 5}},
		"<é>\n\x1b":                        {{other, 5}},
		strings.Repeat("\x01/", 500) + "x": {{other, 1 << 40}},
	}
	stale := filepath.Join(dir, partName(manifestName, noBytes))
	if err := os.Symlink("elsewhere", stale); err != nil {
		t.Fatal(err)
	}
	var all errgroup.Group // at once
	for name, contents := range want {
		for _, c := range contents {
			all.Go(func() error {
				return updateManifest(t.Context(), root, func(m manifest) { m.add(name, c); m.add(name, c) })
			})
		}
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	m, err := readManifest(root)
	if len(m["a"]) == 2 && m["a"][0].Size > 0 {
		m["a"][0], m["a"][1] = m["a"][1], m["a"][0]
	}
	if err != nil || !cmp.Equal(m, want) {
		t.Errorf("%v\n%s", err, cmp.Diff(want, m))
	}
	if got := names(t, dir); len(got) > 0 {
		t.Errorf("beside it: %q", got)
	}
	head, line := `{"caret_checkout":1}`+"\n", `{"path":"a","hash":"`+noBytes+`","size":0}`+"\n"
	for text, n := range map[string]int{
		"":                                   0,
		head:                                 0,
		head + line:                          1,
		head + "\x00\x00\n" + line:           1,
		head + line + line[:20]:              1,
		head + line[20:] + line:              1,
		line:                                 0,
		`{"caret_checkout":2}` + "\n" + line: 0,
		head + strings.Replace(line, `"a"`, `"../a"`, 1):    0,
		head + strings.Replace(line, noBytes, "../../x", 1): 0,
		head + line + strings.Repeat("x", maxLine+1):        1,
	} {
		if err := os.WriteFile(filepath.Join(dir, manifestName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := readManifest(root)
		if len(m) != n || (err == nil) != (text == head || text == head+line) {
			t.Errorf("%.100q: %v, %v", text, m, err)
		}
	}
	// It is not read by way of a link, nor waited for.
	if err := os.Remove(filepath.Join(dir, manifestName)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("x", filepath.Join(dir, manifestName)); err != nil {
		t.Fatal(err)
	}
	if m, err := readManifest(root); err == nil || len(m) > 0 {
		t.Errorf("a link: %v, %v", m, err)
	}
}
