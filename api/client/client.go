// Package client is the Go client of caret's JSON API: everything that is
// not S3's, such as repos, branches, commits and their log, and files besides.
//
// Requests are signed like those of S3 with a key of the server. What the
// server refuses is an *Error with a code; everything else is an error of
// net/http. A Client may be used concurrently, and retries nothing but a lost
// connection of Watch.
package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/encoding/httpbinding"

	"caret/api/v1"
)

// Client talks to one server. Its methods may be called concurrently.
type Client struct {
	endpoint  string
	accessKey string
	secretKey string
	http      *http.Client
	signer    *v4.Signer
	ifHead    string // of IfHead
}

// New returns a client of the server at endpoint, such as
// http://127.0.0.1:30600.
func New(endpoint, accessKey, secretKey string) *Client {
	return &Client{
		endpoint: strings.TrimRight(endpoint, "/"), accessKey: accessKey, secretKey: secretKey,
		http: &http.Client{Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: 30 * time.Second}).DialContext,
			Proxy:       http.ProxyFromEnvironment, MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute,
			TLSHandshakeTimeout: 10 * time.Second, ExpectContinueTimeout: 5 * time.Second,
		}, CheckRedirect: stay},
		signer: v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }),
	}
}

// stay follows no redirect: what is signed is for one server, and a write that is
// sent on becomes a read on its way, whose success would be taken for its own.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// IfHead is the client for writes that are made only if the head of the branch
// is the commit that this id or expression means; "" takes the condition off.
// The server decides that in the transaction that makes the write visible, and
// otherwise answers with the code precondition_failed. Calls that write and have
// no such condition are refused; others ignore it.
func (c *Client) IfHead(commit string) *Client {
	conditional := *c
	conditional.ifHead = commit
	return &conditional
}

// Trust makes the client trust servers whose certificates lead to roots, instead of those
// that the system trusts. It is called before the client is used.
func (c *Client) Trust(roots *x509.CertPool) {
	c.http.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12} //nolint:forcetypeassert // New made it
}

// Error is an answer of the server that is not a success.
type Error struct {
	Status  int    // of HTTP
	Code    string // such as no_such_repo
	Message string
	Hint    string   // what to do about it, "" if there is nothing
	Paths   []string // of a conflict
	// Conflicts are the first of those of a conflict, with their states.
	Conflicts []v1.Conflict
}

func (e *Error) Error() string { return e.Message }

// Code is the code of the server's error in err, "" if it is not one.
func Code(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// request is one call.
type request struct {
	method string
	path   []string // elements behind the prefix
	query  url.Values
	body   io.Reader
	length int64  // of the body in bytes, -1 if it is not known
	hash   string // SHA-256 of the body in hex; "" leaves it unsigned
	header http.Header
	// patient is that the server may be silent for long, because it works on
	// what it was asked for; who asks deals with that.
	patient bool
}

// expectAbove is the length in bytes of a body that is worth a question.
const expectAbove = 1 << 20

// do sends a request and returns an answer that is a success.
func (c *Client) do(ctx context.Context, r request) (*http.Response, error) {
	elements := make([]string, len(r.path))
	for i, p := range r.path {
		elements[i] = httpbinding.EscapePath(p, true) // as it is signed
	}
	if c.ifHead != "" && r.method != http.MethodGet {
		r.query = maps.Clone(r.query)
		if r.query == nil {
			r.query = url.Values{}
		}
		r.query.Set("if_head", c.ifHead)
	}
	target := c.endpoint + v1.Prefix + strings.Join(elements, "/")
	if len(r.query) > 0 {
		target += "?" + strings.ReplaceAll(r.query.Encode(), "+", "%20")
	}
	if r.patient || r.method != http.MethodGet && r.method != http.MethodPut {
		return c.send(ctx, r, target, nil)
	}
	g := newGuard(ctx)
	resp, err := c.send(g.ctx, r, target, g)
	if err != nil {
		err = g.explain(err)
		g.end()
		return nil, err
	}
	g.timer.Stop()
	resp.Body = guardedAnswer{resp.Body, g}
	return resp, nil
}

// send sends a request to target under a guard, nil if it has none.
func (c *Client) send(ctx context.Context, r request, target string, g *guard) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, target, r.body)
	if err != nil {
		return nil, err
	}
	if r.body != nil {
		req.ContentLength = r.length
	}
	g.watch(req)
	for k, v := range r.header {
		req.Header[k] = v
	}
	payload := cmp.Or(r.hash, "UNSIGNED-PAYLOAD")
	if r.length < 0 || r.length > expectAbove {
		// So that a refusal comes before the body goes.
		req.Header.Set("Expect", "100-continue")
	}
	req.Header.Set("X-Amz-Content-Sha256", payload)
	creds := aws.Credentials{AccessKeyID: c.accessKey, SecretAccessKey: c.secretKey}
	if err := c.signer.SignHTTP(ctx, creds, req, payload, "s3", "us-east-1", time.Now()); err != nil {
		return nil, fmt.Errorf("sign request: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, readError(resp)
}

func readError(resp *http.Response) error {
	if to, err := resp.Location(); err == nil && resp.StatusCode/100 == 3 {
		return &Error{
			Status: resp.StatusCode, Code: "redirected", Message: "the server sends requests on to " + to.Scheme + "://" + to.Host,
			Hint: "what is signed is for one server alone; if that is the right one, name it as the endpoint",
		}
	}
	var body v1.Error
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case bytes.Contains(b, []byte("HTTP request to an HTTPS server")) && resp.StatusCode == http.StatusBadRequest:
		return &Error{Code: "not_https", Message: "the server is to be talked to by https", Hint: "begin the endpoint with https://"}
	case err != nil || json.Unmarshal(b, &body) != nil || body.Message == "":
		body = v1.Error{Code: "unknown", Message: "the server answered " + resp.Status + "; is it a caret?"}
	}
	return &Error{Status: resp.StatusCode, Code: body.Code, Message: body.Message, Hint: body.Hint, Paths: body.Paths, Conflicts: body.Conflicts}
}

