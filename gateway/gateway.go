package gateway

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gorilla/mux"

	"caret/accesslog"
	"caret/gateway/sigv2"
	"caret/gateway/sigv4"
	"caret/pfs"
)

// Options configure a gateway.
type Options struct {
	Verifier *sigv4.Verifier
	// Secrets finds secrets for signatures of version 2 and for forms.
	Secrets sigv4.Secrets
	// Caller says who asks with an access key whose signature was right.
	Caller func(accessKey string) pfs.Caller
	Region string // what GetBucketLocation answers
	// Domain, if set, makes BUCKET.Domain a host name of the bucket.
	Domain string
	// MD5 makes ETags what those of AWS are: the MD5 of an object, or of the
	// MD5s of its parts. What was stored without it keeps the other form.
	MD5 bool
	Now func() time.Time // time.Now if nil
	Log *slog.Logger
}

// Gateway is an http.Handler that speaks S3. Make one with New.
type Gateway struct {
	sys    *pfs.System
	opts   Options
	v2     *sigv2.Verifier
	log    *slog.Logger
	router *mux.Router
}

// New returns an S3 gateway over sys.
func New(sys *pfs.System, opts Options) *Gateway {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	g := &Gateway{sys: sys, opts: opts, log: opts.Log, router: mux.NewRouter()}
	g.v2 = sigv2.New(sigv2.Options{Secrets: opts.Secrets, Now: opts.Now, Bucket: g.HostBucket})
	g.router.SkipClean(true) // keys may hold "//" and ".."
	g.router.NewRoute().Path("/").Handler(g.level(onService))
	g.router.NewRoute().Path("/{bucket}").Handler(g.level(onBucket))
	g.router.NewRoute().Path("/{bucket}/").Handler(g.level(onBucket))
	g.router.NewRoute().Path("/{bucket}/{key:(?s:.+)}").Handler(g.level(onObject))
	g.router.NotFoundHandler = g.level(onService)
	return g
}

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// net/http sends 100 Continue when a body is first read, so never for an
	// empty one. S3 does, and botocore relies on it: after a final answer
	// instead, it misreads the next one on the same connection and hangs.
	if r.ContentLength == 0 && r.ProtoAtLeast(1, 1) && strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
		w.WriteHeader(http.StatusContinue)
	}
	bucket := g.HostBucket(r)
	switch key := strings.TrimPrefix(r.URL.Path, "/"); {
	case bucket == "":
		g.router.ServeHTTP(w, r)
	case key == "":
		g.serve(w, r, onBucket, bucket, "")
	default:
		g.serve(w, r, onObject, bucket, key)
	}
}

// HostBucket is the bucket that the host name of a request names, "" if none. All paths
// are keys of it then, whatever they begin with.
func (g *Gateway) HostBucket(r *http.Request) string {
	if g.opts.Domain == "" {
		return ""
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(host, ".") // of a name that is not relative to another
	// A bucket has dots itself: only the domain is cut off. In lower case a name may have
	// another length.
	suffix := "." + g.opts.Domain
	if n := len(host) - len(suffix); n > 0 && strings.EqualFold(host[n:], suffix) {
		return host[:n]
	}
	return ""
}

// request is an S3 request under way.
type request struct {
	*http.Request
	g           *Gateway
	w           http.ResponseWriter
	entry       *accesslog.Entry
	bucket, key string
	query       url.Values
	signed      sigv4.Identity
	who         pfs.Caller
	fs          *pfs.FS    // as who sees it
	need        pfs.Action // that who must be allowed
	room        *pfs.Share // of memory, besides content
}

// level serves the requests to the service, to buckets or to objects.
func (g *Gateway) level(on level) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		vars := mux.Vars(hr)
		g.serve(w, hr, on, vars["bucket"], vars["key"])
	})
}

func (g *Gateway) serve(w http.ResponseWriter, hr *http.Request, on level, bucket, key string) {
	r := &request{Request: hr, g: g, w: w, entry: accesslog.Of(w, hr), bucket: bucket, key: key}
	defer func() { r.room.Release() }()
	defer r.describe()
	w.Header().Set("Server", "caret")
	if err := r.serve(on); err != nil {
		r.fail(err)
	}
}

// reserve takes n bytes for what the request is about to hold besides content. It comes
// before that.
func (r *request) reserve(n int64) error {
	if r.room == nil {
		r.room = r.g.sys.Memory()
	}
	return r.room.Reserve(r.Context(), n)
}

// describe says in the access log what the request was about.
func (r *request) describe() {
	e, h := r.entry, r.w.Header()
	e.Bucket, e.Object, e.Version = r.bucket, r.key, r.query.Get("versionId")
	e.Commit = cmp.Or(h.Get("X-Caret-Commit"), h.Get("X-Amz-Version-Id"))
	if r.fs != nil {
		e.User = r.fs.Caller().Name
	}
}

