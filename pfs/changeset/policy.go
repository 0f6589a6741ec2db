package changeset

import "caret/commits"

// Policy says what happens to a path that the branch has changed, too, since
// the commit that a set is based on. The zero value is that it is a conflict.
type Policy struct {
	// Rules decide; the first whose pattern fits the path does. If none does it
	// is a conflict.
	Rules []Rule
}

// Always is the policy that one strategy decides; "" is the zero value.
func Always(strategy string) Policy {
	if strategy == "" {
		return Policy{}
	}
	return Policy{Rules: []Rule{{Strategy: strategy}}}
}

// Strategy is what decides about a path, "" if nothing does.
func (p *Policy) Strategy(path string) string {
	for i := range p.Rules {
		if p.Rules[i].Fits(path) {
			return p.Rules[i].Strategy
		}
	}
	return ""
}

// overwrites says that the set's changes are made whatever the branch has.
func (p *Policy) overwrites() bool {
	return len(p.Rules) > 0 && p.Rules[0].Pattern == "" && p.Rules[0].Strategy == Theirs
}

// outcome is what becomes of a path that both sides may have changed.
type outcome int

const (
	stays     outcome = iota // what the set has of it is made
	loses                    // what the branch has stays
	undecided                // a conflict
)

// settle is the three-way merge of one path: base is what both began with, ours
// what the branch has, theirs what the set has; nil is no file. That the set has
// a path is itself a change, even if it is what it was. about says that the set
// has no change of it and was decided on what it was.
func (p *Policy) settle(path string, base, ours, theirs *commits.State, about bool) outcome {
	switch {
	case commits.SameFile(base, ours):
		return stays
	case about:
		return undecided
	case commits.SameFile(ours, theirs):
		return stays
	}
	switch p.Strategy(path) {
	case Ours:
		return loses
	case Theirs:
		return stays
	}
	return undecided
}
