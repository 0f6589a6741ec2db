package acl

import "caret/pfs"

// Allows says whether a allows p to user, "" being the anonymous. As in AWS,
// the owner may always read and write the ACL, so as not to lock itself out,
// and anything else only by a grant. FULL_CONTROL is the four others together,
// granted at once or one by one.
//
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#permissions
func Allows(a pfs.ACL, user string, p pfs.Permission) bool {
	switch p {
	case pfs.PermFullControl:
		return Allows(a, user, pfs.PermRead) && Allows(a, user, pfs.PermWrite) &&
			Allows(a, user, pfs.PermReadACP) && Allows(a, user, pfs.PermWriteACP)
	case pfs.PermReadACP, pfs.PermWriteACP:
		if user != "" && user == a.Owner {
			return true
		}
	case pfs.PermRead, pfs.PermWrite:
	default:
		return false
	}
	for _, g := range a.Grants {
		if (g.Permission == p || g.Permission == pfs.PermFullControl) && covers(g, user) {
			return true
		}
	}
	return false
}

// covers says whether user is the grantee of g or in its group.
func covers(g pfs.Grant, user string) bool {
	switch g.Group {
	case pfs.AllUsers:
		return true
	case pfs.AuthenticatedUsers:
		return user != ""
	case "":
		return user != "" && g.User == user // a grant to nobody is none to the anonymous
	}
	return false
}
