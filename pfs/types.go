package pfs

import (
	"caret/commits"
	"caret/commits/revision"
	"caret/objstore"
	"caret/objstore/content"
)

// What callers need of the packages below, so that they import this one alone.
type (
	// Attrs are a file's content headers and metadata.
	Attrs = commits.Attrs
	// Checksum is a file's verified checksum.
	Checksum = commits.Checksum
	// Commit is the record of a commit.
	Commit = commits.Commit
	// CommitID names a commit.
	CommitID = commits.ID
	// Expr is a version expression.
	Expr = revision.Expr
	// Hash is the BLAKE3-256 of content.
	Hash = objstore.Hash
	// FileWriter takes the content of a file; see FS.NewFile.
	FileWriter = content.Writer
	// FilePart is what a FileWriter's Close returns.
	FilePart = content.Part
)

// Errors of the store that pass through.
var (
	ErrNoSpace  = objstore.ErrNoSpace
	ErrFailed   = objstore.ErrFailed
	ErrClosed   = objstore.ErrClosed
	ErrTooLarge = objstore.ErrTooLarge
	ErrCorrupt  = objstore.ErrCorrupt
)
