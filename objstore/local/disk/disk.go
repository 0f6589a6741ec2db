// Package disk is what all who write files of a store need of the system.
package disk

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"caret/objstore"
)

// SyncDir makes the names in a directory durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// NoSpace lets a full disk be recognized: an error that says so wraps
// objstore.ErrNoSpace too. Others, and nil, stay what they are.
func NoSpace(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: %w", objstore.ErrNoSpace, err)
	}
	return err
}
