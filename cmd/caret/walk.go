package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// What --links says is to be done with symbolic links.
const (
	linksFail   = "fail"
	linksSkip   = "skip"
	linksFollow = "follow"
)

// walk finds the files of a folder.
type walk struct {
	root   string // with all links on the way to it followed
	prefix string // of the paths that files get
	filter filter
	links  string
	above  []fs.FileInfo // the folders that the walk is in

	files  []localFile
	bad    []error  // why others cannot be stored
	linked []string // names of links that are skipped
	parts  int      // downloads under way that are passed over
}

// find lists the files of the folder. What cannot be stored as it is is an
// error, so that nothing is left out in silence.
func (u *upload) find() (*walk, error) {
	info, err := os.Stat(u.source)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, usagef("%s is not a folder; leave -r out", u.source)
	}
	w := walk{prefix: asFolder(u.to.Path), filter: u.filter, links: u.links}
	if w.root, err = filepath.EvalSymlinks(u.source); err != nil {
		return nil, err
	}
	w.folder("", info)
	if len(w.bad) > 0 {
		err = fmt.Errorf("nothing was stored, because of %s that cannot be:\n%w", count(len(w.bad), "file"), some(w.bad))
		return nil, &hinted{err, "--exclude PATTERN leaves files out, --links follow or skip deals with symbolic links"}
	}
	return &w, nil
}

// folder finds the files of the folder called name.
func (w *walk) folder(name string, info fs.FileInfo) {
	w.above = append(w.above, info)
	defer func() { w.above = w.above[:len(w.above)-1] }()
	list, err := os.ReadDir(filepath.Join(w.root, name))
	if err != nil {
		w.bad = append(w.bad, err)
		return
	}
	for _, d := range list {
		w.entry(path.Join(name, d.Name()), d)
	}
}

// entry deals with one name in a folder.
func (w *walk) entry(name string, d fs.DirEntry) {
	link := d.Type()&fs.ModeSymlink != 0
	file := filepath.Join(w.root, name)
	var info fs.FileInfo
	var err error
	if link && w.links == linksFollow {
		info, err = os.Stat(file)
	} else {
		info, err = d.Info()
	}
	switch {
	case err == nil && info.IsDir() && reserved(d.Name()):
		if !w.filter.passes(name) {
			w.bad = append(w.bad, fmt.Errorf("%q is a folder, and has a name that get keeps for itself", file))
		}
	case d.Name() == manifestName:
	case err == nil && info.IsDir():
		w.below(name, file, info)
	case isPart(d.Name()):
		w.parts++
	case !w.filter.takes(name):
	case link && w.links == linksSkip:
		w.linked = append(w.linked, name)
	default:
		if err == nil {
			err = storable(name, info, file)
		}
		if err != nil {
			w.bad = append(w.bad, fmt.Errorf("%q %w", file, err))
			return
		}
		w.files = append(w.files, localFile{file: file, name: name, path: w.prefix + name, size: info.Size(), linked: w.links == linksFollow})
	}
}

// below goes into a folder, unless no file in it is meant.
func (w *walk) below(name, file string, info fs.FileInfo) {
	if w.filter.passes(name) {
		return
	}
	for _, above := range w.above {
		if os.SameFile(above, info) {
			w.bad = append(w.bad, fmt.Errorf("%q leads back to a folder that it is in", file))
			return
		}
	}
	w.folder(name, info)
}

// storable says why a file cannot be stored.
func storable(name string, info fs.FileInfo, file string) error {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return errors.New("is a symbolic link")
	case !info.Mode().IsRegular():
		return errors.New("is not a regular file")
	case !utf8.ValidString(name):
		return errors.New("has a name that is not UTF-8")
	}
	if err := unix.Access(file, unix.R_OK); err != nil {
		return fmt.Errorf("cannot be read: %w", err)
	}
	return nil
}

// remarks says what was passed over.
func (w *walk) remarks(p process) {
	if n := len(w.linked); n > 0 {
		fmt.Fprintf(p.stderr, "left out %s\n", count(n, "symbolic link"))
	}
	if w.parts > 0 {
		fmt.Fprintf(p.stderr, "left out %s\n", count(w.parts, "download under way", "downloads under way"))
	}
}

// spares says whether a path of the store, below the prefix, was left out of
// the walk, so that nothing is known of it.
func (w *walk) spares(name string) bool {
	for _, link := range w.linked {
		if name == link || strings.HasPrefix(name, link+"/") {
			return true
		}
	}
	return !w.filter.takes(name)
}
