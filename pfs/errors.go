package pfs

import (
	"errors"

	"caret/commits"
	"caret/commits/revision"
	"caret/objstore"
	"caret/objstore/budget"
	"caret/pfs/access"
	"caret/pfs/catalog"
	"caret/pfs/changeset"
	"caret/pfs/upload"
)

// Errors of this package and of those below that pass through, wrapped with what
// they are about. The text of the wrapping error is fit for the user.
var (
	// ErrInvalidName: a repo, branch, tag or user name that is not allowed.
	ErrInvalidName = revision.ErrName
	// ErrInvalidExpr: a malformed version expression.
	ErrInvalidExpr = revision.ErrExpr
	// ErrInvalidPath: a path that is empty or not UTF-8.
	ErrInvalidPath = errors.New("invalid path")
	// ErrPathTooLong: a path of more than MaxPath bytes.
	ErrPathTooLong = errors.New("path too long")
	// ErrInvalidArgument: another argument that makes no sense.
	ErrInvalidArgument = catalog.ErrInvalidArgument

	ErrNoSuchRepo   = catalog.ErrNoSuchRepo
	ErrNoSuchBranch = catalog.ErrNoSuchBranch
	ErrNoSuchTag    = catalog.ErrNoSuchTag
	// ErrNoSuchCommit: a commit id, or the name of a ref, that is unknown.
	ErrNoSuchCommit = commits.ErrNoCommit
	// ErrNoSuchVersion: a well-formed expression that leads nowhere, such as
	// one before the first commit.
	ErrNoSuchVersion = catalog.ErrNoSuchVersion
	// ErrNoSuchPath: the snapshot has no file at the path; see DeletedError.
	ErrNoSuchPath   = commits.ErrNoPath
	ErrNoSuchUpload = upload.ErrNoSuchUpload
	ErrNoSuchUser   = access.ErrNoSuchUser
	ErrNoSuchKey    = access.ErrNoSuchKey
	// ErrAmbiguous: a shortened commit id that fits several commits.
	ErrAmbiguous = commits.ErrAmbiguous

	ErrRepoExists   = catalog.ErrRepoExists
	ErrBranchExists = catalog.ErrBranchExists
	ErrTagExists    = catalog.ErrTagExists
	ErrUserExists   = access.ErrUserExists
	// ErrNotEmpty: a repo that holds files and was to be deleted as if empty.
	ErrNotEmpty = errors.New("not empty")

	// ErrDenied: the caller may not do that. ErrKeyGone: the key that it signed
	// with was deleted.
	ErrDenied  = access.ErrDenied
	ErrKeyGone = access.ErrKeyGone
	// ErrReadOnly: a write to a snapshot that is not a branch's head nor an
	// open commit. The text names what can be written to.
	ErrReadOnly = catalog.ErrReadOnly
	// ErrPrecondition: If-Match, If-None-Match or the expected head was not met.
	ErrPrecondition = errors.New("precondition failed")
	// ErrConflict: both sides changed the same paths, see ConflictError, or
	// somebody else is at it.
	ErrConflict = changeset.ErrConflict
	// ErrDiverged: a commit behind which a branch was to be followed does not
	// lead to the branch's head, or no longer, as it was reset.
	ErrDiverged = errors.New("commit does not lead to the head")

	ErrInvalidPart  = upload.ErrInvalidPart
	ErrPartOrder    = upload.ErrPartOrder
	ErrPartTooSmall = upload.ErrPartTooSmall

	// ErrBusy: other requests hold the memory that there is. It may be asked again.
	ErrBusy = budget.ErrBusy

	ErrNoSpace        = objstore.ErrNoSpace
	ErrFailed         = objstore.ErrFailed
	ErrClosed         = objstore.ErrClosed
	ErrTooLarge       = objstore.ErrTooLarge
	ErrCorrupt        = objstore.ErrCorrupt
	ErrUnknownOutcome = objstore.ErrUnknownOutcome
)

// DeletedError is ErrNoSuchPath for a path that had a file once: Last is its
// newest version, a deletion.
type DeletedError struct {
	error
	Last Info
}

// Unwrap makes errors.Is(err, ErrNoSuchPath) true.
func (e *DeletedError) Unwrap() error { return e.error }
