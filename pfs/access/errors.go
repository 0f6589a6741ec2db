package access

import (
	"errors"

	"caret/pfs/catalog"
)

// Errors of this package, wrapped with what they are about.
var (
	// ErrDenied: the caller may not do that. The text says why.
	ErrDenied = errors.New("access denied")
	// ErrKeyGone: the key that the caller signed with was deleted, or its user.
	ErrKeyGone = errors.New("the access key was deleted")

	ErrNoSuchUser = errors.New("no such user")
	ErrNoSuchKey  = errors.New("no such access key")
	ErrUserExists = errors.New("user exists already")
	// ErrInvalidArgument: an argument that makes no sense.
	ErrInvalidArgument = catalog.ErrInvalidArgument
)
