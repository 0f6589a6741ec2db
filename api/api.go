package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"caret/api/v1"
	"caret/commits"
	"caret/objstore"
	"caret/pfs"
)

// Caller is who made a request, and its verified body.
type Caller struct {
	Name string
	Body io.Reader
	// Length is that of the body in bytes, -1 if it is not known.
	Length int64
}

// Options configure the API.
type Options struct {
	// Authenticate finds out who made a request; an error is answered with
	// 403 and its text.
	Authenticate func(*http.Request) (Caller, error)
	Log          *slog.Logger
}

type server struct {
	fs   *pfs.FS
	opts Options
}

// New returns a handler for all paths under v1.Prefix.
func New(fs *pfs.FS, opts Options) http.Handler {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	s := &server{fs: fs, opts: opts}
	mux := http.NewServeMux()
	for pattern, h := range map[string]handler{
		"GET repos":                              s.listRepos,
		"POST repos":                             s.createRepo,
		"GET repos/{repo}":                       s.inspectRepo,
		"DELETE repos/{repo}":                    s.deleteRepo,
		"GET repos/{repo}/branches":              s.listBranches,
		"POST repos/{repo}/branches":             s.createBranch,
		"GET repos/{repo}/branches/{branch}":     s.inspectBranch,
		"DELETE repos/{repo}/branches/{branch}":  s.deleteBranch,
		"GET repos/{repo}/resolve":               s.resolve,
		"GET repos/{repo}/commits":               s.log,
		"POST repos/{repo}/commits":              s.startCommit,
		"GET repos/{repo}/commits/{ref}":         s.inspectCommit,
		"GET repos/{repo}/commits/{ref}/changes": s.changes,
		"POST repos/{repo}/commits/{ref}/finish": s.finishCommit,
		"DELETE repos/{repo}/commits/{ref}":      s.abortCommit,
		"GET repos/{repo}/open":                  s.listOpen,
		"GET repos/{repo}/files":                 s.listFiles,
		"GET repos/{repo}/stat":                  s.statFile,
		"GET repos/{repo}/file":                  s.getFile,
		"PUT repos/{repo}/file":                  s.putFile,
		"POST repos/{repo}/delete":               s.deleteFiles,
	} {
		method, path, _ := strings.Cut(pattern, " ")
		mux.Handle(method+" "+v1.Prefix+path, s.serve(h))
	}
	mux.Handle("/", s.serve(func(*call) error {
		return &problem{http.StatusNotFound, "not_found", "the API has nothing there", ""}
	}))
	return mux
}

// call is a request under way.
type call struct {
	*http.Request
	w      http.ResponseWriter
	caller Caller
}

type handler func(*call) error

func (s *server) serve(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{Request: r, w: w}
		var err error
		if c.caller, err = s.opts.Authenticate(r); err != nil {
			err = &problem{http.StatusForbidden, "access_denied", err.Error(), "check the access key and the secret key"}
		} else {
			err = h(c)
		}
		if err != nil {
			s.fail(c, err)
		}
	})
}

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
	{pfs.ErrReadOnly, 409, "read_only", ""},
	{pfs.ErrPrecondition, 409, "precondition_failed", ""},
	{pfs.ErrConflict, 409, "conflict", "finish with --strategy ours or theirs, or abort"},
	{pfs.ErrInvalidPart, 400, "invalid_part", ""},
	{pfs.ErrPartOrder, 400, "invalid_part", ""},
	{pfs.ErrPartTooSmall, 400, "invalid_part", ""},
	{objstore.ErrNoSpace, 507, "no_space", "free some disk space"},
	{objstore.ErrFailed, 503, "store_failed", "look at the server's log and start it again"},
	{objstore.ErrClosed, 503, "shutting_down", ""},
	{objstore.ErrTooLarge, 400, "too_large", ""},
	{objstore.ErrCorrupt, 500, "corrupt", "look at the server's log"},
}

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
	var conflict *pfs.ConflictError
	if errors.As(err, &conflict) {
		body.Paths = conflict.Paths
	}
	if status >= 500 && c.Context().Err() == nil {
		s.opts.Log.Error("request failed", "method", c.Method, "path", c.URL.Path, "err", err)
	}
	c.answer(status, body) //nolint:errcheck // the client is gone
}

func (c *call) answer(status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(status)
	c.w.Write(append(b, '\n')) //nolint:errcheck // the client is gone
	return nil
}

func (c *call) ok(v any) error { return c.answer(http.StatusOK, v) }

// maxJSON is the largest JSON body that is read, in bytes.
const maxJSON = 8 << 20

func (c *call) read(v any) error {
	b, err := io.ReadAll(io.LimitReader(c.caller.Body, maxJSON+1))
	if err != nil {
		return &problem{http.StatusBadRequest, "bad_body", err.Error(), ""}
	}
	if len(b) > maxJSON {
		return &problem{http.StatusBadRequest, "bad_body", fmt.Sprintf("the body is larger than %d bytes", maxJSON), ""}
	}
	if err := json.Unmarshal(b, v); err != nil {
		return &problem{http.StatusBadRequest, "bad_body", "the body is not the JSON that is expected: " + err.Error(), ""}
	}
	return nil
}

// maxPage is the default and the ceiling of a page.
const maxPage = 1000

// page reads after and limit.
func (c *call) page() (after string, limit int, err error) {
	limit = maxPage
	if s := c.URL.Query().Get("limit"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 {
			return "", 0, fmt.Errorf("%w: limit %q", pfs.ErrInvalidArgument, s)
		}
	}
	return c.URL.Query().Get("after"), min(limit, maxPage), nil
}

// ref reads the state that a request is about.
func (c *call) ref(expr string) (pfs.Ref, error) {
	x, err := commits.ParseExpr(expr)
	if err != nil {
		return pfs.Ref{}, fmt.Errorf("%w: %w", pfs.ErrInvalidExpr, err)
	}
	return pfs.Ref{Repo: c.PathValue("repo"), Base: x}, nil
}

// snapshot resolves the ref in the query.
func (s *server) snapshot(c *call) (*pfs.Snapshot, error) {
	ref, err := c.ref(c.URL.Query().Get("ref"))
	if err != nil {
		return nil, err
	}
	return s.fs.Resolve(c.Context(), ref)
}

// options are those of a write.
func (c *call) options(message string) pfs.WriteOptions {
	return pfs.WriteOptions{Author: c.caller.Name, Message: message, IfHead: c.URL.Query().Get("if_head")}
}
