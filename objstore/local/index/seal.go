package index

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dgraph-io/badger/v4/table"

	"caret/objstore"
)

// sealName is a file that says of tables which they are: badger knows them by
// their names alone, and takes one for another. Each line is a name and a checksum
// of the table's size and end, the last line a checksum of those before. It is
// written some time after a table is there, and may lack some.
const sealName = "TABLES"

// identity tells a table from any other: its end has a checksum of all its keys.
func identity(path string) (sum uint32, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	b := make([]byte, min(info.Size(), 4096))
	if _, err := f.ReadAt(b, info.Size()-int64(len(b))); err != nil {
		return 0, err
	}
	return crc32.Checksum(binary.LittleEndian.AppendUint64(b, uint64(info.Size())), castagnoli), nil
}

// readSeal reads the file. If it is missing or damaged nothing is known.
func readSeal(dir string) map[string]uint32 {
	known := make(map[string]uint32)
	b, err := os.ReadFile(filepath.Join(dir, sealName))
	at := bytes.LastIndexByte(bytes.TrimSuffix(b, []byte("\n")), '\n') + 1
	if err != nil || string(b[at:]) != fmt.Sprintf("%08x\n", crc32.Checksum(b[:at], castagnoli)) {
		return known
	}
	for lines := bufio.NewScanner(bytes.NewReader(b[:at])); lines.Scan(); {
		var name string
		var sum uint32
		if n, err := fmt.Sscanf(lines.Text(), "%s %x", &name, &sum); n == 2 && err == nil {
			known[name] = sum
		}
	}
	return known
}

// checkSeal compares tables with what is known of them.
func checkSeal(dir string, tables []string) error {
	known := readSeal(dir)
	for _, path := range tables {
		want, ok := known[filepath.Base(path)]
		if !ok {
			continue
		}
		if sum, err := identity(path); err != nil {
			return err
		} else if sum != want {
			return fmt.Errorf("%w: table %s is another than it was", objstore.ErrCorrupt, path)
		}
	}
	return nil
}

// Seal notes which tables there are, if they are not those that were noted last.
func (x *Index) Seal() error {
	if x.opts.ReadOnly || x.opts.InMemory {
		return nil
	}
	// Of all files those that badger has in use: others may be half written.
	var tables []string
	for _, t := range x.db.Tables() {
		tables = append(tables, table.NewFilename(t.ID, x.dir))
	}
	return x.seal(tables)
}

// sealClosed is Seal when badger is closed.
func (x *Index) sealClosed() error {
	if x.opts.ReadOnly || x.opts.InMemory {
		return nil
	}
	tables, err := filepath.Glob(filepath.Join(x.dir, "*.sst"))
	if err != nil {
		return err
	}
	return x.seal(tables)
}

func (x *Index) seal(tables []string) error {
	x.sealing.Lock()
	defer x.sealing.Unlock()
	known, same := make(map[string]uint32), len(tables) == len(x.sealed)
	for _, path := range tables {
		name := filepath.Base(path)
		sum, ok := x.sealed[name]
		if !ok {
			same = false
			var err error
			if sum, err = identity(path); errors.Is(err, fs.ErrNotExist) {
				continue // badger has removed it just now
			} else if err != nil {
				return err
			}
		}
		known[name] = sum
	}
	if same {
		return nil
	}
	var text strings.Builder
	for name, sum := range known {
		fmt.Fprintf(&text, "%s %08x\n", name, sum)
	}
	fmt.Fprintf(&text, "%08x\n", crc32.Checksum([]byte(text.String()), castagnoli))
	path := filepath.Join(x.dir, sealName)
	if err := os.WriteFile(path+".new", []byte(text.String()), 0o600); err != nil {
		return err
	}
	x.sealed = known
	return os.Rename(path+".new", path)
}
