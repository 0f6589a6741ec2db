// Package accesslog writes a line of JSON for each request that was served.
//
// An [Entry] is what is known of a request. Whoever serves it finds the entry
// with [Of] and fills in what it learns; a [Log] takes it when the request
// ends. That costs the request a copy into a buffer: writing to the file is
// done behind it. A file that takes less than comes in costs lines, which are
// counted and told of in the log, and never a request's time.
//
// An entry has no field for what could hold a secret: no query, no headers,
// no body.
//
// It knows nothing of the protocols, and imports nothing of caret.
package accesslog

import (
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/http"
	"strings"
	"time"
)

// Entry is a request, for the one goroutine that serves it. The tags are what a line
// calls its fields; appendLine writes them.
type Entry struct {
	Time      time.Time `json:"time"`                // when it came
	ID        string    `json:"id"`                  // which its answer has in x-amz-request-id
	Address   string    `json:"address,omitempty"`   // of the client, or the proxy before it
	User      string    `json:"user,omitempty"`      // the name of who asked; absent if nobody signed, or the signature was wrong
	Key       string    `json:"key_id,omitempty"`    // the access key that it was signed with
	Method    string    `json:"method"`              // of HTTP
	Operation string    `json:"operation,omitempty"` // S3's name, such as GetObject, or the API's operation id; absent if there is none
	Bucket    string    `json:"bucket,omitempty"`
	Object    string    `json:"key,omitempty"`     // S3's key
	Version   string    `json:"version,omitempty"` // that was asked for
	Repo      string    `json:"repo,omitempty"`    // of the API, in the place of a bucket
	Ref       string    `json:"ref,omitempty"`     // branch, tag or expression
	Path      string    `json:"path,omitempty"`
	Commit    string    `json:"commit,omitempty"` // that was made, or the version that was read
	Status    int       `json:"status"`           // 499 if the client went before there was one
	Error     string    `json:"error,omitempty"`  // code in the answer
	Received  int64     `json:"received"`         // bytes of the body that came
	Sent      int64     `json:"sent"`             // bytes of the answer's body
	Seconds   float64   `json:"seconds"`          // from when it came to the end of the answer
	Cut       bool      `json:"cut,omitempty"`    // the connection broke before the end
}

// StatusGone is the status of a request whose client went before there was an
// answer: it saw none.
const StatusGone = 499

// New begins the entry of a request, and gives its answer the header that has the id.
func New(w http.ResponseWriter, r *http.Request) *Entry {
	e := &Entry{Time: time.Now().UTC(), ID: newID(), Address: r.RemoteAddr, Method: r.Method}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		e.Address = host
	}
	w.Header().Set("X-Amz-Request-Id", e.ID)
	return e
}

func newID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails, by its documentation
	return strings.ToUpper(hex.EncodeToString(b[:]))
}

// Of is the entry of the request that w answers: of the first writer in it that
// has a method AccessEntry, or else a new one that nobody reads.
func Of(w http.ResponseWriter, r *http.Request) *Entry {
	for in := w; in != nil; {
		switch t := in.(type) {
		case interface{ AccessEntry() *Entry }:
			return t.AccessEntry()
		case interface{ Unwrap() http.ResponseWriter }:
			in = t.Unwrap()
		default:
			in = nil
		}
	}
	return New(w, r)
}
