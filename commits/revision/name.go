package revision

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// ErrName is wrapped by the errors of CheckName.
var ErrName = errors.New("invalid name")

var validName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_-]*$`)

// MaxName is the length of the longest name, in bytes.
const MaxName = 255

// notInName are the characters that no name has.
var notInName = regexp.MustCompile(`[^a-zA-Z0-9_-]+`)

// Suggest is a name like s, a text that is none, with - for what no name has, such as
// v1-0 for v1.0; "" if that is none either.
func Suggest(s string) string {
	if len(s) > MaxName {
		return ""
	}
	like := strings.Trim(notInName.ReplaceAllString(s, "-"), "-_")
	if CheckName(like) != nil { // which has none of these characters any more
		return ""
	}
	return like
}

// CheckName returns an error that says why s cannot name a repo, branch or tag: it
// is empty or too long, has other characters than a-z A-Z 0-9 _ -, begins with _ or
// -, or would be read as a commit, HEAD, HEAD-N or at-TIME.
func CheckName(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("%w: it is empty", ErrName)
	case len(s) > MaxName:
		return fmt.Errorf("%w %q...: %d characters, at most %d are allowed", ErrName, s[:32], len(s), MaxName)
	case !validName.MatchString(s):
		text := "use letters, digits, _ and -, and begin with a letter or digit"
		if strings.ContainsAny(s, "./") {
			text = "it becomes part of bucket names, in which dots and slashes cannot stand"
		}
		if like := Suggest(s); like != "" {
			text += "; write " + like
		}
		return fmt.Errorf("%w %q: %s", ErrName, s, text)
	}
	lower := strings.ToLower(s)
	id, _, _ := strings.Cut(lower, "-")
	switch {
	case IsID(id):
		return fmt.Errorf("%w %q: it looks like a commit id", ErrName, s)
	case lower == "head", headN.MatchString(lower), atTime.MatchString(lower):
		return fmt.Errorf("%w %q: it has a meaning in version expressions", ErrName, s)
	}
	return nil
}
