package content

import (
	"caret/objstore"
)

// Ref points at stored bytes: a chunk (Level 0) or a list of refs (Level 1
// and up) whose leaves, in order, are the bytes. A Ref of size 0 points at
// nothing and has a zero Hash.
type Ref struct {
	Hash  objstore.Hash // of the blob: the chunk itself, or the encoded list
	Size  int64         // bytes of content under this ref
	Level uint8
}

// Content is the identity of a byte string and where it is stored.
type Content struct {
	Hash objstore.Hash // BLAKE3-256 of all its bytes
	Root Ref           // Root.Size is the length in bytes
}

// Part is one piece of a multipart upload.
type Part struct {
	Content
	// Offset is where in the whole the part was assumed to begin when it was
	// hashed, and Subtrees are the BLAKE3 chaining values computed under
	// that assumption; see Concat.
	Offset   int64
	Subtrees []byte
}
