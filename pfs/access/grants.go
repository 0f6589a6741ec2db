package access

import (
	"fmt"
	"slices"
)

// May is what a BranchGrant allows.
type May string

// MayRead is to list a branch and to read all its files, with the versions that lead to
// its head. MayWrite is to write to it and to merge into it besides.
const (
	MayRead  May = "read"
	MayWrite May = "write"
)

// ParseMay reads what a grant allows. ErrInvalidArgument.
func ParseMay(s string) (May, error) {
	if m := May(s); m == MayRead || m == MayWrite {
		return m, nil
	}
	return "", fmt.Errorf("%w: a grant is of %s or %s, not %q", ErrInvalidArgument, MayRead, MayWrite, s)
}

// BranchGrant allows a user something with a branch and all its files, whoever wrote
// them. ACLs are S3's: there a grant on a bucket says nothing of what is in it.
type BranchGrant struct {
	User string `json:"user"` // its ID
	May  May    `json:"may"`
}

// maxBranchGrants is how many a branch may have.
const maxBranchGrants = 1000

// Grant gives a user a grant, in place of one that it has.
func (s *Settings) Grant(user string, may May) error {
	s.Revoke(user)
	if len(s.Grants) == maxBranchGrants {
		return fmt.Errorf("%w: a branch has at most %d grants", ErrInvalidArgument, maxBranchGrants)
	}
	s.Grants = append(s.Grants, BranchGrant{user, may})
	return nil
}

// Revoke takes the grant of a user away and says whether there was one.
func (s *Settings) Revoke(user string) bool {
	n := len(s.Grants)
	s.Grants = slices.DeleteFunc(s.Grants, func(g BranchGrant) bool { return g.User == user })
	return len(s.Grants) < n
}

// Granted says whether there is a grant for the user with an ID.
func (s *Settings) Granted(user string) bool {
	return slices.ContainsFunc(s.Grants, func(g BranchGrant) bool { return g.User == user })
}

// grants says whether a caller may do with all files what p is about.
func (s *Settings) grants(c Caller, p Permission) bool {
	for _, g := range s.Grants {
		if c.Owns(g.User) && (p == PermRead || p == PermWrite && g.May == MayWrite) {
			return true
		}
	}
	return false
}

// grantsWithin says that s grants nobody more than old does.
func (s *Settings) grantsWithin(old *Settings) bool {
	for _, g := range s.Grants {
		if !slices.ContainsFunc(old.Grants, func(had BranchGrant) bool { return had.User == g.User && (had.May == g.May || had.May == MayWrite) }) {
			return false
		}
	}
	return true
}

// named are the users that are named as somebody who has something to do with the
// branch: its owner, and whom it grants something.
func (s *Settings) named() []string {
	list := []string{s.ACL.Owner}
	for _, g := range s.ACL.Grants {
		list = append(list, g.User)
	}
	for _, g := range s.Grants {
		list = append(list, g.User)
	}
	return list
}
