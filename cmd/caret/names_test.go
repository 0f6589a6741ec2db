package main

import (
	"path"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMisfit(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 127) + "x" // 255 bytes
	for _, name := range []string{"a", "a/b", "...", "..a/b..", " ", "a\nb", "\xff", `\`, long, long + "/" + long, "caret-part", ".caret-part", "x.caret-checkout"} {
		if why := misfit(name); why != "" {
			t.Errorf("%q: %s", name, why)
		}
	}
	for _, name := range []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "a/.", "./a", "a/../b", "a/..", "a\x00b", long + "y", "x/" + long + "y/z",
		manifestName, "x/" + manifestName, manifestName + "/x", partName("a", noBytes), ".caret-part-0123-4567",
	} {
		if misfit(name) == "" {
			t.Errorf("%q fits", name)
		}
	}
}

// TestPartName: what is on its way has a name that a folder takes and that tells of
// what it is a part.
func TestPartName(t *testing.T) {
	t.Parallel()
	if got, want := partName("d/a.csv", noBytes), "d/.a.csv.af1349b9f5f9a1a6.caret-part"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, name := range []string{"a", strings.Repeat("é", 127), strings.Repeat("x", 255), "d/" + strings.Repeat("x", 225), strings.Repeat("x", 226)} {
		got := partName(name, noBytes)
		base := path.Base(got)
		if len(base) > maxName || !utf8.ValidString(base) || !isPart(base) || path.Dir(got) != path.Dir(name) || !strings.HasPrefix(base, partPrefix(name)) {
			t.Errorf("%q becomes %q", name, got)
		}
	}
}
