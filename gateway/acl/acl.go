package acl

import (
	"errors"
	"fmt"
	"strings"

	"caret/pfs"
)

// What can be wrong with an ACL; each is one error of S3.
var (
	// ErrCanned: no canned ACL has this name (InvalidArgument).
	ErrCanned = errors.New("the canned ACL is unknown")
	// ErrUnsupported: it grants to a service that AWS has and this server has
	// not (NotImplemented).
	ErrUnsupported = errors.New("log delivery and EC2 are no grantees here")
	// ErrBoth: x-amz-acl and x-amz-grant-* in one request (InvalidRequest).
	ErrBoth = errors.New("specifying both canned ACLs and header grants is not allowed")
	// ErrHeader: an x-amz-grant-* header that makes no sense (InvalidArgument).
	ErrHeader = errors.New(`a grant header must be like id="ID", uri="URI"`)
	// ErrMalformed: a document that is no AccessControlPolicy (MalformedACLError).
	ErrMalformed = errors.New("the ACL is not well-formed or not what is expected")
	// ErrPermission: no permission has this name (MalformedACLError).
	ErrPermission = errors.New("the permission is unknown")
	// ErrGroup: no group has this URI (InvalidArgument).
	ErrGroup = errors.New("the group URI is unknown")
	// ErrEmail: a grantee by email address (UnresolvableGrantByEmailAddress).
	ErrEmail = errors.New("users have no email address here; grant to an ID")
)

// maxGrants is how many grants an ACL may have.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#permissions
const maxGrants = 100

// How AWS names groups.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#specifying-grantee-predefined-groups
const (
	globalGroups = "http://acs.amazonaws.com/groups/global/"
	logDelivery  = "http://acs.amazonaws.com/groups/s3/LogDelivery"
)

func parseGroup(uri string) (pfs.Group, error) {
	if uri == logDelivery {
		return "", ErrUnsupported
	}
	name, ok := strings.CutPrefix(uri, globalGroups)
	switch g := pfs.Group(name); {
	case ok && (g == pfs.AllUsers || g == pfs.AuthenticatedUsers):
		return g, nil
	default:
		return "", fmt.Errorf("%w: %q", ErrGroup, uri)
	}
}

func parsePermission(s string) (pfs.Permission, error) {
	switch p := pfs.Permission(s); p {
	case pfs.PermRead, pfs.PermWrite, pfs.PermReadACP, pfs.PermWriteACP, pfs.PermFullControl:
		return p, nil
	}
	return "", fmt.Errorf("%w: %q", ErrPermission, s)
}
