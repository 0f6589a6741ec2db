package api

import (
	"context"
	"errors"
	"net/http"

	v1 "caret/api/v1"
	"caret/pfs"
)

// problem is an error as the API tells it.
type problem struct {
	status        int
	code, message string
	hint          string
}

func (p *problem) Error() string { return p.message }

// problems says what each error below is; the first match counts.
var problems = []struct {
	is     error
	status int
	code   string
	hint   string
}{
	{pfs.ErrInvalidName, 400, "invalid_name", ""},
	{pfs.ErrInvalidPath, 400, "invalid_path", ""},
	{pfs.ErrPathTooLong, 400, "invalid_path", ""},
	{pfs.ErrInvalidExpr, 400, "invalid_expression", "write master, HEAD^, HEAD~3, .1, a commit id, or HEAD@2026-11-20T12:00:00Z"},
	{pfs.ErrInvalidArgument, 400, "invalid_argument", ""},
	{pfs.ErrDenied, 403, "access_denied", ""},
	{pfs.ErrNoSuchUser, 404, "no_such_user", "`caret user list` shows what there is"},
	{pfs.ErrNoSuchKey, 404, "no_such_key", "`caret key list` shows what there is"},
	{pfs.ErrUserExists, 409, "user_exists", ""},
	{pfs.ErrNoSuchRepo, 404, "no_such_repo", "`caret repo list` shows what there is"},
	{pfs.ErrNoSuchBranch, 404, "no_such_branch", "`caret branch list` shows what there is"},
	{pfs.ErrNoSuchTag, 404, "no_such_tag", ""},
	{pfs.ErrNoSuchCommit, 404, "no_such_commit", "`caret log` shows what there is"},
	{pfs.ErrNoSuchVersion, 404, "no_such_version", "`caret log` shows what there is"},
	{pfs.ErrNoSuchPath, 404, "no_such_path", "`caret ls` shows what there is"},
	{pfs.ErrNoSuchUpload, 404, "no_such_upload", ""},
	{pfs.ErrAmbiguous, 400, "ambiguous", "give more digits"},
	{pfs.ErrRepoExists, 409, "repo_exists", ""},
	{pfs.ErrBranchExists, 409, "branch_exists", ""},
	{pfs.ErrTagExists, 409, "tag_exists", ""},
	{pfs.ErrNotEmpty, 409, "not_empty", "use --force if that is meant"},
	{pfs.ErrReadOnly, 403, "read_only", "write to a branch, REPO@BRANCH, or to an open commit"},
	{pfs.ErrPrecondition, 412, "precondition_failed", ""},
	{pfs.ErrConflict, 409, "conflict", ""},
	{pfs.ErrInvalidPart, 400, "invalid_part", ""},
	{pfs.ErrPartOrder, 400, "invalid_part", ""},
	{pfs.ErrPartTooSmall, 400, "invalid_part", ""},
	{pfs.ErrNoSpace, 507, "no_space", "free some disk space"},
	{pfs.ErrFailed, 503, "store_failed", "look at the server's log and start it again"},
	{pfs.ErrClosed, 503, "shutting_down", ""},
	{pfs.ErrTooLarge, 400, "too_large", ""},
	{pfs.ErrCorrupt, 500, "corrupt", "look at the server's log"},
}

// advised is an error with what to do about it in its place.
type advised struct {
	error
	hint string
}

func (a *advised) Unwrap() error { return a.error }

// advise adds to a conflict what to do about it.
func advise(err error, hint string) error {
	if conflict := (*pfs.ConflictError)(nil); errors.As(err, &conflict) {
		return &advised{err, hint}
	}
	return err
}

// conceal leaves of a conflict on branch what is said of its own files to those
// who may list them.
func (s *server) conceal(c *call, branch pfs.Ref, err error) error {
	var conflict *pfs.ConflictError
	if !errors.As(err, &conflict) || s.may(c, branch, pfs.ActList) == nil {
		return err
	}
	for i := range conflict.Conflicts {
		conflict.Conflicts[i].Base, conflict.Conflicts[i].Ours = nil, nil
	}
	return err
}

func wireConflict(c pfs.Conflict) v1.Conflict {
	return v1.Conflict{Path: c.Path, Base: side(c.Base), Ours: side(c.Ours), Theirs: side(c.Theirs)}
}

// fail answers with an error, and logs those that are the server's own.
func (s *server) fail(c *call, err error) {
	body := v1.Error{Code: "internal", Message: err.Error()}
	status := http.StatusInternalServerError
	var p *problem
	if errors.As(err, &p) {
		status, body.Code, body.Hint = p.status, p.code, p.hint
	} else {
		for _, row := range problems {
			if errors.Is(err, row.is) {
				status, body.Code, body.Hint = row.status, row.code, row.hint
				break
			}
		}
	}
	if errors.Is(err, context.Canceled) {
		return // there is nobody to tell
	}
	var conflict *pfs.ConflictError
	if errors.As(err, &conflict) {
		body.Message = conflict.Summary()
		for _, x := range conflict.Conflicts {
			body.Paths = append(body.Paths, x.Path)
			body.Conflicts = append(body.Conflicts, wireConflict(x))
		}
	}
	var advised *advised
	if errors.As(err, &advised) {
		body.Hint = advised.hint
	}
	if status >= 500 && status != http.StatusInsufficientStorage && c.Context().Err() == nil {
		s.opts.Log.Error("request failed", "method", c.Method, "path", c.URL.Path, "err", err)
	}
	c.answer(status, body) //nolint:errcheck // the client is gone
}
