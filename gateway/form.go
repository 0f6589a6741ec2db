package gateway

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"caret/gateway/checksum"
	"caret/gateway/postform"
	"caret/pfs"
)

// isForm says whether the request is an upload by a form, which is signed by
// its policy.
func (r *request) isForm() bool {
	return r.Method == http.MethodPost && r.Header.Get("Authorization") == "" && r.URL.RawQuery == "" &&
		strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "multipart/form-data")
}

// postObject is the upload of an object by a form.
// https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
func (r *request) postObject() error {
	r.entry.Operation = nameForm
	form, err := postform.Read(r.Request)
	if err != nil {
		return err
	}
	file, err := r.checkForm(form)
	if err != nil {
		return err
	}
	if r.key = form.Fields.Get("key"); len(r.key) > pfs.MaxPath {
		return pfs.ErrPathTooLong
	}
	if err := r.takeFields(form.Fields); err != nil {
		return err
	}
	to, attrs, opt, err := r.newObject()
	if err != nil {
		return err
	}
	if doc := form.Fields.Get("tagging"); doc != "" {
		var t tagging
		if err := xml.Unmarshal([]byte(doc), &t); err != nil {
			return errMalformedXML.with("The tagging field cannot be parsed: %v.", err)
		}
		if attrs.Tags, err = checkTags(t.Tags, maxObjectTags); err != nil {
			return err
		}
	}
	done, err := r.storeForm(to, attrs, opt, file)
	if err != nil {
		return err
	}
	return r.formResult(form.Fields, done)
}

// checkForm finds out who signed the form and whether its policy allows it.
func (r *request) checkForm(form *postform.Form) (io.Reader, error) {
	now := r.g.opts.Now()
	key, err := postform.Verify(r.Context(), form, r.g.opts.Secrets, now)
	if err != nil {
		return nil, err
	}
	if r.actAs(key); key == "" {
		return form.File, nil
	}
	policy, err := postform.ParsePolicy(form.Fields.Get("policy"))
	if err != nil {
		return nil, err
	}
	if !policy.NamesBucket() {
		return nil, fmt.Errorf("%w: it names no bucket", postform.ErrConditionFailed)
	}
	return policy.Reader(form.File), policy.Check(form, r.bucket, now)
}

// takeFields makes the form's fields what a PUT has as headers. A field may have what no
// header can have, which no answer could have either.
func (r *request) takeFields(fields postform.Fields) error {
	// What stands in the request's own headers no policy has allowed.
	for name := range r.Header {
		if strings.HasPrefix(name, "X-") || strings.HasPrefix(name, "If-") || strings.HasPrefix(name, "Content-") ||
			name == "Cache-Control" || name == "Expires" {
			r.Header.Del(name)
		}
	}
	for name, value := range fields {
		header := name
		switch {
		case name == "acl":
			header = "X-Amz-Acl"
		case name == "content-type", name == "cache-control", name == "content-disposition", name == "content-encoding",
			name == "content-language", name == "expires", strings.HasPrefix(name, "x-amz-meta-"),
			strings.HasPrefix(name, "x-amz-checksum-"), strings.HasPrefix(name, "x-amz-server-side-"), name == "x-amz-storage-class",
			strings.HasPrefix(name, "x-amz-object-lock-"), name == "x-amz-website-redirect-location":
		default:
			continue
		}
		if !httpguts.ValidHeaderFieldName(header) || !httpguts.ValidHeaderFieldValue(value) {
			return errInvalidArgument.with("The field %q or its value %.100q cannot be a header of the object.", name, value)
		}
		r.Header.Set(header, value)
	}
	return nil
}

// storeForm stores the file of a form.
func (r *request) storeForm(to pfs.Ref, attrs pfs.Attrs, opt pfs.WriteOptions, file io.Reader) (*pfs.Committed, error) {
	want, err := checksum.FromRequest(r.Header)
	if err != nil {
		return nil, err
	}
	sums := checksum.NewReader(file, want, nil)
	defer sums.Close()
	w := r.fs.NewFile(r.Context(), -1)
	defer w.Abort()
	in, md5 := r.g.withMD5(sums)
	if _, err := w.ReadFrom(in); err != nil {
		return nil, err
	}
	part, err := w.Close()
	if err != nil {
		return nil, err
	}
	if want.Algorithm != "" {
		attrs.Checksum = pfs.Checksum{Algorithm: string(want.Algorithm), Type: checksum.FullObject, Value: sums.Value()}
	}
	attrs.Checksum.MD5 = md5()
	done, err := r.fs.Put(r.Context(), to, r.key, part.Content, attrs, opt)
	return &done, err
}

// formResult answers as the form asks.
func (r *request) formResult(fields postform.Fields, done *pfs.Committed) error {
	r.wrote(done)
	tag := r.g.etagOf(&done.Info)
	redirect := fields.Get("success_action_redirect")
	if redirect == "" {
		redirect = fields.Get("redirect")
	}
	h := r.w.Header()
	if u, err := url.Parse(redirect); redirect != "" && err == nil && u.Scheme != "" && u.Host != "" {
		q := u.Query()
		q.Set("bucket", r.bucket)
		q.Set("key", r.key)
		q.Set("etag", tag)
		u.RawQuery = q.Encode()
		h.Set("Location", u.String())
		r.w.WriteHeader(http.StatusSeeOther)
		return nil
	}
	location := r.address() + strings.TrimSuffix(r.URL.EscapedPath(), "/") + "/" + urlEncode(r.key)
	h.Set("Location", location)
	status, err := strconv.Atoi(fields.Get("success_action_status"))
	if err != nil || status != http.StatusOK && status != http.StatusCreated {
		status = http.StatusNoContent
	}
	if status != http.StatusCreated {
		r.w.WriteHeader(status)
		return nil
	}
	h.Set("Content-Type", "application/xml")
	r.w.WriteHeader(status)
	r.writeXML(struct {
		XMLName  xml.Name `xml:"PostResponse"`
		Location string
		Bucket   string
		Key      string
		ETag     string
	}{Location: location, Bucket: r.bucket, Key: r.key, ETag: tag})
	return nil
}
