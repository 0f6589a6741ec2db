package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	v1 "caret/api/v1"
	"caret/pfs"
)

// Errors of this package, wrapped with what they are about.
var (
	errOperation = errors.New("unknown operation")
	errMethod    = errors.New("unknown method")
	errParameter = errors.New("unknown query parameter")
	errBody      = errors.New("bad body")
	errRange     = errors.New("range not satisfiable")
	errSignature = errors.New("the signature was not accepted")
)

// hinted is an error with what to do about it, where more is known than its
// row among the problems says.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

// problem is an error as the API tells it.
type problem struct {
	is     error
	status int
	code   string // which stays
	hint   string // what to do about it
}

// problems says what each error below is; the first match counts.
var problems = []problem{
	{pfs.ErrUnknownOutcome, 503, "unknown_outcome", "look whether it was done, as with `caret log REPO`, before sending it again"},
	{pfs.ErrBusy, 503, "slow_down", "send it again in a while; `caret serve --memory` gives requests more"},
	{pfs.ErrNoSpace, 507, "no_space", "free some disk space"},
	{pfs.ErrFailed, 503, "store_failed", "the server ends, so that it is started again; its log says why"},
	{pfs.ErrClosed, 503, "shutting_down", "send it again once the server is back"},
	{pfs.ErrTooLarge, 400, "too_large", "do it in several steps that change less each"},
	{pfs.ErrCorrupt, 500, "corrupt", "look at the server's log, which says what is damaged; other versions of the file may be whole"},
	// Behind those of the store, which may fail while it looks for a key.
	{errSignature, 403, "access_denied", "check the access key and the secret key"},

	{pfs.ErrInvalidName, 400, "invalid_name", "begin with a letter or digit, and do not write it like a commit id nor HEAD"},
	{pfs.ErrInvalidPath, 400, "invalid_path", "give the parameter `path`, or the `paths`, as UTF-8 of at least one byte"},
	{pfs.ErrPathTooLong, 400, "invalid_path", "shorten the path to 1024 bytes"},
	{pfs.ErrInvalidExpr, 400, "invalid_expression", "write master, HEAD^, HEAD~3, .1, a commit id, or HEAD@2026-11-20T12:00:00Z"},
	{pfs.ErrInvalidArgument, 400, "invalid_argument", "GET /_caret/v1/openapi.json says what the operation takes"},
	{pfs.ErrKeyGone, 403, "access_denied", "sign with another key: this one was deleted, or its user"},
	{pfs.ErrDenied, 403, "access_denied", "ask the owner of the repo for a grant, or sign with another key"},
	{pfs.ErrNoSuchUser, 404, "no_such_user", "`caret user list` shows what there is"},
	{pfs.ErrNoSuchKey, 404, "no_such_key", "`caret key list` shows what there is"},
	{pfs.ErrUserExists, 409, "user_exists", "choose another name; `caret user list` shows what there is"},
	{pfs.ErrNoSuchRepo, 404, "no_such_repo", "`caret repo list` shows what there is"},
	{pfs.ErrNoSuchBranch, 404, "no_such_branch", "`caret branch list REPO` shows what there is"},
	{pfs.ErrNoSuchTag, 404, "no_such_tag", "`caret tag list REPO` shows what there is"},
	{pfs.ErrNoSuchCommit, 404, "no_such_commit", "`caret branch list REPO`, `caret tag list REPO` and `caret log REPO` show what there is"},
	{pfs.ErrNoSuchVersion, 404, "no_such_version", "`caret log REPO` shows what there is"},
	{pfs.ErrNoSuchPath, 404, "no_such_path", "`caret ls REPO` shows what there is"},
	{pfs.ErrNoSuchUpload, 404, "no_such_upload", "list uploads with S3's ListMultipartUploads, or start another one"},
	{pfs.ErrAmbiguous, 400, "ambiguous", "give more digits"},
	{pfs.ErrRepoExists, 409, "repo_exists", "choose another name, or delete that one with `caret repo delete`"},
	{pfs.ErrBranchExists, 409, "branch_exists", "choose another name, or move that one with `caret branch reset`"},
	{pfs.ErrTagExists, 409, "tag_exists", "tags never move: choose another name, or delete that one with `caret tag delete`"},
	{pfs.ErrNotEmpty, 409, "not_empty", "use --force, or the parameter force=true, if that is meant"},
	{pfs.ErrReadOnly, 403, "read_only", "write to a branch, REPO@BRANCH, or to an open commit"},
	{pfs.ErrPrecondition, 412, "precondition_failed", "`caret log REPO` shows what came meanwhile; then repeat with the head that is there now"},
	{pfs.ErrConflict, 409, "conflict", "`caret log REPO` and `caret commit list REPO --open` show the state that it is in"},
	{pfs.ErrDiverged, 409, "diverged", "`caret branch inspect REPO@BRANCH --history` shows where it was reset"},
	{pfs.ErrInvalidPart, 400, "invalid_part", "upload the part again, and name it with the ETag of the answer"},
	{pfs.ErrPartOrder, 400, "invalid_part", "name the parts in ascending order of their numbers"},
	{pfs.ErrPartTooSmall, 400, "invalid_part", "make all parts but the last at least 5 MiB"},

	{errOperation, 404, "unknown_operation", "GET /_caret/v1/openapi.json lists the operations"},
	{errMethod, 405, "unknown_method", "use one of the methods in the answer's header Allow"},
	{errParameter, 400, "unknown_parameter", "GET /_caret/v1/openapi.json lists the parameters of every operation"},
	{errBody, 400, "bad_body", "send the JSON that GET /_caret/v1/openapi.json describes"},
	{errRange, 416, "invalid_range", "the header Content-Range of the answer says how long the file is"},
	internal,
}

