package commits

import (
	"time"

	"caret/commits/revision"
	"caret/objstore/content"
)

// ID names a commit.
type ID = revision.ID

// Entry is a file at one moment: its content, and what clients said of it.
type Entry struct {
	Content content.Content
	// Modified is when the content was written, which is the time of the commit, with
	// a precision of milliseconds.
	Modified time.Time
	Attrs    Attrs
	// Parts are the lengths of the parts of a multipart upload, in order, for reads by
	// part number. They are nil for a file that was written in one piece.
	Parts []int64
	// PartSums are the checksums of the parts in base64, if they have any.
	PartSums []string
}

// Attrs is what a client says of a file besides its content.
type Attrs struct {
	ContentType        string
	ContentEncoding    string
	ContentDisposition string
	ContentLanguage    string
	CacheControl       string
	Expires            string
	// Meta is the user's metadata. Its keys are in lower case and have no prefix.
	Meta map[string]string
	// Tags are the user's tags.
	Tags map[string]string
	// Checksum is the one that the client sent and the server verified.
	Checksum Checksum
}

// Checksum is a verified checksum of a file. The zero value means none.
type Checksum struct {
	Algorithm string // as S3 spells it: CRC32, CRC32C, CRC64NVME, SHA1, SHA256
	Type      string // FULL_OBJECT or COMPOSITE
	Value     string // in base64; one that is COMPOSITE ends in "-N" for N parts
	// MD5 is in hex, and kept only where a server is asked to show it. If it ends in
	// "-N" it is the MD5 of the MD5s of N parts.
	MD5 string
}

// State is how a commit left a path: as an entry, or deleted.
type State struct {
	Entry
	Deleted bool
	// N is the number of the commit that left it so; 0 for what is staged.
	N uint64
	// Commit is the commit that made the version, which names it. A later commit may
	// leave the same version again, with other tags or to make it current again.
	Commit ID
	// Removed are the versions of the path that are not listed any more as of this
	// commit.
	Removed []ID
	// Unlisted marks a deletion that is not listed as a version itself, as all
	// versions of the path were removed.
	Unlisted bool
	// Writer is who wrote the version, if it was somebody that this says something
	// about.
	Writer Writer
}

// Writer is a user who wrote a version on a branch that is not his, and who owns
// the version there. Where the version shows through other branches it says
// nothing.
type Writer struct {
	User string    // the user's id
	Home LineageID // the first lineage of the branch
}
