package catalog

import (
	"errors"
	"fmt"

	"caret/commits"
)

// Errors of this package, wrapped with what they are about.
var (
	ErrNoSuchRepo   = errors.New("no such repo")
	ErrNoSuchBranch = errors.New("no such branch")
	ErrNoSuchTag    = errors.New("no such tag")
	// ErrNoSuchVersion: a well-formed expression that leads nowhere, such as
	// one before the first commit.
	ErrNoSuchVersion = errors.New("no such version")

	ErrRepoExists   = errors.New("repo exists already")
	ErrBranchExists = errors.New("branch exists already")
	ErrTagExists    = errors.New("tag exists already")

	// ErrInvalidArgument: an argument that makes no sense.
	ErrInvalidArgument = errors.New("invalid argument")
	// ErrReadOnly: a write to a snapshot that is not a branch's head nor an
	// open commit. The text names what can be written to.
	ErrReadOnly = errors.New("read-only")
)

// VersionError is an error in the Version of a Ref, behind what Branch and Base
// mean.
type VersionError struct{ error }

// Unwrap is the error.
func (e *VersionError) Unwrap() error { return e.error }

// MissingError says which name means nothing, so that callers can tell what
// may have been meant.
type MissingError struct {
	// Kind is ErrNoSuchRepo, ErrNoSuchBranch, ErrNoSuchTag, an error about
	// users, or commits.ErrNoCommit for a name that could be a branch, a tag or
	// a commit.
	Kind error
	Repo string // where it was looked for; "" for repos and users
	Name string
	Tag  bool // a branch was looked for, and there is a tag of that name
}

func (e *MissingError) Error() string {
	switch {
	case e.Repo == "":
		return fmt.Sprintf("%v: %s", e.Kind, e.Name)
	case errors.Is(e.Kind, commits.ErrNoCommit):
		return fmt.Sprintf("%v: repo %s has no branch, tag or commit %q", e.Kind, e.Repo, e.Name)
	case e.Tag:
		return fmt.Sprintf("%v: %s in repo %s is a tag, which is read and can't be written to or moved", e.Kind, e.Name, e.Repo)
	}
	return fmt.Sprintf("%v: %s in repo %s", e.Kind, e.Name, e.Repo)
}

// Unwrap makes errors.Is(err, e.Kind) true.
func (e *MissingError) Unwrap() error { return e.Kind }
