package pfs

import (
	"fmt"
	"strings"
)

// Strategies decide about a path that both sides changed.
const (
	Ours   = "ours"   // the state of the branch that is written to stays
	Theirs = "theirs" // what is merged in, or staged, wins
)

// Conflict is a path that both sides changed, with its states; nil is no file.
type Conflict struct {
	Path               string
	Base, Ours, Theirs *Info
}

// ConflictError lists paths that both sides changed.
type ConflictError struct {
	What      string     // is wrong with the paths, for people
	Conflicts []Conflict // the first ones
	Total     int
}

// maxConflicts is how many paths a ConflictError names.
const maxConflicts = 1000

func (e *ConflictError) add(c Conflict) {
	if e.Total++; e.Total <= maxConflicts {
		e.Conflicts = append(e.Conflicts, c)
	}
}

// Summary says how many paths there are and what is wrong with them.
func (e *ConflictError) Summary() string {
	if e.Total == 1 {
		return "1 path " + e.What
	}
	return fmt.Sprintf("%d paths %s", e.Total, e.What)
}

func (e *ConflictError) Error() string {
	var some []string
	for _, c := range e.Conflicts[:min(len(e.Conflicts), 5)] {
		some = append(some, c.Path)
	}
	text := e.Summary() + ": " + strings.Join(some, ", ")
	if e.Total > len(some) {
		text += ", ..."
	}
	return text
}

// Unwrap makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Unwrap() error { return ErrConflict }

// checkStrategy: none is one, too.
func checkStrategy(s string) error {
	if s != "" && s != Ours && s != Theirs {
		return fmt.Errorf("%w: strategy %q; it is %s or %s", ErrInvalidArgument, s, Ours, Theirs)
	}
	return nil
}
