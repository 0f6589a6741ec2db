// Package acl reads and writes access control lists as S3 has them on the
// wire: the canned ones, the x-amz-grant-* headers and the
// AccessControlPolicy document.
//
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
//
// Its nouns are those of pfs, into which everything is converted: an ACL has
// an owner and grants, a grant names a user or a group and a permission. A
// grantee is a user by ID; nobody is found by an email address, and whether
// an ID is a user's is for the caller to check. Nothing is kept here, so
// everything may be used concurrently.
//
// It must not import anything under pfs but its types, nor know a request.
package acl