// serve finds the operation, checks who asks and runs it.
func (r *request) serve(on level) error {
	sigv4.JoinValues(r.Header)
	var err error
	if r.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return errInvalidArgument.with("The query of the request cannot be parsed: %v.", err)
	}
	if !utf8.ValidString(r.bucket + r.key) {
		return errInvalidArgument.with("Bucket names and keys must be UTF-8.")
	}
	if !utf8.ValidString(r.Header.Get("X-Caret-Message")) {
		return errInvalidArgument.with("x-caret-message must be UTF-8.")
	}
	if len(r.key) > pfs.MaxPath {
		return describe(fmt.Errorf("%w: %d bytes, at most %d are allowed", pfs.ErrPathTooLong, len(r.key), pfs.MaxPath))
	}
	if on != onService {
		r.w.Header().Set("X-Amz-Bucket-Region", r.g.opts.Region)
		if done, err := r.crossOrigin(); done || err != nil {
			return err
		}
	}
	if on == onBucket && r.isForm() {
		return r.postObject()
	}
	if err := r.authenticate(); err != nil {
		return err
	}
	op, err := r.operation(on)
	if err != nil && r.who.IsAnonymous() {
		return errAccessDenied
	}
	if err != nil {
		return err
	}
	r.entry.Operation = op.nameFor(r)
	r.need = op.need
	if want := r.Header.Get("X-Amz-Expected-Bucket-Owner"); want != "" && op.need != 0 {
		look := r.look
		if op.need == pfs.ActWrite { // to the bucket, whatever version is named
			look = r.lookAtBucket
		}
		if err := look(func(_ *pfs.View, s *pfs.Snapshot) error { return r.expectOwner(s, want) }); err != nil {
			return err
		}
	}
	return op.run(r)
}

// expectOwner refuses a bucket that is not whose the client thinks.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
func (r *request) expectOwner(s *pfs.Snapshot, want string) error {
	set, err := s.Settings(r.Context())
	if err == nil && set.ACL.Owner != want {
		err = errAccessDenied.with("The bucket has another owner than expected.")
	}
	return err
}

// authenticate finds out who asks.
func (r *request) authenticate() (err error) {
	if r.g.v2.Matches(r.Request) {
		key, err := r.g.v2.Verify(r.Request)
		if err != nil {
			return err
		}
		if r.signed, err = sigv4.Signed(r.Request, key); err != nil {
			return err
		}
	} else if r.signed, err = r.g.opts.Verifier.Verify(r.Request); err != nil {
		return err
	}
	r.actAs(r.signed.AccessKey)
	return nil
}

// actAs makes the holder of an access key the caller; "" is nobody's.
func (r *request) actAs(accessKey string) {
	r.who = pfs.Anonymous
	if accessKey != "" {
		r.who = r.g.opts.Caller(accessKey)
	}
	r.who.Via = pfs.Via{Key: accessKey, Address: r.entry.Address, Request: r.entry.ID}
	r.entry.Key = accessKey
	r.fs = r.g.sys.As(r.who)
}

// writeXML writes a document.
func (r *request) writeXML(doc any) {
	buf := xmlBuffers.Get().(*bytes.Buffer)
	defer xmlBuffers.Put(buf)
	buf.Reset()
	buf.WriteString(xml.Header[:len(xml.Header)-1])
	if err := xml.NewEncoder(buf).Encode(doc); err != nil {
		r.g.log.Error("encode XML", "err", err)
	}
	r.w.Write(bytes.ReplaceAll(buf.Bytes(), []byte("&#34;"), []byte("&quot;"))) //nolint:errcheck // the client is gone
}

var xmlBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// reply answers with a document.
func (r *request) reply(doc any) error {
	r.w.Header().Set("Content-Type", "application/xml")
	r.writeXML(doc)
	return nil
}

// maxXML is the largest XML body that is read, in bytes: a Complete of 10,000
// parts with checksums fits.
const maxXML = 4 << 20

const (
	// smallXML is a document that is not worth counting, in bytes.
	smallXML = 16 << 10
	// parsedXML is how many bytes each byte of a document takes once it is parsed.
	parsedXML = 16
	// parsedMarkup is how many bytes of memory an element or attribute takes at most, so
	// that there is a limit on how many of them a document may have for its size.
	parsedMarkup = 192
	// fewMarkup is how many of them any document may have.
	fewMarkup = 10_000
)

// checkMarkup refuses documents that would take far more memory than is counted for them.
// The shortest parts of a Complete are within the limit.
func checkMarkup(doc []byte) error {
	n := bytes.Count(doc, []byte("<")) + (bytes.Count(doc, []byte(`"`))+bytes.Count(doc, []byte("'")))/2
	if n > fewMarkup+len(doc)*parsedXML/parsedMarkup {
		return errMalformedXML.with("The document has too many elements and attributes for its size.")
	}
	return nil
}

