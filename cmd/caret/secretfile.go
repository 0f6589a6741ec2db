package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
)

// leftover are names of files with secrets that a caret was killed over: what writeSecret
// writes to, and what it wrote to once.
var leftover = regexp.MustCompile(`^(root-key\.json|master-key)(\.new|-[0-9]+)$`)

// dropLeftovers removes such files from a data directory that is locked for this
// process, as nobody else would ever.
func dropLeftovers(dir string, log *slog.Logger) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !leftover.MatchString(e.Name()) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("remove what was left of writing a key: %w", err)
		}
		log.Info("removed what was left of writing a key", "file", path)
	}
	return nil
}

// writeSecret writes a file whole and durable, for the owner's eyes alone, and never
// over another. The directory is locked for this process. A kill leaves one copy at
// most, under a name that dropLeftovers knows.
func writeSecret(path string, b []byte) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("write %s: %w", path, fs.ErrExist)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
