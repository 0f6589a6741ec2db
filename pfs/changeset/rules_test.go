package changeset

import (
	"strings"
	"testing"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"pgregory.net/rapid"
)

func TestSpelt(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]float64{
		"*":               2,
		"a{b,cd}":         2 + 3 + 2, // and each one more
		"{a,b}{c,d}":      4 * 3,
		"{a,{b,c}d}*":     3 + 4 + 2,
		`\{a,b\}*`:        7,
		"[{,}]*":          7,
		"{a,a}{a,a}{a,a}": 8 * 4,
	} {
		if pattern == "{a,{b,c}d}*" {
			want = (2 + 1) + (3 + 1) + (3 + 1)
		}
		if got := spelt(pattern); got != want {
			t.Errorf("%s: %v, want %v", pattern, got, want)
		}
	}
}

func TestWorst(t *testing.T) {
	for _, p := range []string{
		strings.Repeat("{a,a}", 7) + "*b", "*" + strings.Repeat("a", 500) + "b", strings.Repeat("*a", 1000) + "b", "**/" + strings.Repeat("a/", 500) + "b",
		strings.Repeat("a*", 200) + "b", strings.Repeat("**/a/", 200) + "b",
		"*" + strings.Repeat("{a,a}", 7) + "b",
	} {
		var rules []Rule
		for CheckRules(append(rules, Rule{Pattern: p, Strategy: Ours})) == nil && len(rules) < 5000 {
			rules = append(rules, Rule{Pattern: p, Strategy: Ours})
		}
		for _, path := range []string{strings.Repeat("a", 1023), strings.Repeat("a/", 511)} {
			began := time.Now()
			pol := Policy{Rules: rules}
			pol.Strategy(path)
			t.Logf("%.20s.. x%d: %v", p, len(rules), time.Since(began))
		}
	}
}

var _ = doublestar.Match
var _ = rapid.Check
