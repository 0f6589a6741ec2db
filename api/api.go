package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	v1 "caret/api/v1"
	"caret/pfs"
)

// Caller is who made a request, and its verified body.
type Caller struct {
	pfs.Caller
	Body io.ReadCloser
	// Length is that of the body in bytes, -1 if it is not known.
	Length int64
	// Again finds out who that is by now, for answers that take long; nil
	// stands for one who stays the same.
	Again func(context.Context) (pfs.Caller, error)
}

// Options configure the API.
type Options struct {
	// Authenticate finds out who made a request; an error is answered with
	// 403 and its text.
	Authenticate func(*http.Request) (Caller, error)
	// MD5 keeps the MD5 of files too, for a server whose S3 shows it.
	MD5 bool
	Log *slog.Logger
	// Ticker makes a channel that ticks, and stops it; time's if nil.
	Ticker func(time.Duration) (tick <-chan time.Time, stop func())
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
	if opts.Ticker == nil {
		opts.Ticker = newTicker
	}
	s := &server{fs: fs, opts: opts}
	mux := http.NewServeMux()
	for pattern, h := range map[string]handler{
		"GET repos":                                   s.listRepos,
		"POST repos":                                  s.createRepo,
		"GET repos/{repo}":                            s.inspectRepo,
		"DELETE repos/{repo}":                         s.deleteRepo,
		"GET repos/{repo}/branches":                   s.listBranches,
		"POST repos/{repo}/branches":                  s.createBranch,
		"GET repos/{repo}/branches/{branch}":          s.inspectBranch,
		"DELETE repos/{repo}/branches/{branch}":       s.deleteBranch,
		"POST repos/{repo}/branches/{branch}/reset":   s.resetBranch,
		"POST repos/{repo}/branches/{branch}/protect": s.protectBranch,
		"POST repos/{repo}/branches/{branch}/restore": s.restoreBranch,
		"GET repos/{repo}/branches/{branch}/moves":    s.listMoves,
		"GET repos/{repo}/branches/{branch}/events":   s.watch,
		"GET repos/{repo}/tags":                       s.listTags,
		"POST repos/{repo}/tags":                      s.createTag,
		"GET repos/{repo}/tags/{tag}":                 s.inspectTag,
		"DELETE repos/{repo}/tags/{tag}":              s.deleteTag,
		"POST repos/{repo}/merge":                     s.merge,
		"POST repos/{repo}/revert":                    s.revert,
		"POST repos/{repo}/restore":                   s.restoreFiles,
		"GET repos/{repo}/diff":                       s.diff,
		"GET repos/{repo}/resolve":                    s.resolve,
		"GET repos/{repo}/commits":                    s.log,
		"POST repos/{repo}/commits":                   s.startCommit,
		"GET repos/{repo}/commits/{ref}":              s.inspectCommit,
		"GET repos/{repo}/commits/{ref}/changes":      s.changes,
		"POST repos/{repo}/commits/{ref}/finish":      s.finishCommit,
		"DELETE repos/{repo}/commits/{ref}":           s.abortCommit,
		"GET repos/{repo}/open":                       s.listOpen,
		"GET repos/{repo}/files":                      s.listFiles,
		"GET repos/{repo}/stat":                       s.statFile,
		"GET repos/{repo}/file":                       s.getFile,
		"PUT repos/{repo}/file":                       s.putFile,
		"POST repos/{repo}/delete":                    s.deleteFiles,
		"POST repos/{repo}/copy":                      s.copyFiles,
		"GET users":                                   s.listUsers,
		"POST users":                                  s.createUser,
		"GET users/{user}":                            s.inspectUser,
		"DELETE users/{user}":                         s.deleteUser,
		"GET keys":                                    s.listKeys,
		"POST keys":                                   s.createKey,
		"GET keys/{key}":                              s.inspectKey,
		"DELETE keys/{key}":                           s.deleteKey,
	} {
		method, path, _ := strings.Cut(pattern, " ")
		mux.Handle(method+" "+v1.Prefix+path, s.serve(h))
	}
	mux.Handle("/", s.serve(func(c *call) error {
		return &problem{http.StatusNotFound, "unknown_operation", "the API has no " + c.Method + " " + c.URL.Path, ""}
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
			defer c.caller.Body.Close()
			err = h(c)
		}
		if err != nil {
			s.fail(c, err)
		}
	})
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
	b, err := io.ReadAll(io.LimitReader(bodyReader{c.caller.Body}, maxJSON+1))
	if err != nil {
		return err
	}
	if len(b) > maxJSON {
		return &problem{http.StatusBadRequest, "bad_body", fmt.Sprintf("the body is larger than %d bytes", maxJSON), ""}
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields() // a misspelt field is not to be left out in silence
	if err = d.Decode(v); err == nil && d.More() {
		err = errors.New("there is more behind it")
	}
	if err != nil {
		return &problem{http.StatusBadRequest, "bad_body", "the body is not the JSON that is expected: " + err.Error(), ""}
	}
	return nil
}

// bodyReader makes whatever is wrong with a body the client's problem.
type bodyReader struct{ r io.Reader }

func (b bodyReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		err = &problem{http.StatusBadRequest, "bad_body", "the body did not come whole: " + err.Error(), "send it again"}
	}
	return n, err
}

