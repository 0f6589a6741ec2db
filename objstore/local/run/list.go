package run

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"caret/objstore"
)

// Damaged is a file that should be a run and cannot be read.
type Damaged struct {
	Path string
	Err  error
}

// List finds the runs in dir, sorted by From, then To; those whose name, header
// or footer is damaged; and the files that Writers left when they were stopped,
// which the caller may remove while nobody writes. Rows are not read. Files whose
// names do not begin with "run-" are none of its business.
func List(dir string) (runs []Info, leftovers []string, damaged []Damaged, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "run-") {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if strings.HasSuffix(e.Name(), tempSuffix) {
			leftovers = append(leftovers, path)
			continue
		}
		info, err := stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil && !errors.Is(err, objstore.ErrCorrupt) && !errors.Is(err, unix.EIO) {
			return nil, nil, nil, err // it says nothing of the file: too few descriptors, no right to read
		}
		if err != nil {
			damaged = append(damaged, Damaged{path, err})
			continue
		}
		runs = append(runs, info)
	}
	slices.SortFunc(runs, func(a, b Info) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	return runs, leftovers, damaged, nil
}

// stat is the Info of the run at path.
func stat(path string) (Info, error) {
	s, err := os.Lstat(path)
	if err != nil {
		return Info{}, err
	}
	if _, _, ok := parseName(filepath.Base(path)); !ok || !s.Mode().IsRegular() {
		return Info{}, fmt.Errorf("%w: %s is not the name of a run, or no file", objstore.ErrCorrupt, path)
	}
	r, err := Open(path)
	if err != nil {
		return Info{}, err
	}
	return r.Info(), r.Close()
}
