package local_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"caret/objstore"
	"caret/objstore/local"
)

// writeVersion2 makes a directory as format version 2 had it: rows and places of
// blobs in badger alone.
func writeVersion2(t *testing.T, dir string, version int) (large, small objstore.Hash) {
	t.Helper()
	for _, d := range []string{"packs", "rows"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	content, little := bytes.Repeat([]byte("content "), 1000), []byte("little")
	large, small = objstore.Sum(content), objstore.Sum(little)
	record := binary.LittleEndian.AppendUint32([]byte("CTR1"), uint32(len(content)))
	record = append(record, large[:]...)
	record = binary.LittleEndian.AppendUint32(record, crc32.Checksum(record, crc32.MakeTable(crc32.Castagnoli)))
	for path, b := range map[string][]byte{
		"FORMAT": fmt.Appendf(nil, "caret %d\n", version), "packs/00000001.pack": append(append(make([]byte, 100), record...), content...),
	} {
		if err := os.WriteFile(filepath.Join(dir, path), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db, err := badger.Open(badger.DefaultOptions(filepath.Join(dir, "rows")).WithLogger(nil).WithMemTableSize(32 << 20))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(tx *badger.Txn) error {
		place := []byte{1, 1, 100}
		place = binary.AppendUvarint(place, uint64(len(content)))
		var errs []error
		for k, v := range map[string][]byte{
			"ra": []byte("1"), "rb": {}, "nseq": binary.BigEndian.AppendUint64(nil, 77), "rlong": make([]byte, 900_000),
			"x" + string(large[:]): place, "x" + string(small[:]): append([]byte{0}, little...),
		} {
			errs = append(errs, tx.Set([]byte(k), v))
		}
		return errors.Join(errs...)
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return large, small
}

// TestMigrate: a directory of an older version becomes one of this version, and
// has all it had, whenever that was interrupted.
func TestMigrate(t *testing.T) {
	t.Parallel()
	for version := range 2 {
		for n := 1; ; n++ {
			f := &faults{left: n}
			dir := t.TempDir()
			large, small := writeVersion2(t, dir, version+1)
			s, err := local.Open(dir, local.Options{Reserve: -1, Fault: f.fault})
			if err == nil {
				s.Close()
			} else if !errors.Is(err, errDisk) {
				t.Errorf("%s: %v", f.hit, err)
			}
			s = open(t, dir, local.Options{})
			checkVersion2(t, s, large, small, f.hit)
			s.Close()
			if b, err := os.ReadFile(filepath.Join(dir, "FORMAT")); !strings.HasPrefix(string(b), "caret 3\nstore ") {
				t.Errorf("%s: marked %q, %v", f.hit, b, err)
			}
			if _, err := os.Stat(filepath.Join(dir, "rows")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: the old rows are still there: %v", f.hit, err)
			}
			if f.hit == "" || testing.Short() {
				break
			}
		}
	}
}

func checkVersion2(t *testing.T, s *local.Store, large, small objstore.Hash, what string) {
	t.Helper()
	for _, h := range []objstore.Hash{large, small} {
		if _, err := s.Blobs().Get(t.Context(), h, nil); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n, err := s.Rows().Number(t.Context(), "seq", 0); n != 78 || err != nil {
		t.Errorf("%s: number %d, %v", what, n, err)
	}
	if err := s.Rows().View(t.Context(), func(tx objstore.Reader) error {
		rows, err := tx.Page(objstore.Range{}, 10)
		if len(rows) != 3 || string(rows[0].Key) != "a" || string(rows[0].Value) != "1" || len(rows[2].Value) != 900_000 {
			t.Errorf("%s: %d rows, %v", what, len(rows), err)
		}
		return err
	}); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}