// readXML reads the body as a document and checks its digests.
func (r *request) readXML(doc any) error {
	b, done, err := r.readBody()
	if err != nil {
		return err
	}
	defer done()
	d := xml.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(doc); err != nil {
		return errMalformedXML.with("The XML cannot be parsed: %v.", err)
	}
	if len(bytes.TrimSpace(b[d.InputOffset():])) > 0 {
		return errMalformedXML.with("There is more behind the end of the document.")
	}
	return nil
}

// readBody reads the body, and takes the memory that it is going to be parsed into. done
// is called once it is.
func (r *request) readBody() (b []byte, done func(), err error) {
	r.Body = http.MaxBytesReader(r.w, r.Body, maxXML)
	body, err := r.body()
	if err != nil {
		return nil, nil, err
	}
	defer body.Close()
	b, share, err := r.g.sys.ReadAll(r.Context(), body)
	if err == nil {
		err = checkMarkup(b)
	}
	if err == nil && len(b) > smallXML {
		err = r.reserve(int64(len(b)) * parsedXML)
	}
	if err != nil {
		share.Release()
		return nil, nil, err
	}
	return b, share.Release, nil
}

// ref is the state that the bucket names.
func (r *request) ref() (pfs.Ref, error) { return ParseBucket(r.bucket) }

// refVersion is the state that the bucket, and the version from there on, name.
func refVersion(bucket, version string, given bool) (pfs.Ref, error) {
	ref, err := ParseBucket(bucket)
	if err != nil || !given {
		return ref, err
	}
	x, err := versionID(version)
	if err == nil && x != nil {
		ref.Version = *x
	}
	return ref, err
}

// open finds the state that ref means, with errors as S3 has them for the bucket
// and for the version.
func open(v *pfs.View, ref pfs.Ref, act pfs.Action, key string) (*pfs.Snapshot, error) {
	s, err := v.Open(ref, act, key)
	return s, refError(err)
}

// refError is an error about what a bucket's name, or a version id, leads to.
func refError(err error) error {
	var version *pfs.VersionError
	switch {
	case errors.Is(err, pfs.ErrNoSuchPath):
		return err
	case errors.As(err, &version):
		return versionError(err)
	}
	return bucketError(err)
}

// look runs fn, in one view, with the state that the request itself names, if the
// caller may do with it what the operation needs.
func (r *request) look(fn func(*pfs.View, *pfs.Snapshot) error) error {
	ref, err := refVersion(r.bucket, r.query.Get("versionId"), r.query.Has("versionId"))
	if err != nil {
		return err
	}
	return r.lookAt(ref, fn)
}

// lookAtBucket is look without the version that the request names.
func (r *request) lookAtBucket(fn func(*pfs.View, *pfs.Snapshot) error) error {
	ref, err := r.ref()
	if err != nil {
		return err
	}
	return r.lookAt(ref, fn)
}

func (r *request) lookAt(ref pfs.Ref, fn func(*pfs.View, *pfs.Snapshot) error) error {
	return r.fs.View(r.Context(), func(v *pfs.View) error {
		s, err := open(v, ref, r.need, r.key)
		if err != nil {
			return err
		}
		return fn(v, s)
	})
}

// allowed is look for operations that need no more.
func (r *request) allowed() error {
	return r.look(func(*pfs.View, *pfs.Snapshot) error { return nil })
}

// target refuses a write before its body is read; it is decided again when it
// is made. fn, if not nil, runs in the same view.
func (r *request) target(fn func(*pfs.View, *pfs.Snapshot) error) (pfs.Ref, error) {
	ref, err := r.ref()
	if err != nil {
		return ref, err
	}
	return ref, r.fs.View(r.Context(), func(v *pfs.View) error {
		s, err := v.Target(ref, pfs.ActWrite, r.key)
		if err != nil {
			return bucketError(err)
		}
		if fn == nil {
			return nil
		}
		return fn(v, s)
	})
}

// location is the time format of XML documents.
const xmlTime = "2006-01-02T15:04:05.000Z"

func formatTime(t time.Time) string { return t.UTC().Format(xmlTime) }

// etag is the ETag of content: its hash and a dash, which keeps clients from
// taking it for an MD5. A server that shows MD5s does so where it has one.
func (g *Gateway) etag(h pfs.Hash, sum pfs.Checksum) string {
	if g.opts.MD5 && sum.MD5 != "" {
		return `"` + sum.MD5 + `"`
	}
	return `"` + h.String() + `-1"`
}

// etagOf is the ETag of an object.
func (g *Gateway) etagOf(info *pfs.Info) string {
	return g.etag(info.Content.Hash, info.Attrs.Checksum)
}

// parseETag is the hash in an ETag of ours.
func parseETag(s string) (h [32]byte, ok bool) {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	if len(s) != 66 || s[64:] != "-1" {
		return h, false
	}
	_, err := hex.Decode(h[:], []byte(s[:64]))
	return h, err == nil
}
