package changeset

import (
	"fmt"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"caret/pfs/catalog"
)

// Strategies decide about a path that both sides changed.
const (
	Ours   = "ours"   // the state of the branch that is written to stays
	Theirs = "theirs" // what is merged in, or staged, wins
)

// CheckStrategy refuses what is no strategy; "" is that none was given.
func CheckStrategy(s string) error {
	if s != "" && s != Ours && s != Theirs {
		return fmt.Errorf("%w: strategy %q; it is %s or %s", catalog.ErrInvalidArgument, s, Ours, Theirs)
	}
	return nil
}

// Rule decides about conflicts at the paths that a pattern fits: * is any part
// of a name, ** any number of folders, and a pattern that ends in a slash
// everything under it. An empty pattern fits every path.
type Rule struct {
	Pattern  string
	Strategy string // Ours or Theirs
}

func (r *Rule) check() error {
	if r.Strategy == "" {
		return fmt.Errorf("%w: the rule for %q has no strategy", catalog.ErrInvalidArgument, r.Pattern)
	}
	if n := len(r.Pattern); n > maxPattern {
		return fmt.Errorf("%w: a pattern of %d bytes, at most %d are allowed", catalog.ErrInvalidArgument, n, maxPattern)
	}
	if !doublestar.ValidatePattern(r.Pattern) {
		return fmt.Errorf("%w: pattern %q", catalog.ErrInvalidArgument, r.Pattern)
	}
	return CheckStrategy(r.Strategy)
}

// CheckRules checks each, and that not too much is tried at every path.
func CheckRules(rules []Rule) error {
	if len(rules) > maxRules {
		return fmt.Errorf("%w: %d rules, at most %d are allowed", catalog.ErrInvalidArgument, len(rules), maxRules)
	}
	work := 0.0
	for i := range rules {
		if err := rules[i].check(); err != nil {
			return err
		}
		work += rules[i].work()
	}
	if work > maxWork {
		return fmt.Errorf("%w: the patterns with wildcards stand for more than %d bytes of patterns without braces; use fewer, shorter ones, or fewer alternatives in braces",
			catalog.ErrInvalidArgument, maxWork)
	}
	return nil
}

const (
	// maxPattern is how long a pattern may be, in bytes: twice a path.
	maxPattern = 2 * 1024
	// maxRules is how many rules a merge may have: one for each path that somebody has
	// decided about one by one.
	maxRules = 10_000
	// maxWork is how long all patterns with wildcards may be together, in bytes and with
	// their braces spelt out: what is tried at a path is no more than that times its length,
	// and mostly little more than its length.
	maxWork = 4 << 10
)

// work is how long the patterns without braces are together that the rule's stands for,
// each of which may be tried at a path. What has no wildcard is only compared.
func (r *Rule) work() float64 {
	if r.literal() {
		return 0
	}
	return spelt(r.Pattern)
}

// spelt is the length of a valid pattern with its braces spelt out: a{b,cd} is ab and acd.
func spelt(pattern string) float64 {
	// alternatives is what stands in one pair of braces, or in none.
	type alternatives struct {
		n, bytes float64 // of those before the last
		lastN    float64 // how many patterns the last stands for
		last     float64 // their bytes
	}
	in := []alternatives{{lastN: 1}}
	for i := 0; i < len(pattern); i++ {
		top := &in[len(in)-1]
		switch c := pattern[i]; {
		case c == '{':
			in = append(in, alternatives{lastN: 1})
		case c == ',' && len(in) > 1:
			*top = alternatives{n: top.n + top.lastN, bytes: top.bytes + top.last, lastN: 1}
		case c == '}' && len(in) > 1:
			n, bytes := top.n+top.lastN, top.bytes+top.last
			in = in[:len(in)-1]
			out := &in[len(in)-1]
			out.last = out.last*n + out.lastN*bytes
			out.lastN *= n
		case c == '[':
			end := i + 1
			for end < len(pattern) && pattern[end] != ']' {
				if pattern[end] == '\\' {
					end++
				}
				end++
			}
			top.last += top.lastN * float64(end+1-i)
			i = end
		default:
			if c == '\\' {
				i++
			}
			top.last += top.lastN
		}
	}
	return in[0].last + in[0].lastN
}

// literal says that the pattern fits one path, or what is under one folder.
func (r *Rule) literal() bool { return !strings.ContainsAny(r.Pattern, `*?[{\`) }

// Fits says whether the rule decides about a path.
func (r *Rule) Fits(path string) bool {
	if r.Pattern == "" || r.literal() {
		return r.Pattern == "" || path == r.Pattern || strings.HasSuffix(r.Pattern, "/") && strings.HasPrefix(path, r.Pattern)
	}
	dir, under := strings.CutSuffix(r.Pattern, "/**") // to the library that fits the folder's name too
	if !under {
		dir, under = strings.CutSuffix(r.Pattern, "/")
	}
	if under {
		return strings.HasPrefix(path, dir+"/") || doublestar.MatchUnvalidated(dir+"/**/*", path)
	}
	return doublestar.MatchUnvalidated(r.Pattern, path)
}
