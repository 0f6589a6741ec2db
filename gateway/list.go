package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"strconv"
	"strings"

	"caret/gateway/percent"
	"caret/pfs"
)

// maxKeys is the default and the ceiling of a page.
const maxKeys = 1000

// listing is what the two versions of ListObjects have in common.
type listing struct {
	opt    pfs.ListOptions
	encode func(string) string
	url    bool // encoding-type=url
}

// parseListing reads the parameters of a listing.
func (r *request) parseListing() (listing, error) {
	l := listing{encode: func(s string) string { return s }}
	l.opt.Prefix, l.opt.Delimiter = r.query.Get("prefix"), r.query.Get("delimiter")
	var err error
	if l.opt.Limit, err = r.limit("max-keys"); err != nil {
		return l, err
	}
	l.url, err = r.encodingType()
	if l.url {
		l.encode = urlEncode
	}
	return l, err
}

// limit reads a page size: 0 to maxKeys, which is also the default.
func (r *request) limit(name string) (int, error) {
	n, err := number(r.query.Get(name), name, maxKeys)
	if err != nil {
		return n, err
	}
	return n, r.reserve(int64(n) * listed)
}

// listed is about how many bytes one item of a page takes, once found and once written.
const listed = 1 << 10

// number reads a number from 0 to maxKeys; more is taken for that.
func number(s, name string, unset int) (int, error) {
	if s == "" {
		return unset, nil
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 0 {
		return 0, errInvalidArgument.with("%s must be a number from 0, not %q.", name, s)
	}
	return int(min(n, maxKeys)), nil
}

func (r *request) encodingType() (bool, error) {
	switch e := r.query.Get("encoding-type"); {
	case e == "":
		return false, nil
	case strings.EqualFold(e, "url"):
		return true, nil
	default:
		return false, errInvalidArgument.with("encoding-type must be url, not %q.", e)
	}
}

// urlEncode encodes what XML may not be able to carry, as AWS does it.
func urlEncode(s string) string { return percent.Encode(s, "/*") }

// listObjects is ListObjects in both versions.
func (r *request) listObjects() error {
	l, err := r.parseListing()
	if err != nil {
		return err
	}
	switch v := r.query.Get("list-type"); v {
	case "", "1":
		return r.listV1(l)
	case "2":
		return r.listV2(l)
	default:
		return errInvalidArgument.with("list-type must be 1 or 2, not %q.", v)
	}
}

// listV1 is ListObjects.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html
func (r *request) listV1(l listing) error {
	l.opt.After = r.query.Get("marker")
	var page pfs.ListPage
	w := newListWriter(r, l, "ListBucketResult")
	err := r.look(func(_ *pfs.View, s *pfs.Snapshot) (err error) {
		if w.owner, err = r.owner(s); err == nil {
			page, err = s.List(r.Context(), l.opt)
		}
		return err
	})
	if err != nil {
		return err
	}
	w.head()
	w.text("Marker", l.encode(l.opt.After))
	if page.Truncated && l.opt.Delimiter != "" {
		w.text("NextMarker", l.encode(page.Next))
	}
	w.common(page.Truncated)
	w.items(page, true)
	return w.finish()
}

// listV2 is ListObjectsV2. A continuation token is the commit that the listing
// began at and the last name listed, so that all its pages are of one state,
// whatever others write meanwhile.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
func (r *request) listV2(l listing) error {
	startAfter, token := r.query.Get("start-after"), r.query.Get("continuation-token")
	l.opt.After = startAfter
	withOwner := r.query.Get("fetch-owner") == "true"
	var page pfs.ListPage
	var s *pfs.Snapshot
	w := newListWriter(r, l, "ListBucketResult")
	err := r.look(func(_ *pfs.View, on *pfs.Snapshot) (err error) {
		if s = on; token != "" {
			if s, l.opt.After, err = r.continueAt(s, token); err != nil {
				return err
			}
		}
		if withOwner {
			if w.owner, err = r.owner(s); err != nil {
				return err
			}
		}
		page, err = s.List(r.Context(), l.opt)
		return err
	})
	if err != nil {
		return err
	}
	w.head()
	w.text("KeyCount", strconv.Itoa(len(page.Items)))
	if r.query.Has("continuation-token") {
		w.text("ContinuationToken", token)
	}
	if page.Truncated {
		w.text("NextContinuationToken", base64.RawURLEncoding.EncodeToString(append(s.ID[:], page.Next...)))
	}
	if startAfter != "" {
		w.text("StartAfter", l.encode(startAfter))
	}
	w.common(page.Truncated)
	w.items(page, withOwner)
	return w.finish()
}

// continueAt is where a continuation token leads: the state that s was when the
// listing began, or s itself if the branch was reset since, and the last name.
func (r *request) continueAt(s *pfs.Snapshot, token string) (*pfs.Snapshot, string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	var id pfs.CommitID
	if err != nil || copy(id[:], raw) < len(id) {
		return nil, "", errInvalidArgument.with("The continuation token is not one of this server.")
	}
	after := string(raw[len(id):])
	if id == s.ID {
		return s, after, nil
	}
	then, err := s.Ancestor(r.Context(), id)
	if errors.Is(err, pfs.ErrNoSuchCommit) {
		then, err = s, nil
	}
	return then, after, err
}

// listWriter writes a listing by hand: encoding/xml takes longer for a page
// than finding it.
type listWriter struct {
	r    *request
	l    listing
	name string // of the document
	buf  *bytes.Buffer
	// owner is who owns all that is listed, if owners are asked for.
	owner owner
}

func newListWriter(r *request, l listing, name string) *listWriter {
	w := &listWriter{r: r, l: l, name: name, buf: xmlBuffers.Get().(*bytes.Buffer)}
	w.buf.Reset()
	w.buf.WriteString(xml.Header[:len(xml.Header)-1])
	w.buf.WriteString("<" + name + ` xmlns="` + xmlns + `">`)
	return w
}

func (w *listWriter) open(name string) {
	w.buf.WriteByte('<')
	w.buf.WriteString(name)
	w.buf.WriteByte('>')
}

func (w *listWriter) close(name string) {
	w.buf.WriteString("</")
	w.buf.WriteString(name)
	w.buf.WriteByte('>')
}

// text writes <name>s</name>. Characters that XML cannot carry become U+FFFD;
// encoding-type=url is there for them.
func (w *listWriter) text(name, s string) {
	w.open(name)
	xml.EscapeText(w.buf, []byte(s)) //nolint:errcheck // a buffer takes everything
	w.close(name)
}

// head writes what every listing begins with.
func (w *listWriter) head() {
	w.text("Name", w.r.bucket)
	w.text("Prefix", w.l.encode(w.l.opt.Prefix))
}

// common writes what all listings say of the whole page.
func (w *listWriter) common(truncated bool) {
	w.text("MaxKeys", strconv.Itoa(w.l.opt.Limit))
	if w.l.opt.Delimiter != "" {
		w.text("Delimiter", w.l.encode(w.l.opt.Delimiter))
	}
	if w.l.url {
		w.text("EncodingType", "url")
	}
	w.text("IsTruncated", strconv.FormatBool(truncated))
}

func (w *listWriter) items(page pfs.ListPage, withOwner bool) {
	for i := range page.Items {
		it := &page.Items[i]
		if it.Prefix != "" {
			continue
		}
		w.open("Contents")
		w.text("Key", w.l.encode(it.Path))
		w.text("LastModified", formatTime(it.Modified))
		w.content(&it.Info)
		if withOwner {
			w.writeOwner()
		}
		w.text("StorageClass", "STANDARD")
		w.close("Contents")
	}
	for i := range page.Items {
		w.prefix(page.Items[i].Prefix)
	}
}

// content writes what a listing says of an object's bytes.
func (w *listWriter) content(info *pfs.Info) {
	// Some clients look for &quot;, which is what AWS writes, and no other form.
	w.buf.WriteString("<ETag>&quot;" + strings.Trim(w.r.g.etagOf(info), `"`) + "&quot;</ETag>")
	if sum := info.Attrs.Checksum; sum.Algorithm != "" {
		w.text("ChecksumAlgorithm", sum.Algorithm)
		w.text("ChecksumType", sum.Type)
	}
	w.text("Size", strconv.FormatInt(info.Size(), 10))
}

func (w *listWriter) writeOwner() {
	o := w.owner
	w.open("Owner")
	w.text("ID", o.ID)
	w.text("DisplayName", o.DisplayName)
	w.close("Owner")
}

// prefix writes a common prefix, if it is one.
func (w *listWriter) prefix(p string) {
	if p != "" {
		w.open("CommonPrefixes")
		w.text("Prefix", w.l.encode(p))
		w.close("CommonPrefixes")
	}
}

func (w *listWriter) finish() error {
	defer xmlBuffers.Put(w.buf)
	w.close(w.name)
	w.r.w.Header().Set("Content-Type", "application/xml")
	w.r.w.Write(w.buf.Bytes()) //nolint:errcheck // the client is gone
	return nil
}