// call sends in, if not nil, as JSON and reads the answer into out, if not
// nil.
func (c *Client) call(ctx context.Context, method string, in, out any, query url.Values, path ...string) error {
	r := request{method: method, path: path, query: query}
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		r.body, r.length, r.hash = bytes.NewReader(b), int64(len(b)), hex.EncodeToString(sum[:])
		r.header = http.Header{"Content-Type": {"application/json"}}
	}
	resp, err := c.do(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	return json.NewDecoder(&limited{resp.Body, maxAnswer}).Decode(out)
}

func get[T any](ctx context.Context, c *Client, query url.Values, path ...string) (T, error) {
	var out T
	err := c.call(ctx, http.MethodGet, nil, &out, query, path...)
	return out, err
}

func post[T any](ctx context.Context, c *Client, in any, path ...string) (T, error) {
	var out T
	err := c.call(ctx, http.MethodPost, in, &out, nil, path...)
	return out, err
}

// dryRun asks what a deletion would remove.
func dryRun[T any](ctx context.Context, c *Client, query url.Values, path ...string) (T, error) {
	if query == nil {
		query = url.Values{}
	}
	query.Set("dry_run", "true")
	var out T
	err := c.call(ctx, http.MethodDelete, nil, &out, query, path...)
	return out, err
}

