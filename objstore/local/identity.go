package local

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"caret/objstore"
	"caret/objstore/local/disk"
	"caret/objstore/local/journal"
)

// identity is what parts of a directory say of the store that they belong to, besides
// the log; zero where they say nothing, as those of an earlier caret.
type identity struct {
	format journal.ID // FORMAT
	packs  journal.ID // packs/STORE
}

// ID is what the files of the store know it by.
func (s *Store) ID() [8]byte { return s.id }

// idLine is how an id is written in FORMAT and packs/STORE, with a checksum, so that damage
// is not taken for another store.
func idLine(id journal.ID) string {
	text := fmt.Sprintf("store %x", id)
	return fmt.Sprintf("%s %08x\n", text, crc32.Checksum([]byte(text), castagnoli))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// parseIDLine is the opposite; the zero ID if it is damaged.
func parseIDLine(line string) journal.ID {
	text, _, _ := strings.Cut(strings.TrimPrefix(line, "store "), " ")
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(journal.ID{}) || idLine(journal.ID(b)) != line {
		return journal.ID{}
	}
	return journal.ID(b)
}

func (s *Store) packsMark() string { return s.path("packs/STORE") }

// readPacksMark reads what the packs say. What can't be read says nothing, and is
// written again.
func (s *Store) readPacksMark() error {
	b, err := os.ReadFile(s.packsMark())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if s.said.packs = parseIDLine(string(b)); s.said.packs == (journal.ID{}) {
		s.log.Warn("the file that says whose packs these are is damaged, and is made anew", "file", s.packsMark())
	}
	return nil
}

// sameStore says with objstore.ErrForeign which part is of another store than the log,
// and what to do.
func (s *Store) sameStore(log journal.ID) error {
	none := journal.ID{}
	format, packs := s.said.format, s.said.packs
	var text string
	switch {
	case (format == none || format == log) && (packs == none || packs == log):
		return nil
	case format == none:
		text = fmt.Sprintf("log/ is of store %x, packs/ of store %x; restore both from one backup", log, packs)
	case format == log:
		text = fmt.Sprintf("FORMAT and log/ are of store %x, packs/ is not, it is of store %x; restore the packs/ of store %x", log, packs, log)
	case packs != none && packs != log && packs != format:
		text = fmt.Sprintf("FORMAT is of store %x, log/ of store %x, packs/ of store %x; restore all from one backup", format, log, packs)
	case packs == log:
		text = fmt.Sprintf("log/ and packs/ are of store %x, FORMAT is not, it is of store %x; if the others are right write %q into FORMAT", log, format, formatLine())
	case packs == none:
		text = fmt.Sprintf("FORMAT is of store %x, log/ of store %x; restore the log/ of store %x, or, if log/ and packs/ are right, write %q into FORMAT", format, log, format, formatLine())
	default:
		text = fmt.Sprintf("FORMAT and packs/ are of store %x, log/ is not, it is of store %x; restore the log/ of store %x", format, log, format)
	}
	return fmt.Errorf("%w: %s", objstore.ErrForeign, text)
}

// identify has each part say whose it is that does not yet, once there is room.
func (s *Store) identify() error {
	if s.space.full() {
		return nil
	}
	if s.said.packs == (journal.ID{}) {
		if s.said.format != (journal.ID{}) && s.packs.Len() > 0 {
			s.log.Warn("the packs do not say whose they are any more, and are taken for those of this store", "file", s.packsMark())
		}
		if err := s.writeWhole(s.packsMark(), idLine(s.id)); err != nil {
			return identifyError(err)
		}
		s.said.packs = s.id
	}
	if s.said.format == (journal.ID{}) { // last: then all parts say it
		if err := s.writeFormat(s.id); err != nil {
			return identifyError(err)
		}
	}
	return nil
}

// identifyError lets a store without room be opened all the same.
func identifyError(err error) error {
	if errors.Is(disk.NoSpace(err), objstore.ErrNoSpace) {
		return nil
	}
	return fmt.Errorf("write down whose parts these are: %w", err)
}

// writeWhole writes a small file, whole and durable or not at all.
func (s *Store) writeWhole(path, text string) error {
	if err := s.fault("format.write"); err != nil {
		return err
	}
	fresh := path + ".new" // one that a kill has left is written over
	f, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	return disk.SyncDir(filepath.Dir(path))
}
