package run

import (
	"cmp"
	"fmt"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"caret/objstore"
)

// Row is a key with its value. A nil Value says that the key was deleted; the
// value of a row that is empty is not nil.
type Row = objstore.Row

// Bulk is a place in the pack files that holds many small blobs and belongs to
// a run. To is the LSN up to which blobs of the log lie in bulks up to this one.
type Bulk struct {
	Pack   uint32
	Offset int64
	Length int64
	To     uint64
}

// Info says what a run is, without its rows.
type Info struct {
	Path     string
	ID       [8]byte // of the log whose rows these are
	From, To uint64  // it has what was written after From, up to To
	Rows     uint64  // deletions included
	Bulks    []Bulk
	Size     int64 // of the file, in bytes
}

// name is what the file of a run is called.
func name(from, to uint64) string { return fmt.Sprintf("run-%016x-%016x.rows", from, to) }

// parseName is the inverse of name; ok is false for what name never returns.
func parseName(s string) (from, to uint64, ok bool) {
	if n, err := fmt.Sscanf(s, "run-%16x-%16x.rows", &from, &to); n != 2 || err != nil {
		return 0, 0, false
	}
	return from, to, name(from, to) == s
}

// Options configure writing and merging; the zero value is fine.
//
// Measured by BenchmarkWrite and BenchmarkMerge on commits of one file each,
// 40,000 in a run and a million in 25 merged: bytes of file a commit, and MB of
// keys and values that a processor does in a second. A commit has 285 bytes of
// keys and values, of which about 162 cannot be told beforehand.
//
//	level    block    run          merged
//	fastest   64 KiB  172.0, 153
//	fastest  256 KiB  169.1, 154   168.7, 81
//	fastest  512 KiB  167.3, 123   167.0, 97
//	fastest    1 MiB  166.6, 138   166.4, 74
//	default  512 KiB  166.8, 133
//	default    1 MiB  166.2, 118   165.8, 77
//
// Speeds vary by a third, on a machine that others use. With keys and values row
// by row it is 201 bytes, whatever level and block; with all keys before all
// values 190 to 195; with values in columns whatever their lengths 176 to 195;
// with columns for each length, but one table for all of them, 169 to 176. Rows
// with values of many lengths, and JSON, gain less, and lose nothing.
type Options struct {
	// BlockSize is how many bytes of keys and values a block has before it is
	// compressed, one row more or less. 0 is DefaultBlockSize, the most is
	// MaxBlockSize.
	BlockSize int
	// Level is how hard zstd tries; 0 is DefaultLevel.
	Level zstd.EncoderLevel
	// Fault, if set, is called before each operation on the disk with its
	// name, and makes it fail with the error it returns. For tests. Names are
	// run.create, run.write, run.sync, run.rename, run.remove, run.read and
	// dir.sync.
	Fault func(point string) error
}

// What Options are if they do not say.
const (
	DefaultBlockSize = 512 << 10
	MaxBlockSize     = 8 << 20
	DefaultLevel     = zstd.SpeedFastest
)

func (o Options) withDefaults() (Options, error) {
	o.BlockSize = cmp.Or(o.BlockSize, DefaultBlockSize)
	o.Level = cmp.Or(o.Level, DefaultLevel)
	if o.BlockSize < 0 || o.BlockSize > MaxBlockSize {
		return o, fmt.Errorf("block size %d is not between 1 and %d", o.BlockSize, MaxBlockSize)
	}
	if o.Fault == nil {
		o.Fault = func(string) error { return nil }
	}
	return o, nil
}

// damage is what is said of a file that is not as it was written.
func damage(path string, offset int64, format string, args ...any) error {
	return fmt.Errorf("%w: %s at offset %d: %s", objstore.ErrCorrupt, path, offset, fmt.Sprintf(format, args...))
}

// Path is where the run is that has what was written after from, up to to.
func Path(dir string, from, to uint64) string { return filepath.Join(dir, name(from, to)) }
