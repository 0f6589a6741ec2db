package changeset

import (
	"fmt"
	"math"
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
	tries := 0.0
	for i := range rules {
		if err := rules[i].check(); err != nil {
			return err
		}
		tries += rules[i].tries()
	}
	if tries > maxTries {
		return fmt.Errorf("%w: the patterns stand for more than %d; use fewer alternatives in braces", catalog.ErrInvalidArgument, maxTries)
	}
	return nil
}

const (
	// maxPattern is how long a pattern may be, in bytes: twice a path.
	maxPattern = 2 * 1024
	// maxTries is how many patterns without alternatives the rules of a merge
	// may stand for.
	maxTries = 10_000
)

// tries is no less than the number of patterns without alternatives that the
// rule's stands for, each of which may be tried at a path: they are most if the
// commas are shared out among the braces.
func (r *Rule) tries() float64 {
	braces, commas := strings.Count(r.Pattern, "{"), strings.Count(r.Pattern, ",")
	if braces == 0 {
		return 1
	}
	return math.Pow(1+float64(commas)/float64(braces), float64(braces))
}

// Fits says whether the rule decides about a path.
func (r *Rule) Fits(path string) bool {
	if r.Pattern == "" {
		return true
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
