package access

// Permission is what a grant allows, as S3 spells it.
//
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#permissions
type Permission string

// Permissions.
const (
	PermRead        Permission = "READ"
	PermWrite       Permission = "WRITE"
	PermReadACP     Permission = "READ_ACP"
	PermWriteACP    Permission = "WRITE_ACP"
	PermFullControl Permission = "FULL_CONTROL"
)

// Group is a set of callers that a grant may name instead of a user.
type Group string

// Groups.
const (
	AllUsers           Group = "AllUsers" // the anonymous included
	AuthenticatedUsers Group = "AuthenticatedUsers"
)

// Grant allows a user, or a group, something. One of User and Group is set.
type Grant struct {
	User       string     `json:"user,omitempty"` // its ID
	Group      Group      `json:"group,omitempty"`
	Permission Permission `json:"permission"`
}

// ACL says who may do what with a repo's branch or with an object.
type ACL struct {
	Owner  string  `json:"owner"`  // a user's ID
	Grants []Grant `json:"grants"` // nil: the owner has full control
}

// complete fills in the grant that is there when nothing was said.
func (a *ACL) complete() {
	if a.Grants == nil && a.Owner != "" {
		a.Grants = []Grant{{User: a.Owner, Permission: PermFullControl}}
	}
}

// Allows says whether a allows p to user, "" being the anonymous. As in AWS,
// the owner may always read and write the ACL, so as not to lock itself out,
// and anything else only by a grant. FULL_CONTROL is the four others together,
// granted at once or one by one.
//
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#permissions
func (a *ACL) Allows(user string, p Permission) bool { return a.allows(user, p, covers) }

// allowsByName is Allows by what was granted to user itself, and not to a group.
func (a *ACL) allowsByName(user string, p Permission) bool { return a.allows(user, p, names) }

func (a *ACL) allows(user string, p Permission, to func(Grant, string) bool) bool {
	switch p {
	case PermFullControl:
		return a.allows(user, PermRead, to) && a.allows(user, PermWrite, to) &&
			a.allows(user, PermReadACP, to) && a.allows(user, PermWriteACP, to)
	case PermReadACP, PermWriteACP:
		if user != "" && user == a.Owner {
			return true
		}
	case PermRead, PermWrite:
	default:
		return false
	}
	for _, g := range a.Grants {
		if (g.Permission == p || g.Permission == PermFullControl) && to(g, user) {
			return true
		}
	}
	return false
}

// covers says whether user is the grantee of g or in its group.
func covers(g Grant, user string) bool {
	switch g.Group {
	case AllUsers:
		return true
	case AuthenticatedUsers:
		return user != ""
	case "":
		return names(g, user)
	}
	return false
}

// names says whether user itself is the grantee of g; a grant to nobody is none to
// the anonymous.
func names(g Grant, user string) bool { return g.Group == "" && user != "" && g.User == user }

// Within says that a gives nobody more than old does, whoever that is: to change old
// to it takes away, if anything.
func (a *ACL) Within(old *ACL) bool {
	if a.Owner != old.Owner {
		return false
	}
	for _, g := range a.Grants {
		has := func(have Grant, _ string) bool {
			switch {
			case have.Group == AllUsers, have.Group != "" && have.Group == g.Group:
				return true
			case g.Group == "":
				return covers(have, g.User)
			}
			return false
		}
		owner := *old
		if g.Group != "" {
			owner.Owner = "" // what the owner may is not granted to a group
		}
		if !owner.allows(g.User, g.Permission, has) {
			return false
		}
	}
	return true
}
