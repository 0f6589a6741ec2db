package main

import (
	"cmp"
	"fmt"
	"strings"

	"caret/commits/revision"
)

// target is REPO[@EXPR][:PATH], as the command line names things.
type target struct {
	Repo string
	Expr string // "" is the default branch
	Path string
	// HasPath says that there was a colon.
	HasPath bool
}

// parseTarget reads a target. EXPR may hold times with colons, so the path
// begins behind the first colon that does not belong to a time.
func parseTarget(s string) (target, error) {
	if strings.HasPrefix(s, "s3://") { // no repo of that name is meant
		return target{}, notTarget(s, usagef("%q is no bucket", s))
	}
	head, path, hasPath := s, "", false
	for i := 0; i < len(s); i++ {
		if s[i] != ':' {
			continue
		}
		if checkTarget(s[:i]) == nil {
			head, path, hasPath = s[:i], s[i+1:], true
			break
		}
	}
	if err := checkTarget(head); err != nil {
		return target{}, notTarget(s, err)
	}
	t := target{Path: path, HasPath: hasPath}
	t.Repo, t.Expr, _ = strings.Cut(head, "@")
	return t, nil
}

// checkTarget says why s is not REPO[@EXPR].
func checkTarget(s string) error {
	repo, expr, has := strings.Cut(s, "@")
	if err := revision.CheckName(repo); err != nil {
		return usagef("%q is not REPO@EXPR:PATH: %v", s, err)
	}
	if has && expr == "" {
		return usagef("%q has nothing behind the @; write %s@master or %s", s, repo, repo)
	}
	if _, err := revision.Parse(expr); err != nil {
		name, _, _ := strings.Cut(expr, ":")
		if revision.Suggest(name) != "" && strings.Contains(name, "/") && !strings.ContainsAny(name, "^~@") {
			return usagef("%v", revision.CheckName(name))
		}
		return usagef("%v", err)
	}
	return nil
}

// checkExpr says why s, the value of what name says, is no EXPR.
func checkExpr(name, s string) error {
	_, err := revision.Parse(s)
	if err == nil {
		return nil
	}
	if t, bad := parseTarget(s); bad == nil && t.Expr != "" && !t.HasPath {
		return usagef("%s: the repo is known; write %s", name, t.Expr)
	}
	return usagef("%s: %v", name, err)
}

// String is the target as parseTarget reads it.
func (t target) String() string {
	s := t.Repo
	if t.Expr != "" {
		s += "@" + t.Expr
	}
	if t.HasPath {
		s += ":" + t.Path
	}
	return s
}

// repoTarget reads a target that must be a repo alone.
func repoTarget(s string) (string, error) {
	t, err := parseTarget(s)
	bucket, isBucket := bucketTarget(s)
	if isBucket {
		t = bucket
	}
	if isBucket || err == nil && (t.Expr != "" || t.HasPath) {
		err = usagef("%q: a repo's name is expected; write %s", s, t.Repo)
	}
	return t.Repo, err
}

// newRepoTarget reads the name of a repo that is to be made, for which a dot is no
// bucket's.
func newRepoTarget(s string) (string, error) {
	if strings.ContainsAny(s, "./") && !strings.ContainsAny(s, "@:") {
		text := revision.CheckName(s).Error()
		if t, ok := bucketTarget(s); ok {
			text += ", or " + t.Repo + " if that is a bucket of it"
		}
		return "", usagef("%s", text)
	}
	return repoTarget(s)
}

// branchTarget reads REPO@BRANCH, or another name; usage says which.
func branchTarget(s, usage string) (repo, branch string, err error) {
	if _, name, ok := strings.Cut(s, "@"); ok && strings.Contains(name, "/") && !strings.Contains(name, ":") {
		return "", "", usagef("%v", revision.CheckName(name))
	}
	t, err := parseTarget(s)
	if err != nil {
		return "", "", err
	}
	if t.Expr == "" || t.HasPath {
		_, what, _ := strings.Cut(usage, "@")
		text := fmt.Sprintf("%q: %s is expected; write %s@%s", s, usage, t.Repo, cmp.Or(t.Path, what))
		if !t.HasPath {
			text += ", or REPO@" + s
		}
		return "", "", usagef("%s", text)
	}
	if err := revision.CheckName(t.Expr); err != nil {
		return "", "", usagef("%v", err)
	}
	return t.Repo, t.Expr, nil
}
