package gateway

import (
	"bytes"
	"net/http"

	"caret/gateway/acl"
	"caret/pfs"
)

// headerACL is the ACL that the request's headers ask for, nil if none do.
func (r *request) headerACL(v *pfs.View, object bool, bucketOwner string) (*pfs.ACL, error) {
	me := v.Caller().ID
	grants, given, err := acl.FromHeaders(r.Header, object, me, bucketOwner)
	if err != nil || !given {
		return nil, err
	}
	if err := knownUsers(v, grants); err != nil {
		return nil, err
	}
	if grants == nil {
		grants = []pfs.Grant{}
	}
	return &pfs.ACL{Owner: me, Grants: grants}, nil
}

// knownUsers refuses grants to nobody.
func knownUsers(v *pfs.View, grants []pfs.Grant) error {
	for _, g := range grants {
		if g.Group != "" || g.User == v.Caller().ID {
			continue
		}
		if _, err := v.User(g.User); err != nil {
			return err
		}
	}
	return nil
}

// hasACLHeader says whether the request asks for an ACL.
func hasACLHeader(h http.Header) bool {
	for _, name := range []string{
		"X-Amz-Acl", "X-Amz-Grant-Read", "X-Amz-Grant-Write", "X-Amz-Grant-Read-Acp", "X-Amz-Grant-Write-Acp", "X-Amz-Grant-Full-Control",
	} {
		if h.Get(name) != "" {
			return true
		}
	}
	return false
}

// currentACL is the ACL of the bucket or the object that is asked for, and who
// owns the bucket.
func (r *request) currentACL(s *pfs.Snapshot) (a pfs.ACL, bucketOwner string, err error) {
	set, err := s.Settings(r.Context())
	if err != nil || r.key == "" {
		return set.ACL, set.ACL.Owner, err
	}
	if _, err := s.Stat(r.Context(), r.key); err != nil {
		return pfs.ACL{}, "", err
	}
	a, err = s.FileACL(r.Context(), r.key)
	return a, set.ACL.Owner, err
}

// getACL is GetBucketAcl and GetObjectAcl.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAcl.html
func (r *request) getACL() error {
	var doc any
	err := r.look(func(v *pfs.View, s *pfs.Snapshot) error {
		a, _, err := r.currentACL(s)
		if err == nil {
			doc = acl.Format(a, func(id string) string { return display(v, id) })
		}
		return err
	})
	if err != nil {
		return r.gone(err)
	}
	return r.reply(doc)
}

// putACL is PutBucketAcl and PutObjectAcl. An object's ACL is that of a
// version, in every commit that has it: access is not part of history.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectAcl.html
func (r *request) putACL() error {
	var old pfs.ACL
	var bucketOwner string
	err := r.look(func(_ *pfs.View, s *pfs.Snapshot) (err error) {
		old, bucketOwner, err = r.currentACL(s)
		return err
	})
	if err != nil {
		return r.gone(err)
	}
	grants, err := r.askedGrants(old.Owner, bucketOwner)
	if err != nil {
		return err
	}
	ref, err := refVersion(r.bucket, r.query.Get("versionId"), r.key != "" && r.query.Has("versionId"))
	if err != nil {
		return err
	}
	if r.key != "" {
		err = r.fs.SetFileACL(r.Context(), ref, r.key, grants)
	} else {
		err = r.fs.ChangeSettings(r.Context(), ref, pfs.ActWriteACP, func(s *pfs.Settings) error {
			s.ACL = pfs.ACL{Owner: s.ACL.Owner, Grants: grants}
			return nil
		})
	}
	if err != nil {
		return err
	}
	r.w.WriteHeader(http.StatusOK)
	return nil
}

// askedGrants are the grants in the headers or, without, in the body.
func (r *request) askedGrants(owner, bucketOwner string) ([]pfs.Grant, error) {
	grants, given, err := acl.FromHeaders(r.Header, r.key != "", owner, bucketOwner)
	if err != nil {
		return nil, err
	}
	if !given {
		b, done, err := r.readBody()
		if err != nil {
			return nil, err
		}
		defer done()
		a, err := acl.Parse(bytes.NewReader(b), maxXML)
		if err != nil {
			return nil, err
		}
		if a.Owner != owner {
			return nil, errAccessDenied.with("The owner cannot be changed.")
		}
		grants = a.Grants
	}
	if grants == nil {
		grants = []pfs.Grant{}
	}
	return grants, r.fs.View(r.Context(), func(v *pfs.View) error { return knownUsers(v, grants) })
}
