package pfs

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
	Owner  string  `json:"owner"` // a user's ID
	Grants []Grant `json:"grants,omitempty"`
}
