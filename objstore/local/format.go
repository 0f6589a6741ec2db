package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"caret/objstore"
	"caret/objstore/local/journal"
)

// formatVersion is the version of what is on disk; FORMAT.md describes it.
// Version 1 had no sequences, and before version 3 there was no log.
const formatVersion = 3

// lockName is the file that is locked by the process that has the directory open.
const lockName = "LOCK"

// lockDir takes the directory for this process.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = objstore.ErrLocked
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// unlockDir gives it back. To close the file alone does not while a child of this
// process has it too, as one has between fork and exec.
func unlockDir(f *os.File) error {
	return errors.Join(unix.Flock(int(f.Fd()), unix.LOCK_UN), f.Close())
}

// checkFormat returns the version of what is there, refuses what a newer caret
// wrote, and marks a new directory.
func (s *Store) checkFormat() (int, error) {
	path := s.formatPath()
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return formatVersion, s.newFormat()
	}
	if err != nil {
		return 0, err
	}
	text, rest, _ := strings.Cut(string(b), "\n")
	v, err := strconv.Atoi(strings.TrimPrefix(text, "caret "))
	if v <= formatVersion && err == nil && rest != "" {
		if s.said.format = parseIDLine(rest); s.said.format == (journal.ID{}) {
			s.log.Warn("what the file of the format version says of the store is damaged, and is made anew", "file", path)
		}
	}
	if err != nil || v < 1 || !strings.HasPrefix(string(b), fmt.Sprintf("caret %d\n", v)) {
		text = strings.TrimSpace(string(b))
		return 0, fmt.Errorf("%w: %s says %q, not a version; if this caret wrote the directory, write %q into it", objstore.ErrCorrupt, path, text, fmt.Sprintf("caret %d", formatVersion))
	}
	if v > formatVersion {
		return 0, fmt.Errorf("%w: it has version %d, this caret reads up to %d; use a newer caret", objstore.ErrNewerFormat, v, formatVersion)
	}
	if v < formatVersion && exists(s.path("log")) && !exists(s.path("rows")) {
		return 0, fmt.Errorf("%w: %s says version %d, but there is a log, as from version 3 on; write %q into it", objstore.ErrCorrupt, path, v, fmt.Sprintf("caret %d", formatVersion))
	}
	return v, nil
}

// newFormat marks a directory that has no mark, unless something is there already.
func (s *Store) newFormat() error {
	switch {
	case exists(s.path("rows")):
		return fmt.Errorf("%w: %s is missing, and there are rows of version 1 or 2; write %q into it", objstore.ErrCorrupt, s.formatPath(), "caret 2")
	case exists(s.path("log")):
		s.log.Warn("the file that says the format version was missing", "file", s.formatPath(), "version", formatVersion)
	case exists(s.path("packs")):
		return fmt.Errorf("%w: there are packs, but neither a log nor %s: restore both", objstore.ErrCorrupt, s.formatPath())
	}
	if exists(s.path("log")) {
		return s.writeFormat(journal.ID{}) // whose it is the log will say
	}
	return s.writeFormat(newID())
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func (s *Store) formatPath() string { return filepath.Join(s.dir, "FORMAT") }

// formatLine is the line of FORMAT that says the version.
func formatLine() string { return fmt.Sprintf("caret %d\n", formatVersion) }

// writeFormat writes the version, and whose directory it is, if that is known.
func (s *Store) writeFormat(id journal.ID) error {
	text := formatLine()
	if id != (journal.ID{}) {
		text += idLine(id)
	}
	if err := s.writeWhole(s.formatPath(), text); err != nil {
		return err
	}
	s.said.format = id
	return nil
}
