package pfs

import (
	"errors"
	"fmt"

	"caret/commits"
	"caret/commits/revision"
)

// Errors of this package, wrapped with what they are about. The text of the
// wrapping error is fit for the user. Errors of objstore (ErrNoSpace,
// ErrCorrupt, ErrFailed, ErrTooLarge) pass through.
var (
	// ErrInvalidName: a repo, branch or tag name that is not allowed.
	ErrInvalidName = revision.ErrName
	// ErrInvalidPath: a path that is empty or not UTF-8.
	ErrInvalidPath = errors.New("invalid path")
	// ErrPathTooLong: a path of more than MaxPath bytes.
	ErrPathTooLong = errors.New("path too long")
	// ErrInvalidExpr: a malformed version expression.
	ErrInvalidExpr = revision.ErrExpr
	// ErrInvalidArgument: another argument that makes no sense.
	ErrInvalidArgument = errors.New("invalid argument")

	ErrNoSuchRepo   = errors.New("no such repo")
	ErrNoSuchBranch = errors.New("no such branch")
	ErrNoSuchTag    = errors.New("no such tag")
	// ErrNoSuchCommit: a commit id, or the name of a ref, that is unknown.
	ErrNoSuchCommit = commits.ErrNoCommit
	// ErrNoSuchVersion: a well-formed expression that leads nowhere, such as
	// one before the first commit.
	ErrNoSuchVersion = errors.New("no such version")
	// ErrNoSuchPath: the snapshot has no file at the path.
	ErrNoSuchPath   = commits.ErrNoPath
	ErrNoSuchUpload = errors.New("no such upload")
	ErrNoSuchUser   = errors.New("no such user")
	ErrNoSuchKey    = errors.New("no such access key")
	// ErrAmbiguous: a shortened commit id that fits several commits.
	ErrAmbiguous = commits.ErrAmbiguous

	ErrRepoExists   = errors.New("repo exists already")
	ErrBranchExists = errors.New("branch exists already")
	ErrTagExists    = errors.New("tag exists already")
	ErrUserExists   = errors.New("user exists already")
	// ErrNotEmpty: a repo that holds files and was to be deleted as if empty.
	ErrNotEmpty = errors.New("not empty")

	// ErrDenied: the caller may not do that.
	ErrDenied = errors.New("access denied")
	// ErrReadOnly: a write to a snapshot that is not a branch's head nor an
	// open commit. The text names what can be written to.
	ErrReadOnly = errors.New("read-only")
	// ErrPrecondition: If-Match, If-None-Match or the expected head was not met.
	ErrPrecondition = errors.New("precondition failed")
	// ErrConflict: an open commit and its branch changed the same paths;
	// see ConflictError.
	ErrConflict = errors.New("conflict")
	// ErrDiverged: a commit behind which a branch was to be followed does not
	// lead to the branch's head, or no longer, as it was reset.
	ErrDiverged = errors.New("commit does not lead to the head")

	// ErrInvalidPart: a part that was not uploaded, or whose hash differs.
	ErrInvalidPart = errors.New("invalid part")
	// ErrPartOrder: part numbers that do not ascend.
	ErrPartOrder = errors.New("parts not in ascending order")
	// ErrPartTooSmall: a part below MinPart that is not the last.
	ErrPartTooSmall = errors.New("part too small")
)

// MissingError says which name means nothing, so that callers can tell what
// may have been meant.
type MissingError struct {
	// Kind is ErrNoSuchRepo, ErrNoSuchBranch, ErrNoSuchTag, ErrNoSuchUser, or
	// ErrNoSuchCommit for a name that could be a branch, a tag or a commit.
	Kind error
	Repo string // where it was looked for; "" for repos and users
	Name string
}

func (e *MissingError) Error() string {
	switch {
	case e.Repo == "":
		return fmt.Sprintf("%v: %s", e.Kind, e.Name)
	case errors.Is(e.Kind, ErrNoSuchCommit):
		return fmt.Sprintf("%v: repo %s has no branch, tag or commit %q", e.Kind, e.Repo, e.Name)
	}
	return fmt.Sprintf("%v: %s in repo %s", e.Kind, e.Name, e.Repo)
}

// Unwrap makes errors.Is(err, e.Kind) true.
func (e *MissingError) Unwrap() error { return e.Kind }
