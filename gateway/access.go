package gateway

import (
	"net/http"

	"caret/gateway/acl"
	"caret/pfs"
)

// headerACL is the ACL that the request's headers ask for, nil if none do.
func (r *request) headerACL(object bool, bucketOwner string) (*pfs.ACL, error) {
	grants, given, err := acl.FromHeaders(r.Header, object, r.who.ID, bucketOwner)
	if err != nil || !given {
		return nil, err
	}
	if err := r.knownUsers(grants); err != nil {
		return nil, err
	}
	if grants == nil {
		grants = []pfs.Grant{}
	}
	return &pfs.ACL{Owner: r.who.ID, Grants: grants}, nil
}

// knownUsers refuses grants to nobody.
func (r *request) knownUsers(grants []pfs.Grant) error {
	for _, g := range grants {
		if g.Group != "" || g.User == r.who.ID {
			continue
		}
		if _, err := r.g.fs.UserByID(r.Context(), g.User); err != nil {
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

// fileACL is the ACL of an object that is written: what the headers ask for,
// or, if somebody else than the bucket's owner writes it, that the writer has
// full control. nil is the default.
func (r *request) fileACL(ref pfs.Ref) (*pfs.ACL, error) {
	if !hasACLHeader(r.Header) && (r.who.Admin || r.who.Anonymous()) {
		return nil, nil
	}
	s, err := r.g.fs.Resolve(r.Context(), ref)
	if err != nil {
		return nil, bucketError(err)
	}
	set, err := s.Settings(r.Context())
	if err != nil {
		return nil, err
	}
	a, err := r.headerACL(true, set.ACL.Owner)
	if err != nil || a != nil || r.who.ID == set.ACL.Owner {
		return a, err
	}
	return &pfs.ACL{Owner: r.who.ID}, nil
}

// currentACL is the ACL of the bucket or the object that is asked for.
func (r *request) currentACL(s *pfs.Snapshot) (pfs.ACL, error) {
	if r.key == "" {
		set, err := s.Settings(r.Context())
		return set.ACL, err
	}
	if _, err := s.Stat(r.Context(), r.key); err != nil {
		return pfs.ACL{}, r.gone(s, err)
	}
	return s.FileACL(r.Context(), r.key)
}

// getACL is GetBucketAcl and GetObjectAcl.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAcl.html
func (r *request) getACL() error {
	s, err := r.own()
	if err != nil {
		return err
	}
	a, err := r.currentACL(s)
	if err != nil {
		return err
	}
	return r.reply(acl.Format(a, r.display))
}

// putACL is PutBucketAcl and PutObjectAcl. An object's ACL is that of a
// version, in every commit that has it: access is not part of history.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectAcl.html
func (r *request) putACL() error {
	s, err := r.own()
	if err != nil {
		return err
	}
	old, err := r.currentACL(s)
	if err != nil {
		return err
	}
	set, err := s.Settings(r.Context())
	if err != nil {
		return err
	}
	grants, err := r.askedGrants(old.Owner, set.ACL.Owner)
	if err != nil {
		return err
	}
	ref, err := r.ref()
	if err != nil {
		return err
	}
	a := pfs.ACL{Owner: old.Owner, Grants: grants}
	if r.key != "" {
		var info pfs.Info
		if info, err = s.Stat(r.Context(), r.key); err == nil {
			err = r.g.fs.SetFileACL(r.Context(), ref, s, r.key, info.Commit, a)
		}
	} else {
		err = r.g.fs.ChangeSettings(r.Context(), ref, s, func(s *pfs.Settings) error {
			s.ACL = a
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
		r.Body = http.MaxBytesReader(r.w, r.Body, maxXML)
		body, err := r.body()
		if err != nil {
			return nil, err
		}
		defer body.Close()
		a, err := acl.Parse(body, maxXML)
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
	return grants, r.knownUsers(grants)
}