func pageQuery(after string, limit int) url.Values {
	q := url.Values{}
	if after != "" {
		q.Set("after", after)
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	return q
}

// Each goes through all pages of a listing. The sequence ends after the first
// error.
func Each[T any](list func(after string) (v1.Page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		// A server that goes in circles is found out by a mark that stays where it
		// is for longer and longer.
		mark, at, next := "", 0, 1
		for after := ""; ; at++ {
			if at == next {
				mark, next = after, 2*next
			}
			page, err := list(after)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, it := range page.Items {
				if !yield(it, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			if page.Next == after || page.Next == mark { // rather than ask for ever
				var none T
				yield(none, fmt.Errorf("the server's listing does not go on behind %q", after))
				return
			}
			after = page.Next
		}
	}
}

// All reads all pages of a listing.
func All[T any](list func(after string) (v1.Page[T], error)) ([]T, error) {
	var all []T
	for it, err := range Each(list) {
		if err != nil {
			return nil, err
		}
		all = append(all, it)
	}
	return all, nil
}

// Repos lists repos by name; limit 0 is as many as the server gives.
func (c *Client) Repos(ctx context.Context, after string, limit int) (v1.Page[v1.Repo], error) {
	return get[v1.Page[v1.Repo]](ctx, c, pageQuery(after, limit), "repos")
}

// CreateRepo makes a repo with an empty default branch. Of r, the name, the
// description and the default branch count.
func (c *Client) CreateRepo(ctx context.Context, r v1.Repo) (v1.Repo, error) {
	in := v1.CreateRepo{Name: r.Name, Description: r.Description, DefaultBranch: r.DefaultBranch}
	return post[v1.Repo](ctx, c, in, "repos")
}

// Repo describes a repo.
func (c *Client) Repo(ctx context.Context, name string) (v1.Repo, error) {
	return get[v1.Repo](ctx, c, nil, "repos", name)
}

// UpdateRepo changes what in is not nil of a repo.
func (c *Client) UpdateRepo(ctx context.Context, name string, in v1.UpdateRepo) (v1.Repo, error) {
	var out v1.Repo
	err := c.call(ctx, http.MethodPatch, in, &out, nil, "repos", name)
	return out, err
}

// DeleteRepo removes a repo; one that has commits only with force.
func (c *Client) DeleteRepo(ctx context.Context, name string, force bool) error {
	return c.call(ctx, http.MethodDelete, nil, nil, url.Values{"force": {strconv.FormatBool(force)}}, "repos", name)
}

// DeleteRepoDryRun says what DeleteRepo would remove, or why it would not.
func (c *Client) DeleteRepoDryRun(ctx context.Context, name string, force bool) (v1.Removal, error) {
	return dryRun[v1.Removal](ctx, c, url.Values{"force": {strconv.FormatBool(force)}}, "repos", name)
}

// Branches lists the branches of a repo by name.
func (c *Client) Branches(ctx context.Context, repo, after string, limit int) (v1.Page[v1.Branch], error) {
	return get[v1.Page[v1.Branch]](ctx, c, pageQuery(after, limit), "repos", repo, "branches")
}

// CreateBranch makes a branch at from, an expression; "" makes an empty one.
func (c *Client) CreateBranch(ctx context.Context, repo, name, from string) (v1.Branch, error) {
	return post[v1.Branch](ctx, c, v1.CreateBranch{Name: name, From: from}, "repos", repo, "branches")
}

// Branch describes a branch.
func (c *Client) Branch(ctx context.Context, repo, name string) (v1.Branch, error) {
	return get[v1.Branch](ctx, c, nil, "repos", repo, "branches", name)
}

// DeleteBranch removes a branch; the last one takes its repo with it.
func (c *Client) DeleteBranch(ctx context.Context, repo, name string) error {
	return c.call(ctx, http.MethodDelete, nil, nil, nil, "repos", repo, "branches", name)
}

// DeleteBranchDryRun says what DeleteBranch would remove, or why it would not.
func (c *Client) DeleteBranchDryRun(ctx context.Context, repo, name string) (v1.Removal, error) {
	return dryRun[v1.Removal](ctx, c, nil, "repos", repo, "branches", name)
}

// Resolve says what ref, an expression, means at the moment.
func (c *Client) Resolve(ctx context.Context, repo, ref string) (v1.Snapshot, error) {
	return get[v1.Snapshot](ctx, c, url.Values{"ref": {ref}}, "repos", repo, "resolve")
}

// LogFilter keeps some commits of a log; what is zero keeps all.
type LogFilter struct {
	// Path keeps commits that changed it, or anything under it if it ends in a
	// slash.
	Path            string
	Since, Until    time.Time // both included
	Author, Message string    // has that text, whatever its case
}

// Log lists the commits that lead to ref, newest first.
func (c *Client) Log(ctx context.Context, repo, ref string, f LogFilter, after string, limit int) (v1.Page[v1.Commit], error) {
	q := pageQuery(after, limit)
	q.Set("ref", ref)
	for name, v := range map[string]string{"path": f.Path, "author": f.Author, "message": f.Message} {
		if v != "" {
			q.Set(name, v)
		}
	}
	for name, t := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !t.IsZero() {
			q.Set(name, t.UTC().Format(time.RFC3339Nano))
		}
	}
	return get[v1.Page[v1.Commit]](ctx, c, q, "repos", repo, "commits")
}

// Commit describes a commit.
func (c *Client) Commit(ctx context.Context, repo, ref string) (v1.Commit, error) {
	return get[v1.Commit](ctx, c, nil, "repos", repo, "commits", ref)
}

// Changes lists the paths that a commit changed.
func (c *Client) Changes(ctx context.Context, repo, ref, after string, limit int) (v1.Page[v1.Change], error) {
	return get[v1.Page[v1.Change]](ctx, c, pageQuery(after, limit), "repos", repo, "commits", ref, "changes")
}

// StartCommit opens a commit on a branch: writes to its id are staged in it.
func (c *Client) StartCommit(ctx context.Context, repo, branch, message string) (v1.OpenCommit, error) {
	return post[v1.OpenCommit](ctx, c, v1.StartCommit{Branch: branch, Message: message}, "repos", repo, "commits")
}

// FinishCommit makes an open commit one of its branch.
func (c *Client) FinishCommit(ctx context.Context, repo, id string, in v1.FinishCommit) (v1.Commit, error) {
	return post[v1.Commit](ctx, c, in, "repos", repo, "commits", id, "finish")
}

// AbortCommit drops an open commit.
func (c *Client) AbortCommit(ctx context.Context, repo, id string) error {
	return c.call(ctx, http.MethodDelete, nil, nil, nil, "repos", repo, "commits", id)
}

// AbortCommitDryRun says what AbortCommit would drop, or why it would not.
func (c *Client) AbortCommitDryRun(ctx context.Context, repo, id string) (v1.Commit, error) {
	return dryRun[v1.Commit](ctx, c, nil, "repos", repo, "commits", id)
}

// OpenCommits lists the open commits of a repo.
func (c *Client) OpenCommits(ctx context.Context, repo, after string, limit int) (v1.Page[v1.OpenCommit], error) {
	return get[v1.Page[v1.OpenCommit]](ctx, c, pageQuery(after, limit), "repos", repo, "open")
}

// Files lists files, and common prefixes if delimiter is not "".
func (c *Client) Files(ctx context.Context, repo, ref, prefix, delimiter, after string, limit int) (v1.Page[v1.File], error) {
	q := pageQuery(after, limit)
	q.Set("ref", ref)
	q.Set("prefix", prefix)
	q.Set("delimiter", delimiter)
	return get[v1.Page[v1.File]](ctx, c, q, "repos", repo, "files")
}

// Stat describes a file.
func (c *Client) Stat(ctx context.Context, repo, ref, path string) (v1.File, error) {
	return get[v1.File](ctx, c, url.Values{"ref": {ref}, "path": {path}}, "repos", repo, "stat")
}

// Get streams a file and says how long it is. The caller closes the body.
func (c *Client) Get(ctx context.Context, repo, ref, path string) (io.ReadCloser, int64, error) {
	return c.GetRange(ctx, repo, ref, path, 0, -1)
}

// GetRange streams up to length bytes from off on, length -1 to the end of
// the file, and says how many they are. The caller closes the body.
func (c *Client) GetRange(ctx context.Context, repo, ref, path string, off, length int64) (io.ReadCloser, int64, error) {
	header := http.Header{}
	switch {
	case off < 0 || length == 0:
		return nil, 0, fmt.Errorf("no range of a file: %d bytes from %d on", length, off)
	case length > 0:
		header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+length-1))
	case off > 0:
		header.Set("Range", fmt.Sprintf("bytes=%d-", off))
	}
	resp, err := c.do(ctx, request{
		method: http.MethodGet, path: []string{"repos", repo, "file"}, query: url.Values{"ref": {ref}, "path": {path}}, header: header,
	})
	if err != nil {
		return nil, 0, err
	}
	return resp.Body, resp.ContentLength, nil
}

// Put stores a file of length bytes, -1 if that is not known, in a commit of
// its own, or stages it if ref is an open commit.
func (c *Client) Put(ctx context.Context, repo, ref, path, contentType, message string, body io.Reader, length int64) (v1.Written, error) {
	if length == 0 {
		body = http.NoBody
	}
	header := http.Header{}
	if contentType != "" {
		header.Set("Content-Type", contentType)
	}
	var out v1.Written
	resp, err := c.do(ctx, request{
		method: http.MethodPut, path: []string{"repos", repo, "file"}, body: body, length: length, header: header,
		query: url.Values{"ref": {ref}, "path": {path}, "message": {message}},
	})
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	return out, json.NewDecoder(&limited{resp.Body, maxAnswer}).Decode(&out)
}

// Delete removes files in one commit, or only says which it would remove.
func (c *Client) Delete(ctx context.Context, repo string, in v1.Delete) (v1.Written, error) {
	return post[v1.Written](ctx, c, in, "repos", repo, "delete")
}
