package plain

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

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
	if err := d.marks(); err != nil {
		return nil, err
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

// marks reads the version, and whose FORMAT and packs/STORE say that all of this is.
func (d *disk) marks() error {
	format, err := os.ReadFile(filepath.Join(d.dir, "FORMAT"))
	if err != nil {
		return err
	}
	line, ok := strings.CutPrefix(string(format), "caret 3\n")
	if !ok {
		return fmt.Errorf("format %q", format)
	}
	packs, err := os.ReadFile(filepath.Join(d.dir, "packs", "STORE"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, line := range []string{line, string(packs)} {
		if line == "" { // written by an earlier caret
			continue
		}
		var id, sum []byte
		if n, err := fmt.Sscanf(line, "store %x %x\n", &id, &sum); n != 2 || err != nil || len(id) != 8 || len(sum) != 4 ||
			binary.BigEndian.Uint32(sum) != checksum([]byte(line[:len("store ")+16])) {
			return fmt.Errorf("a mark of a store is %q", line)
		}
		if err := d.setID(id); err != nil {
			return err
		}
	}
	return nil
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
