// Package apitest holds requests and answers of the API against the OpenAPI
// document that it serves: what the server accepts must fit the document, and
// so must whatever it answers.
package apitest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	v1 "caret/api/v1"
)

// Checker is an API under test.
type Checker struct {
	Document *openapi3.T

	api    http.Handler
	fail   func(format string, args ...any)
	router routers.Router

	mu   sync.Mutex
	seen map[outcome]bool
}

// outcome is how an operation went.
type outcome struct {
	operation string
	failed    bool
}

// New returns api with every request checked; fail is told what does not fit,
// as by testing.T's Errorf.
func New(api http.Handler, fail func(format string, args ...any)) *Checker {
	c := &Checker{api: api, fail: fail, seen: map[outcome]bool{}}
	w := httptest.NewRecorder()
	api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, v1.Prefix+"openapi.json", http.NoBody))
	var err error
	if c.Document, err = openapi3.NewLoader().LoadFromData(w.Body.Bytes()); err == nil {
		err = c.Document.Validate(context.Background())
	}
	if err == nil {
		c.router, err = gorillamux.NewRouter(c.Document)
	}
	if err != nil {
		panic(fmt.Sprintf("the API's document is no valid OpenAPI: %v", err))
	}
	// The document leaves clients open to new fields; a test is not.
	no := false
	for _, s := range c.Document.Components.Schemas {
		s.Value.AdditionalProperties = openapi3.BoolSchema{Has: &no}
	}
	return c
}

// Unseen says of which operations there was no success, or no failure, yet.
func (c *Checker) Unseen() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for path, item := range c.Document.Paths.Map() {
		for method, op := range item.Operations() {
			for failed, what := range map[bool]string{false: "success", true: "failure"} {
				if !c.seen[outcome{op.OperationID, failed}] {
					list = append(list, fmt.Sprintf("%s of %s (%s %s)", what, op.OperationID, method, path))
				}
			}
		}
	}
	slices.Sort(list)
	return list
}

// ServeHTTP serves the API, and checks request and answer.
func (c *Checker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	about := r.Method + " " + r.URL.String()
	get := r.Clone(r.Context())
	if get.Method == http.MethodHead {
		get.Method = http.MethodGet
	}
	route, names, err := c.router.FindRoute(get)
	answer := &recorder{ResponseWriter: w, status: http.StatusOK}
	if err != nil {
		c.api.ServeHTTP(answer, r)
		if s := answer.status; s != http.StatusNotFound && s != http.StatusMethodNotAllowed && s != http.StatusForbidden {
			c.fail("%s: %d, but the document has no such operation", about, s)
		}
		return
	}
	in := &openapi3filter.RequestValidationInput{
		Request: get, PathParams: names, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc:                openapi3filter.NoopAuthenticationFunc,
			RejectWhenRequestBodyNotSpecified: true, SkipSettingDefaults: true,
		},
	}
	misfit := checkRequest(r, in)
	c.api.ServeHTTP(answer, r)
	failed := answer.status >= http.StatusBadRequest
	if misfit != nil && !failed {
		c.fail("%s: answered with %d, though the request does not fit the document: %v", about, answer.status, misfit)
	}
	err = answer.check(in)
	if err == nil && failed && r.Method != http.MethodHead {
		err = c.checkCode(answer)
	}
	if err != nil {
		c.fail("%s: the answer %d %s does not fit the document: %v", about, answer.status, answer.body.Bytes(), err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[outcome{route.Operation.OperationID, failed}] = true
}

// checkRequest says what in a request does not fit. It leaves r as it was.
func checkRequest(r *http.Request, in *openapi3filter.RequestValidationInput) error {
	op := in.Route.Operation
	for name := range r.URL.Query() {
		if !strings.HasPrefix(name, "X-Amz-") && op.Parameters.GetByInAndName("query", name) == nil {
			return fmt.Errorf("undocumented parameter %s", name)
		}
	}
	if op.RequestBody != nil && op.RequestBody.Value.Content["application/json"] == nil {
		in.Options.ExcludeRequestBody, in.Request.Body = true, http.NoBody // a stream fits whatever is in it
	} else {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		r.Body, in.Request.Body = io.NopCloser(bytes.NewReader(b)), io.NopCloser(bytes.NewReader(b))
		if in.Request.Header.Get("Content-Type") == "" { // the server takes it for JSON
			in.Request.Header.Set("Content-Type", "application/json")
		}
	}
	return openapi3filter.ValidateRequest(r.Context(), in)
}

// recorder remembers what is answered, of bodies those in JSON.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) isJSON() bool { return r.Header().Get("Content-Type") == "application/json" }

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.isJSON() {
		r.body.Write(p)
	}
	return r.ResponseWriter.Write(p)
}

// check says what in the answer does not fit.
func (r *recorder) check(in *openapi3filter.RequestValidationInput) error {
	if r.status == http.StatusNoContent && r.Header().Get("Content-Type") != "" {
		return fmt.Errorf("a Content-Type of no content: %s", r.Header().Get("Content-Type"))
	}
	documented := in.Route.Operation.Responses.Status(r.status)
	if documented == nil {
		return errors.New("undocumented status: add it to the operation's row in api/operations.go")
	}
	options := *in.Options
	if !r.isJSON() && r.status < http.StatusBadRequest {
		media := r.Header().Get("Content-Type")
		if r.status != http.StatusNoContent && documented.Value.Content[media] == nil {
			return fmt.Errorf("undocumented type %q", media)
		}
		options.ExcludeResponseBody = true
	}
	return openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: r.status, Header: r.Header(), Options: &options,
		Body: io.NopCloser(bytes.NewReader(r.body.Bytes())),
	})
}

// checkCode says that the document does not know the code of an error.
func (c *Checker) checkCode(r *recorder) error {
	var e v1.Error
	if err := json.Unmarshal(r.body.Bytes(), &e); err != nil {
		return err
	}
	known := c.Document.Components.Responses[fmt.Sprintf("Status%d", r.status)]
	if !strings.Contains(*known.Value.Description, "- `"+e.Code+"`: ") {
		return fmt.Errorf("undocumented code %q", e.Code)
	}
	return nil
}
