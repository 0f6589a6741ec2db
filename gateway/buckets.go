package gateway

import (
	"cmp"
	"encoding/xml"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"caret/commits/revision"
	"caret/pfs"
)

// xmlns is the namespace of every document of S3.
const xmlns = "http://s3.amazonaws.com/doc/2006-03-01/"

// document is the name of a document in that namespace.
func document(name string) xml.Name { return xml.Name{Space: xmlns, Local: name} }

func emptyDocument(name string) any {
	return struct{ XMLName xml.Name }{document(name)}
}

type owner struct {
	ID          string
	DisplayName string
}

// ownerOf is a user as an owner; one that is gone has no name.
func ownerOf(u pfs.User) owner { return owner{u.ID, cmp.Or(u.Display, u.Name)} }

// display is the name that people know a user by.
func display(v *pfs.View, id string) string {
	u, err := v.User(id)
	if err != nil {
		return "" // a user that is gone
	}
	return ownerOf(u).DisplayName
}

// owner is who owns what is listed.
func (r *request) owner(s *pfs.Snapshot) (owner, error) {
	u, err := s.Owner(r.Context())
	return ownerOf(u), err
}

type bucketEntry struct {
	Name         string
	CreationDate string
}

// listBuckets is ListBuckets: the branches of all repos that the caller sees, as buckets.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html
func (r *request) listBuckets() error {
	if r.URL.Path != "/" {
		return errMethod
	}
	if r.who.IsAnonymous() {
		return errAccessDenied
	}
	limit := 10000
	if s := r.query.Get("max-buckets"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 10000 {
			return errInvalidArgument.with("max-buckets must be 1 to 10000, not %q.", s)
		}
		limit = n
	}
	prefix, after := r.query.Get("prefix"), r.query.Get("continuation-token")
	doc := struct {
		XMLName           xml.Name
		Owner             owner
		Buckets           []bucketEntry `xml:"Buckets>Bucket"`
		ContinuationToken string        `xml:",omitempty"`
		Prefix            string        `xml:",omitempty"`
	}{XMLName: document("ListAllMyBucketsResult"), Prefix: prefix}
	var list []pfs.Listed
	err := r.fs.View(r.Context(), func(v *pfs.View) (err error) {
		id := v.Caller().ID
		doc.Owner = owner{id, display(v, id)}
		list, err = v.Listed(prefix, after, limit+1)
		return err
	})
	if err != nil {
		return err
	}
	if len(list) > limit {
		list = list[:limit]
		doc.ContinuationToken = list[limit-1].Name
	}
	for _, b := range list {
		doc.Buckets = append(doc.Buckets, bucketEntry{b.Name, formatTime(b.Created)})
	}
	return r.reply(doc)
}

// createBucket is CreateBucket: it makes a branch, and its repo if there is
// none.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
func (r *request) createBucket() error {
	repo, branch, err := newBucket(r.bucket)
	if err != nil {
		return err
	}
	opt := pfs.BranchOptions{WithRepo: true}
	err = r.fs.View(r.Context(), func(v *pfs.View) (err error) {
		if err = v.MayCreateBranch(repo); err == nil {
			opt.ACL, err = r.headerACL(v, false, v.Caller().ID)
		}
		return err
	})
	if err != nil {
		return r.bucketTaken(err)
	}
	if err := r.refuseConditions("X-Amz-Object-Ownership"); err != nil {
		return err
	}
	if strings.EqualFold(r.Header.Get("X-Amz-Bucket-Object-Lock-Enabled"), "true") {
		return errNotImplemented.with("Object lock is not implemented.")
	}
	if err := r.checkLocation(); err != nil {
		return err
	}
	if _, err = r.fs.CreateBranch(r.Context(), repo, branch, opt); err != nil {
		return r.bucketTaken(err)
	}
	if why, better := revision.CheckHost(r.bucket); why != "" {
		text := "some clients refuse this bucket: " + why
		if better != "" {
			text += "; " + better + " would work with all"
		}
		r.w.Header().Set("X-Caret-Warning", text)
		r.g.log.Warn(text, "bucket", r.bucket)
	} else if n := 32 + 1 + len(r.bucket); n > maxBucket {
		r.g.log.Warn("commits of this branch have bucket names that many clients cannot use", "bucket", r.bucket, "length", n)
	}
	r.w.Header().Set("Location", "/"+r.bucket)
	r.w.WriteHeader(http.StatusOK)
	return nil
}

