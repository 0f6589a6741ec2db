package revision

import "testing"

// TestSuggest: what cannot be a name is refused with one that can, if there is one like it.
func TestSuggest(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"v1.0": "v1-0", "feature/x": "feature-x", "no good": "no-good", "-x": "x", "a..b//c": "a-b-c", "été": "t",
		"HEAD.1": "", "...": "", "": "", "at-20261120T120000Z": "",
	} {
		got := Suggest(s)
		if got != want || got != "" && CheckName(got) != nil {
			t.Errorf("for %q %q is suggested, want %q", s, got, want)
		}
	}
}
