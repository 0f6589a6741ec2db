package changeset

import (
	"strings"
	"testing"
)

func TestSpelt(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]float64{ // with one more for each
		"*":               1 + 1,
		"a{b,cd}":         2 + 3 + 2,
		"{a,b}{c,d}":      4 * 3,
		"{a,{b,c}d}*":     2 + 3 + 3 + 3,
		`\{a,b\}*`:        6 + 1,
		"[{,}]*":          6 + 1,
		"{a,a}{a,a}{a,a}": 8 * 4,
		"{}*":             1 + 1,
	} {
		if got := spelt(pattern); got != want {
			t.Errorf("%s: %v, want %v", pattern, got, want)
		}
	}
}

// TestCheckRules: what would be tried too often at each path is refused, and what somebody
// has decided path by path is not.
func TestCheckRules(t *testing.T) {
	t.Parallel()
	pattern := func(p string, n int) (list []Rule) {
		for range n {
			list = append(list, Rule{Pattern: p, Strategy: Ours})
		}
		return list
	}
	for _, c := range []struct {
		rules   []Rule
		refused bool
	}{
		{pattern("logs/2026/a.txt", maxRules), false},
		{pattern("logs/2026/a.txt", maxRules+1), true},
		{pattern("**/*.{go,md,txt}", 50), false},
		{pattern(strings.Repeat("{a,a}", 8), 1), false},
		{pattern(strings.Repeat("{a,a}", 10), 1), true},
		{pattern(strings.Repeat("{a,a}", 400), 1), true},
		{pattern("{a"+strings.Repeat(",a", 600)+"}/*", 1), false},
		{pattern("*"+strings.Repeat("a", 2000), 3), true},
	} {
		if err := CheckRules(c.rules); (err != nil) != c.refused {
			t.Errorf("%d of %.20s...: %v", len(c.rules), c.rules[0].Pattern, err)
		}
	}
}

// TestLiteral: patterns without wildcards fit what the library would have them fit.
func TestLiteral(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, path string
		fits          bool
	}{
		{"a/b", "a/b", true}, {"a/b", "a/bc", false}, {"a/b", "a/b/c", false},
		{"a/", "a/b", true}, {"a/", "a/b/c", true}, {"a/", "a", false}, {"a/", "ab", false}, {"/", "/a", true}, {"", "x", true},
	} {
		r := Rule{Pattern: c.pattern}
		if r.Fits(c.path) != c.fits {
			t.Errorf("%q at %q: %t", c.pattern, c.path, !c.fits)
		}
	}
}
