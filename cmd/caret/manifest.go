package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// manifestName is the file at the top of a folder that says what was fetched
// into it. It is lines of JSON: one that says what it is, and one for each
// state of a file that the store has had there. A file whose content is one of
// these holds nobody's work, and may be replaced or deleted.
const manifestName = ".caret-checkout"

// manifest are the contents that the files of a folder, by their names, came with.
type manifest map[string][]content

// content is what a file holds.
type content struct {
	Hash string `json:"hash"` // BLAKE3
	Size int64  `json:"size"`
}

type manifestLine struct {
	Path string `json:"path"`
	content
}

// manifestHead is the first line.
type manifestHead struct {
	Version int `json:"caret_checkout"`
}

const manifestVersion = 1

// maxLine is how long a line may be in bytes: a path of 1024 whose every byte is escaped.
const maxLine = 16 << 10

var errManifest = errors.New(manifestName + " is damaged")

// readManifest reads that of a folder; an empty one if there is none. A line
// that is damaged is left out: its file then counts as changed. The error is
// of a kind that leaves what could be read.
func readManifest(root *os.Root) (manifest, error) {
	m := make(manifest)
	switch info, err := root.Lstat(manifestName); {
	case errors.Is(err, fs.ErrNotExist):
		return m, nil
	case err != nil:
		return m, err
	case info.IsDir(): // which cannot be replaced
		return m, fmt.Errorf("%s %w: it is a folder", manifestName, errInTheWay)
	case !info.Mode().IsRegular():
		return m, fmt.Errorf("%w: it is not a regular file", errManifest)
	}
	f, err := root.OpenFile(manifestName, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return m, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxLine)
	var head manifestHead
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &head) != nil || head.Version != manifestVersion {
		return m, errManifest
	}
	for lines.Scan() {
		var l manifestLine
		if json.Unmarshal(lines.Bytes(), &l) != nil || misfit(l.Path) != "" || !isHash(l.Hash) {
			err = errManifest
			continue
		}
		m.add(l.Path, l.content)
	}
	if lines.Err() != nil {
		err = errManifest
	}
	return m, err
}

func (m manifest) add(name string, c content) {
	if !slices.Contains(m[name], c) {
		m[name] = append(slices.Clip(m[name]), c)
	}
}

// mayHold says whether a file of so many bytes can be as it came.
func (m manifest) mayHold(name string, size int64) bool {
	return slices.ContainsFunc(m[name], func(c content) bool { return c.Size == size })
}

// updateManifest changes the manifest of a folder, which others may be changing too.
func updateManifest(ctx context.Context, root *os.Root, change func(manifest)) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close() // and with it goes the lock
	if err := waitFor(ctx, dir); err != nil {
		return err
	}
	m, err := readManifest(root)
	if err != nil && !errors.Is(err, errManifest) { // what is damaged has been said, and is replaced
		return err
	}
	before := maps.Clone(m)
	change(m)
	if err == nil && maps.EqualFunc(before, m, slices.Equal) {
		return nil
	}
	temp := partName(manifestName, noBytes)
	root.Remove(temp) //nolint:errcheck // who holds the lock is alone, so it was left behind
	out, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	if err = errors.Join(m.write(out), out.Sync(), out.Close()); err == nil {
		err = root.Rename(temp, manifestName)
	}
	if err != nil {
		root.Remove(temp) //nolint:errcheck // the first error tells more
	}
	return err
}

func (m manifest) write(to io.Writer) error {
	w := bufio.NewWriter(to)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(manifestHead{manifestVersion}); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		for _, c := range m[name] {
			if err := e.Encode(manifestLine{name, c}); err != nil {
				return err
			}
		}
	}
	return w.Flush()
}
