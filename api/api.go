package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path"
	"reflect"
	"strings"
	"time"

	"caret/accesslog"
	v1 "caret/api/v1"
	"caret/commits/revision"
	"caret/pfs"
)

// Caller is who made a request, and its verified body.
type Caller struct {
	Caller pfs.Caller
	Body   io.ReadCloser
	// Length is that of the body in bytes, -1 if it is not known.
	Length int64
}

// Options configure the API.
type Options struct {
	// Authenticate finds out who made a request; an error is answered with
	// 403 and its text.
	Authenticate func(*http.Request) (Caller, error)
	// MD5 keeps the MD5 of files too, for a server whose S3 shows it.
	MD5 bool
	Log *slog.Logger
	// Status says how the server is, but for its jobs; nil says nothing of that.
	Status func(context.Context) (v1.Status, error)
	// Ticker makes a channel that ticks, and stops it; time's if nil.
	Ticker func(time.Duration) (tick <-chan time.Time, stop func())
}

type server struct {
	system   *pfs.System
	opts     Options
	document document
}

// New returns a handler for all paths under v1.Prefix.
func New(system *pfs.System, opts Options) http.Handler {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Ticker == nil {
		opts.Ticker = newTicker
	}
	s := &server{system: system, opts: opts, document: describe(operations)}
	mux := http.NewServeMux()
	for _, op := range operations {
		mux.Handle(op.method()+" "+v1.Prefix+op.path(), s.serve(op))
	}
	other := s.serve(operation{do: func(_ *server, c *call) error { return unknown(mux, c) }})
	mux.Handle("/", other)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path.Clean(r.URL.Path) != r.URL.Path { // mux would redirect, and what was signed is not that
			other.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// unknown says what is wrong with a request that is no operation.
func unknown(mux *http.ServeMux, c *call) error {
	var allowed []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		other := http.Request{Method: m, URL: c.URL, Host: c.Host}
		if _, pattern := mux.Handler(&other); pattern != "/" && path.Clean(c.URL.Path) == c.URL.Path {
			allowed = append(allowed, m)
		}
	}
	if allowed == nil {
		return fmt.Errorf("%w: the API has no %s %s", errOperation, c.Method, c.URL.Path)
	}
	list := strings.Join(allowed, ", ")
	c.w.Header().Set("Allow", list)
	return &hinted{fmt.Errorf("%w: %s cannot be had with %s", errMethod, c.URL.Path, c.Method), "use " + list}
}

// call is a request under way.
type call struct {
	*http.Request
	w      http.ResponseWriter
	entry  *accesslog.Entry
	caller Caller
	fs     *pfs.FS // as the caller sees it; nil if that is not known
	system *pfs.System
	room   *pfs.Share // of memory, besides content
}

type handler func(*server, *call) error

// serve does an operation for whom may.
func (s *server) serve(op operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{Request: r, w: w, entry: accesslog.Of(w, r), system: s.system, room: s.system.Memory()}
		defer c.room.Release()
		defer c.describe(op)
		if err := s.run(c, op); err != nil {
			s.fail(c, err)
		}
	})
}

// describe says in the access log what the request was about.
func (c *call) describe(op operation) {
	e, q := c.entry, c.URL.Query()
	e.Operation, e.Repo, e.Path = op.id, c.PathValue("repo"), q.Get("path")
	e.Ref = cmp.Or(c.PathValue("branch"), c.PathValue("tag"), c.PathValue("ref"), q.Get("ref"))
	e.Commit = cmp.Or(e.Commit, c.w.Header().Get("X-Caret-Commit"))
	if c.fs != nil {
		e.User = c.fs.Caller().Name
	}
}

func (s *server) run(c *call, op operation) (err error) {
	if op.id != openDocument {
		if c.caller, err = s.opts.Authenticate(c.Request); err != nil {
			if bad := op.checkQuery(c.URL.RawQuery); errors.Is(bad, pfs.ErrInvalidArgument) {
				return bad // no signature is good for what can be read in several ways
			}
			return fmt.Errorf("%w: %w", errSignature, err)
		}
		defer c.caller.Body.Close()
		via := &c.caller.Caller.Via
		via.Address, via.Request, c.entry.Key = c.entry.Address, c.entry.ID, via.Key
		c.fs = s.system.As(c.caller.Caller)
	}
	if op.id != "" {
		if err := op.checkQuery(c.URL.RawQuery); err != nil {
			return err
		}
	}
	return op.do(s, c)
}

