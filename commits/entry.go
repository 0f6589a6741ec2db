package commits

import (
	"time"

	"caret/commits/revision"
	"caret/objstore/content"
)

// ID names a commit.
type ID = revision.ID

// Entry is one file at one moment: its bytes and what was said of them.
type Entry struct {
	Content content.Content
	// Modified is when the content was written (the commit's time), in
	// milliseconds' precision.
	Modified time.Time
	Attrs    Attrs
	// Parts are the lengths of the parts of a multipart upload in order, for
	// reads by part number; nil when it was written in one piece.
	Parts []int64
	// PartSums are the checksums of the Parts, if they have them, in base64.
	PartSums []string
}

// Attrs are what a client says of a file besides its bytes.
type Attrs struct {
	ContentType        string
	ContentEncoding    string
	ContentDisposition string
	ContentLanguage    string
	CacheControl       string
	Expires            string
	// Meta is the user's metadata; keys in lower case without a prefix.
	Meta map[string]string
	// Tags are the user's tags.
	Tags map[string]string
	// Checksum is the one the client sent and the server verified.
	Checksum Checksum
}

// Checksum is a verified checksum of a file. The zero value means none.
type Checksum struct {
	Algorithm string // as S3 spells it: CRC32, CRC32C, CRC64NVME, SHA1, SHA256
	Type      string // FULL_OBJECT or COMPOSITE
	Value     string // base64, for COMPOSITE with "-N" behind it
	// MD5 is kept only where a server is asked to show it: in hex, with "-N"
	// behind it that of the MD5s of N parts.
	MD5 string
}

// State is a path as a commit left it: an entry, or the news that it was
// deleted.
type State struct {
	Entry
	Deleted bool
	// N is the number of the commit that left it so.
	N uint64
	// Commit names the version: it is the commit that made it. A later commit
	// may leave the same version again, with other tags or as the one that
	// is current again.
	Commit ID
	// Removed are versions that are no longer listed from this commit on.
	Removed []ID
	// Unlisted marks a deletion that is no version: none are left.
	Unlisted bool
}