// maxPage is the default and the ceiling of a page.
const maxPage = 1000

// page reads after and limit.
func (c *call) page() (after string, limit int, err error) {
	return c.pageOf(maxPage)
}

// pageOf is page with another ceiling.
func (c *call) pageOf(most int) (after string, limit int, err error) {
	limit = most
	if s := c.URL.Query().Get("limit"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 {
			return "", 0, fmt.Errorf("%w: limit %q", pfs.ErrInvalidArgument, s)
		}
	}
	return c.URL.Query().Get("after"), min(limit, most), nil
}

// ref reads the state that a request is about.
func (c *call) ref(expr string) (pfs.Ref, error) {
	x, err := pfs.ParseExpr(expr)
	if err != nil {
		return pfs.Ref{}, err
	}
	ref := pfs.Ref{Repo: c.PathValue("repo"), Base: x}
	if x.Base == "" || x.Base == "HEAD" || pfs.IsCommit(x.Base) {
		ref.Branch = c.caller.Branch // the one that a key is limited to, if it is
	}
	return ref, nil
}

// may says why the caller may not do something with what ref means.
func (s *server) may(c *call, ref pfs.Ref, act pfs.Action) error {
	if c.caller.Unlimited() {
		return nil
	}
	snap, err := s.fs.Resolve(c.Context(), ref)
	if err != nil {
		return err
	}
	return snap.Authorize(c.Context(), c.caller.Caller, act, "")
}

// refFor reads a ref that the caller must be allowed to do something with.
func (s *server) refFor(c *call, expr string, act pfs.Action) (pfs.Ref, error) {
	ref, err := c.ref(expr)
	if err != nil {
		return ref, err
	}
	return ref, s.may(c, ref, act)
}

// snapshot resolves the ref in the query, for the path there.
func (s *server) snapshot(c *call, act pfs.Action) (*pfs.Snapshot, error) {
	ref, err := c.ref(c.URL.Query().Get("ref"))
	if err != nil {
		return nil, err
	}
	snap, err := s.fs.Resolve(c.Context(), ref)
	if err != nil {
		return nil, err
	}
	path := ""
	if act == pfs.ActRead {
		path = c.URL.Query().Get("path")
	}
	return snap, snap.Authorize(c.Context(), c.caller.Caller, act, path)
}

// options are those of a write.
func (c *call) options(message string) pfs.WriteOptions {
	return pfs.WriteOptions{Author: c.caller.Name, User: c.caller.ID, Message: message, IfHead: c.URL.Query().Get("if_head")}
}