// reserve takes n bytes for what the call is about to hold besides content. It comes
// before that.
func (c *call) reserve(n int64) error { return c.room.Reserve(c.Context(), n) }

func (c *call) answer(status int, v any) error {
	switch v := v.(type) {
	case v1.Written:
		c.entry.Commit = v.Commit
	case v1.Merged:
		c.entry.Commit = v.Commit
	case v1.Commit:
		c.entry.Commit = v.ID
	case v1.OpenCommit:
		c.entry.Commit = v.ID
	}
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

// done answers that it was done, without saying more.
func (c *call) done(err error) error {
	if err == nil {
		c.w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// maxJSON is the largest JSON body that is read, in bytes.
const maxJSON = 8 << 20

const (
	// smallJSON is a body that is not worth counting, in bytes.
	smallJSON = 16 << 10
	// parsedJSON is how many bytes each byte of a body takes at most once it is parsed:
	// those of a list of empty strings do.
	parsedJSON = 24
)

func (c *call) read(v any) error {
	b, share, err := c.system.ReadAll(c.Context(), io.LimitReader(bodyReader{c.caller.Body}, maxJSON+1))
	if err != nil {
		return err
	}
	defer share.Release()
	if len(b) > maxJSON {
		return fmt.Errorf("%w: it is larger than %d bytes", errBody, maxJSON)
	}
	if len(b) > smallJSON {
		if err := c.reserve(int64(len(b)) * parsedJSON); err != nil {
			return err
		}
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields() // a misspelt field is not to be left out in silence
	if err = d.Decode(v); err == nil && d.More() {
		err = errors.New("there is more behind it")
	}
	if err == nil {
		err = checkFields(b, v)
	}
	if err != nil {
		return fmt.Errorf("%w: it is not the JSON that is expected: %w", errBody, err)
	}
	return nil
}

// checkFields says which field that a body must have it has not, as its zero
// value could mean something else than intended, and which it cannot have.
func checkFields(body []byte, v any) error {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(body, &given); err != nil {
		return err
	}
	if given == nil {
		return errors.New("it is null")
	}
	for _, f := range fieldsOf(reflect.TypeOf(v).Elem()) {
		switch value, ok := given[f.name]; {
		case f.required && !ok:
			return fmt.Errorf("the field %q is missing", f.name)
		case string(value) == "null":
			return fmt.Errorf("the field %q is null", f.name)
		}
		delete(given, f.name)
	}
	for name := range given { // which json takes in any case
		return fmt.Errorf("unknown field %q", name)
	}
	return nil
}

// bodyReader makes whatever is wrong with a body the client's problem.
type bodyReader struct{ r io.Reader }

func (b bodyReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		err = &hinted{fmt.Errorf("%w: it did not come whole: %w", errBody, err), "send it again"}
	}
	return n, err
}

// ref reads the state that a request is about. Whoever has a key for one branch
// means that where no branch is said.
func (c *call) ref(expr string) (pfs.Ref, error) {
	x, err := revision.Parse(expr)
	return pfs.Ref{Repo: c.PathValue("repo"), Base: x, KeyBranch: true}, err
}

// queryRef is the ref in the query.
func (c *call) queryRef() (pfs.Ref, error) { return c.ref(c.URL.Query().Get("ref")) }

// view opens the ref in the query to do something with it, or with the file at
// path there, and reads it in the same transaction.
func (c *call) view(act pfs.Action, path string, read func(*pfs.Snapshot) error) error {
	ref, err := c.queryRef()
	if err != nil {
		return err
	}
	return c.fs.View(c.Context(), func(v *pfs.View) error {
		snap, err := v.Open(ref, act, path)
		if err != nil {
			return err
		}
		return read(snap)
	})
}

// options are those of a write.
func (c *call) options(message string) pfs.WriteOptions {
	return pfs.WriteOptions{Message: message, IfHead: c.URL.Query().Get("if_head")}
}
