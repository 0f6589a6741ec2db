package changeset

import (
	"errors"
	"fmt"
	"strings"

	"caret/commits"
)

// ErrConflict is wrapped with what it is about: both sides changed the same paths,
// see ConflictError, or somebody else is at it.
var ErrConflict = errors.New("conflict")

// Conflict is a path that both sides changed, with its states; nil is no file.
type Conflict struct {
	Path               string
	Base, Ours, Theirs *commits.Change
}

// ConflictError lists paths that both sides changed.
type ConflictError struct {
	What      string     // is wrong with the paths, for people
	Conflicts []Conflict // the first ones
	Total     int
}

// maxConflicts is how many paths a ConflictError names.
const maxConflicts = 1000

// Add adds a path; only the first ones are kept.
func (e *ConflictError) Add(c Conflict) {
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
