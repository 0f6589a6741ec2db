package archive

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const maxPath = 1024 // bytes, as many as a path of caret may have

// path makes a path of a member's name. Inside it stays as it is: a//b and
// a/./b are paths of their own.
func (r *Reader) path(name string) (string, error) {
	if r.opts.Relative && strings.HasPrefix(name, "/") {
		return "", fmt.Errorf("%w: %.200q is absolute", ErrPath, name)
	}
	rest := clean(name)
	if rest == "" || rest == "." {
		return "", fmt.Errorf("%w: %.200q is empty", ErrPath, name)
	}
	if err := check(rest); err != nil {
		return "", err
	}
	path := r.opts.Prefix + rest
	return path, check(path) // as .. may come about where they meet
}

// clean takes off what a path may begin with and still mean the same.
func clean(name string) string {
	for {
		rest := strings.TrimPrefix(strings.TrimLeft(name, "/"), "./")
		if rest == name {
			return rest
		}
		name = rest
	}
}

// check says why path cannot be one.
func check(path string) error {
	switch {
	case len(path) > maxPath:
		return fmt.Errorf("%w: %.200q has %d bytes, at most %d are allowed", ErrPath, path, len(path), maxPath)
	case !utf8.ValidString(path):
		return fmt.Errorf("%w: %.200q is not UTF-8", ErrPath, path)
	case strings.Contains(path, "\x00"):
		return fmt.Errorf("%w: %.200q has a NUL", ErrPath, path)
	case slices.Contains(strings.Split(path, "/"), ".."):
		return fmt.Errorf("%w: %.200q has .. as a component", ErrPath, path)
	}
	return nil
}