// bucketTaken tells whose a bucket is that is there already.
func (r *request) bucketTaken(err error) error {
	taken := errors.Is(err, pfs.ErrRepoExists)
	switch {
	case taken && errors.Is(err, pfs.ErrDenied):
		return errTaken.with("The bucket %s belongs to somebody else.", r.bucket)
	case errors.Is(err, pfs.ErrTagExists):
		return errOwned.with("The bucket %s is there already: it is a tag, which can be read and not be written to.", r.bucket)
	case taken, errors.Is(err, pfs.ErrBranchExists):
		return errOwned.with("You have the bucket %s already.", r.bucket)
	}
	return err
}

// checkLocation reads the body of CreateBucket.
func (r *request) checkLocation() error {
	b, done, err := r.readBody()
	if err != nil {
		return err
	}
	defer done()
	if len(b) == 0 {
		return nil
	}
	var doc struct {
		XMLName            xml.Name `xml:"CreateBucketConfiguration"`
		LocationConstraint string
	}
	if err := xml.Unmarshal(b, &doc); err != nil {
		return errMalformedXML.with("The XML cannot be parsed: %v.", err)
	}
	if l := doc.LocationConstraint; l != "" && l != r.g.opts.Region && l != "us-east-1" {
		return errLocation.with("The location %q is not this server's region, %s.", l, r.g.opts.Region)
	}
	return nil
}

// headBucket is HeadBucket.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html
func (r *request) headBucket() error {
	err := r.allowed()
	if e := describe(err); err != nil && e.status == http.StatusBadRequest {
		return &apiError{http.StatusNotFound, "NoSuchBucket", e.message} // HEAD has no other
	}
	if err != nil {
		return err
	}
	r.w.WriteHeader(http.StatusOK)
	return nil
}

// deleteBucket is DeleteBucket: it removes a branch, whatever it holds. A
// bare bucket must be empty, as in plain S3.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html
func (r *request) deleteBucket() error {
	var s *pfs.Snapshot
	err := r.look(func(_ *pfs.View, on *pfs.Snapshot) error {
		s = on
		return nil
	})
	if err != nil {
		return err
	}
	if !s.Writable || s.Open || r.bucket != s.Repo && r.bucket != s.Branch+"."+s.Repo {
		if s.Tag != "" {
			return errMethod.with("%s is a tag of repo %s, which no bucket's deletion removes; caret tag delete does.", s.Tag, s.Repo)
		}
		return errMethod.with("%s is a commit and cannot be deleted.", r.bucket)
	}
	opt := pfs.BranchDeletion{Empty: !strings.Contains(r.bucket, ".")}
	if _, err := r.fs.DeleteBranch(r.Context(), s.Repo, s.Branch, opt); err != nil {
		return err
	}
	r.w.WriteHeader(http.StatusNoContent)
	return nil
}

// getLocation is GetBucketLocation.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html
func (r *request) getLocation() error {
	if err := r.allowed(); err != nil {
		return err
	}
	region := r.g.opts.Region
	if region == "us-east-1" {
		region = ""
	}
	return r.reply(struct {
		XMLName xml.Name
		Region  string `xml:",chardata"`
	}{document("LocationConstraint"), region})
}

// getVersioning is GetBucketVersioning: history is always kept.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html
func (r *request) getVersioning() error {
	if err := r.allowed(); err != nil {
		return err
	}
	return r.reply(struct {
		XMLName xml.Name
		Status  string
	}{document("VersioningConfiguration"), "Enabled"})
}

// putVersioning is PutBucketVersioning: it takes what is the case.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketVersioning.html
func (r *request) putVersioning() error {
	if err := r.allowed(); err != nil {
		return err
	}
	var doc struct {
		XMLName xml.Name `xml:"VersioningConfiguration"`
		Status  string
	}
	if err := r.readXML(&doc); err != nil {
		return err
	}
	switch doc.Status {
	case "Enabled":
		r.w.WriteHeader(http.StatusOK)
		return nil
	case "Suspended":
		return errBucketState
	}
	return errVersioning
}

// getRequestPayment is GetBucketRequestPayment.
func (r *request) getRequestPayment() error {
	if err := r.allowed(); err != nil {
		return err
	}
	return r.reply(struct {
		XMLName xml.Name
		Payer   string
	}{document("RequestPaymentConfiguration"), "BucketOwner"})
}

// lastModified is a time as headers have it.
func lastModified(t time.Time) string { return t.UTC().Format(http.TimeFormat) }
