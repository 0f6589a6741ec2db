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
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// Entry is a request, for the one goroutine that serves it.
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

// maxText is how many bytes of each text are kept: as many as a key of S3 may have.
const maxText = 1024

func clip(texts ...*string) {
	for _, t := range texts {
		if len(*t) <= maxText {
			continue
		}
		n := maxText
		for n > maxText-utf8.UTFMax && !utf8.RuneStart((*t)[n]) {
			n--
		}
		*t = (*t)[:n] + "..."
	}
}

// appendLine appends the entry's line to b.
func (e Entry) appendLine(b *bytes.Buffer) error {
	clip(&e.Address, &e.User, &e.Key, &e.Method, &e.Operation, &e.Bucket, &e.Object, &e.Version, &e.Repo, &e.Ref, &e.Path, &e.Commit, &e.Error)
	return appendJSON(b, e)
}

// appendJSON appends v as a line. JSON leaves some control characters as they
// are that end lines, or move a terminal's cursor, for some readers: none is
// left.
func appendJSON(b *bytes.Buffer, v any) error {
	start := b.Len()
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		b.Truncate(start)
		return err
	}
	line := b.Bytes()[start:]
	if bytes.IndexByte(line, 0x7f) < 0 && bytes.IndexByte(line, 0xc2) < 0 { // what U+0080 to U+009F begin with
		return nil
	}
	clean := escaper.Replace(string(line))
	b.Truncate(start)
	b.WriteString(clean)
	return nil
}

var escaper = newEscaper()

func newEscaper() *strings.Replacer {
	var pairs []string
	for c := rune(0x7f); c <= 0x9f; c++ {
		pairs = append(pairs, string(c), `\u00`+hex.EncodeToString([]byte{byte(c)}))
	}
	return strings.NewReplacer(pairs...)
}
