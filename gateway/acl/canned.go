package acl

import (
	"fmt"

	"caret/pfs"
)

// Canned returns the grants of the canned ACL name for an object, or else a
// bucket, of owner. bucketOwner counts for objects only: a bucket takes
// bucket-owner-read and bucket-owner-full-control and ignores them. The
// owner's FULL_CONTROL comes first; an owner "" is granted nothing.
//
// The error is ErrCanned, or ErrUnsupported for log-delivery-write and
// aws-exec-read.
//
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl
func Canned(name string, object bool, owner, bucketOwner string) ([]pfs.Grant, error) {
	var grants []pfs.Grant
	grant := func(to pfs.Grant, p pfs.Permission) {
		if to.User != "" || to.Group != "" {
			to.Permission = p
			grants = append(grants, to)
		}
	}
	grant(pfs.Grant{User: owner}, pfs.PermFullControl)
	if !object || bucketOwner == owner {
		bucketOwner = "" // there is nothing to grant to it
	}
	switch name {
	case "private":
	case "public-read":
		grant(pfs.Grant{Group: pfs.AllUsers}, pfs.PermRead)
	case "public-read-write":
		grant(pfs.Grant{Group: pfs.AllUsers}, pfs.PermRead)
		grant(pfs.Grant{Group: pfs.AllUsers}, pfs.PermWrite)
	case "authenticated-read":
		grant(pfs.Grant{Group: pfs.AuthenticatedUsers}, pfs.PermRead)
	case "bucket-owner-read":
		grant(pfs.Grant{User: bucketOwner}, pfs.PermRead)
	case "bucket-owner-full-control":
		grant(pfs.Grant{User: bucketOwner}, pfs.PermFullControl)
	case "log-delivery-write", "aws-exec-read":
		return nil, fmt.Errorf("%w: %s", ErrUnsupported, name)
	default:
		return nil, fmt.Errorf("%w: %q", ErrCanned, name)
	}
	return grants, nil
}
