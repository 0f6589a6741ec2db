package main

import (
	"errors"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/urfave/cli/v2"
)

// filter says which files of a folder are meant. Its rules are tried in the
// order that they were given in, and the first that fits decides. What none
// fits is the opposite of what the last one says.
type filter []rule

// rule is one pattern.
type rule struct {
	include  bool
	pattern  string
	folder   bool // it fits folders alone
	anchored bool // it fits from the top on, and not names anywhere
}

// filterHelp is what the help of commands with filters says of them.
const filterHelp = "\n\n" +
	"--exclude and --include may be given many times: of each file the first\n" +
	"that fits decides, and what none fits is left out if the last is an\n" +
	"--include. A pattern is as in .gitignore: * ? [a-z] {a,b}, and ** for any\n" +
	"folders. Without a slash in it, it fits names at any depth, else the path\n" +
	"from the top on; with one at its end, folders alone. What fits a folder\n" +
	"fits all in it. What is left out is not deleted by --delete."

// filterFlags are the flags that fill f.
func filterFlags(f *filter) []cli.Flag {
	return []cli.Flag{
		&cli.GenericFlag{Name: "exclude", Usage: "leave out what fits `PATTERN`", Value: &ruleFlag{f, false}},
		&cli.GenericFlag{Name: "include", Usage: "take what fits `PATTERN`", Value: &ruleFlag{f, true}},
	}
}

// ruleFlag adds rules to a filter, which has those of both flags in one order.
type ruleFlag struct {
	to      *filter
	include bool
}

// String implements flag.Value.
func (*ruleFlag) String() string { return "" }

// Set implements flag.Value.
func (r *ruleFlag) Set(pattern string) error {
	x, err := parseRule(pattern, r.include)
	if err == nil {
		*r.to = append(*r.to, x)
	}
	return err
}

func parseRule(s string, include bool) (rule, error) {
	r := rule{include: include, pattern: s}
	r.pattern, r.folder = strings.CutSuffix(r.pattern, "/")
	r.anchored = strings.Contains(r.pattern, "/")
	r.pattern = strings.TrimPrefix(r.pattern, "/")
	switch {
	case r.pattern == "":
		return r, errors.New("the pattern is empty")
	case !doublestar.ValidatePattern(r.pattern):
		return r, errors.New("it is no pattern; * ? [a-z] {a,b} ** and \\ in front of such a character are known")
	}
	return r, nil
}

// fits says whether the rule fits the file or folder at a path itself.
func (r *rule) fits(name string, folder bool) bool {
	if r.folder && !folder {
		return false
	}
	if !r.anchored {
		_, name = lastSlash(name)
	}
	return doublestar.MatchUnvalidated(r.pattern, name)
}

// fitsIn says whether the rule fits a file or a folder that it is in.
func (r *rule) fitsIn(name string) bool {
	if r.fits(name, false) {
		return true
	}
	for dir, _ := lastSlash(name); dir != ""; dir, _ = lastSlash(dir) {
		if r.fits(dir, true) {
			return true
		}
	}
	return false
}

// lastSlash parts a path at its last slash, whatever is between the others: what is
// odd in it stays.
func lastSlash(name string) (dir, base string) {
	i := strings.LastIndexByte(name, '/')
	return name[:max(i, 0)], name[i+1:]
}

// takes says whether the file called name, a path below the folder, is meant.
func (f filter) takes(name string) bool {
	for i := range f {
		if f[i].fitsIn(name) {
			return f[i].include
		}
	}
	return len(f) == 0 || !f[len(f)-1].include
}

// passes says whether no file in the folder called name can be meant.
func (f filter) passes(name string) bool {
	for i := range f {
		if f[i].include {
			return false
		}
		if f[i].fits(name, true) {
			return true
		}
	}
	return false
}