// internal is what no other row is.
var internal = problem{nil, 500, "internal", "look at the server's log"}

// problemOf finds the row of an error.
func problemOf(err error) problem {
	for _, p := range problems {
		if errors.Is(err, p.is) {
			return p
		}
	}
	return internal
}

// advise adds to a conflict what to do about it. The states of the paths are
// for those who may list the branch that was to be written to.
func (c *call) advise(err error, branch pfs.Ref, hint string) error {
	conflict := (*pfs.ConflictError)(nil)
	if !errors.As(err, &conflict) {
		return err
	}
	if _, denied := c.fs.Open(c.Context(), branch, pfs.ActList, ""); denied != nil {
		paths := pfs.ConflictError{What: conflict.What, Total: conflict.Total}
		for _, x := range conflict.Conflicts {
			paths.Conflicts = append(paths.Conflicts, pfs.Conflict{Path: x.Path})
		}
		err = &paths
	}
	return &hinted{err, hint}
}

func wireConflict(c pfs.Conflict) v1.Conflict {
	return v1.Conflict{Path: c.Path, Base: side(c.Base), Ours: side(c.Ours), Theirs: side(c.Theirs)}
}

// fail answers with an error.
func (s *server) fail(c *call, err error) {
	if errors.Is(err, context.Canceled) {
		c.entry.Error, c.entry.Cut = "canceled", true
		return // there is nobody to tell
	}
	status, body := s.describe(c, err)
	if errors.Is(err, pfs.ErrBusy) {
		c.w.Header().Set("Retry-After", "5")
	}
	c.entry.Error = body.Code
	c.answer(status, body) //nolint:errcheck // the client is gone
}

// describe is an error as the API tells it; one that is the server's own is
// logged.
func (s *server) describe(c *call, err error) (status int, body v1.Error) {
	p := problemOf(err)
	body = v1.Error{Code: p.code, Message: err.Error(), Hint: p.hint}
	var h *hinted
	if errors.As(err, &h) {
		body.Hint = h.hint
	}
	if repo := c.PathValue("repo"); repo != "" {
		body.Hint = strings.ReplaceAll(body.Hint, "REPO", repo)
	}
	var missing *pfs.MissingError
	if errors.As(err, &missing) {
		if name := c.meant(missing); name != "" {
			body.Hint = "did you mean " + name + "? " + body.Hint
		}
	}
	var conflict *pfs.ConflictError
	if errors.As(err, &conflict) {
		body.Message = conflict.Summary()
		for _, x := range conflict.Conflicts {
			body.Paths = append(body.Paths, x.Path)
			body.Conflicts = append(body.Conflicts, wireConflict(x))
		}
	}
	if p.status >= 500 && p.status != http.StatusInsufficientStorage && !errors.Is(err, pfs.ErrClosed) && !errors.Is(err, pfs.ErrBusy) && c.Context().Err() == nil {
		s.opts.Log.Error("request failed", "method", c.Method, "path", c.URL.Path, "err", err)
	}
	return p.status, body
}
