package local

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"caret/objstore"
)

// formatVersion is the version of what is on disk; FORMAT.md describes it.
// Version 1 had no sequences.
const formatVersion = 2

// lockDir takes the directory for this process.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "LOCK"), os.O_RDWR|os.O_CREATE, 0o600)
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

// checkFormat refuses what a newer caret wrote, marks a new directory, and
// says whether one of an older version is to be marked once it is open.
func (s *Store) checkFormat() (older bool, err error) {
	path := s.formatPath()
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, s.writeFormat()
	}
	if err != nil {
		return false, err
	}
	text := strings.TrimSpace(string(b))
	v, err := strconv.Atoi(strings.TrimPrefix(text, "caret "))
	if err != nil || v < 1 {
		return false, fmt.Errorf("%w: %s says %q, not a version", objstore.ErrCorrupt, path, text)
	}
	if v > formatVersion {
		return false, fmt.Errorf("%w: it has version %d, this caret reads up to %d; use a newer caret", objstore.ErrNewerFormat, v, formatVersion)
	}
	return v < formatVersion, nil
}

func (s *Store) formatPath() string { return filepath.Join(s.dir, "FORMAT") }

// writeFormat writes the version, whole and durable or not at all.
func (s *Store) writeFormat() error {
	if err := s.fault("format.write"); err != nil {
		return err
	}
	f, err := os.CreateTemp(s.dir, "FORMAT-*")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "caret %d\n", formatVersion)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), s.formatPath()); err != nil {
		return err
	}
	return syncDir(s.dir)
}

// quarantine moves files of badger aside that a crash at the wrong moment
// left empty: badger would refuse to open for ever, and they hold nothing.
func quarantine(rows, aside string, log *slog.Logger) error {
	entries, err := os.ReadDir(rows)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext != ".mem" && ext != ".vlog" {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.Size() > 0 {
			continue
		}
		if err := os.MkdirAll(aside, 0o700); err != nil {
			return err
		}
		log.Warn("moved an empty file aside", "file", filepath.Join(rows, e.Name()), "to", aside)
		if err := os.Rename(filepath.Join(rows, e.Name()), filepath.Join(aside, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
