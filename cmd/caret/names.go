package main

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/zeebo/blake3"

	"caret/api/v1"
)

// maxName is how many bytes a name in a folder may have.
const maxName = 255

// misfit says why no folder can hold a file called name, a path below it; "" if one can.
func misfit(name string) string {
	switch {
	case name == "":
		return "its name is empty"
	case strings.ContainsRune(name, 0):
		return "it has a NUL"
	case strings.HasPrefix(name, "/"):
		return "it begins with a slash"
	case strings.HasSuffix(name, "/"):
		return "it ends in a slash"
	}
	for elem := range strings.SplitSeq(name, "/") {
		switch {
		case elem == "":
			return "it has two slashes in a row"
		case elem == "." || elem == "..":
			return "it has " + elem + " between slashes"
		case len(elem) > maxName:
			return fmt.Sprintf("it has %d bytes between slashes, and a folder takes names of %d", len(elem), maxName)
		case reserved(elem):
			return elem + " is a name that get keeps for itself"
		}
	}
	return ""
}

// isFolder says whether f stands for a folder and holds nothing: as the tools
// of S3 make them, it is empty, and its path ends in a slash.
func isFolder(f v1.File, name string) bool {
	return f.Size == 0 && (name == "" || strings.HasSuffix(name, "/") && misfit(strings.TrimSuffix(name, "/")) == "")
}

// fitting refuses paths that no folder can hold: who is to write one all the
// same says --force. A prefix may end in a slash.
func fitting(p string, force bool) error {
	if why := misfit(strings.TrimSuffix(p, "/")); why != "" && p != "" && !force {
		return &hinted{usagef("%q: no folder could hold that: %s", p, why), "--force stores it all the same"}
	}
	return nil
}

// reserved says whether get has files of this name beside those that it fetches.
func reserved(name string) bool { return name == manifestName || isPart(name) }

// parts are the names of what is on its way; those of earlier versions too.
var parts = regexp.MustCompile(`^\.(caret-part-.*|.*\.[0-9a-f]{16}\.caret-part)$`)

func isPart(name string) bool { return parts.MatchString(name) }

// partPrefix begins the names of what is fetched of the file called name.
func partPrefix(name string) string {
	const room = maxName - len("..") - partEnd
	if name = path.Base(name); len(name) > room {
		name = strings.ToValidUTF8(name[:room], "")
	}
	return "." + name + "."
}

// partEnd is how many bytes follow the prefix in a partName.
const partEnd = len("0123456789abcdef.caret-part")

// partName is what a file is called as long as it is on its way; hash is of its content.
func partName(name, hash string) string {
	return path.Join(path.Dir(name), partPrefix(name)+hash[:16]+".caret-part")
}

// checkListed says why what a server lists cannot be true.
func checkListed(f v1.File, prefix, before string) error {
	switch {
	case !strings.HasPrefix(f.Path, prefix):
		return fmt.Errorf("the server lists %q, which is not under %q", f.Path, prefix)
	case f.Path <= before && before != "":
		return fmt.Errorf("the server lists %q behind %q, which is no order", f.Path, before)
	}
	return checkFile(f)
}

var isHash = regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString

// checkFile says why a file cannot be as a server says.
func checkFile(f v1.File) error {
	switch {
	case f.Size < 0:
		return fmt.Errorf("the server says that %q has %d bytes", f.Path, f.Size)
	case !isHash(f.Hash) || f.Size == 0 && f.Hash != noBytes:
		return fmt.Errorf("the server says that %q has the BLAKE3 hash %q, which is none", f.Path, f.Hash)
	}
	return nil
}

// noBytes is the hash of an empty file.
var noBytes = fmt.Sprintf("%x", blake3.Sum256(nil))

// both are the names among files, by their names, that are folders as well,
// because others are below them.
func both(names []string) map[string]bool {
	files, clash := make(map[string]bool, len(names)), make(map[string]bool)
	for _, name := range names {
		files[name] = true
	}
	for _, name := range names {
		for dir := path.Dir(name); dir != "." && dir != "/"; dir = path.Dir(dir) {
			if files[dir] {
				clash[dir] = true
			}
		}
	}
	return clash
}

// some is the first few of many errors, a line each.
func some(errs []error) error {
	const few = 10
	if len(errs) <= few {
		return errors.Join(errs...)
	}
	return errors.Join(errors.Join(errs[:few]...), fmt.Errorf("and %d more", len(errs)-few))
}
