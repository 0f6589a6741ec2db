package plain

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// A disk is what log/ and packs/ of a data directory hold.
type disk struct {
	dir   string
	id    []byte
	rows  map[string][]byte    // by key, which begins with the byte of its kind
	small map[[32]byte]extract // blobs in records and bulks
	zstd  *zstd.Decoder
	// Seen counts what there was to be read.
	Seen struct{ Runs, Superseded, Segments, Records, Bulks, Layers int }
}

// readDisk reads the rows of a data directory, and where its small blobs are.
func readDisk(dir string) (*disk, error) {
	zr, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(16<<20), zstd.WithDecoderMaxWindow(1<<20))
	if err != nil {
		return nil, err
	}
	defer zr.Close()
	d := &disk{dir: dir, zstd: zr, rows: map[string][]byte{}, small: map[[32]byte]extract{}}
	version, err := os.ReadFile(filepath.Join(dir, "FORMAT"))
	if err != nil {
		return nil, err
	}
	if string(version) != "caret 3\n" {
		return nil, fmt.Errorf("format %q", version)
	}
	acked, err := d.acked()
	if err != nil {
		return nil, err
	}
	last, err := d.runs()
	if err != nil {
		return nil, err
	}
	return d, d.log(last, acked)
}

// setID takes the id of the store, or compares it to what was said before.
func (d *disk) setID(id []byte) error {
	if d.id == nil {
		d.id = id
	}
	if !bytes.Equal(d.id, id) {
		return fmt.Errorf("files of the stores %x and %x", d.id, id)
	}
	return nil
}
