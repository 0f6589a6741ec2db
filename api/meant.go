package api

import (
	"errors"
	"slices"

	"caret/api/nearest"
	"caret/pfs"
)

const (
	maxNames = 1000 // that are looked at for the one that was meant
	maxSeen  = 3    // of the nearest ones, that are looked up
)

// named are names of one kind, and who sees them.
type named struct {
	names []string
	sees  func(name string) bool
}

// meant is the name of something that the caller may know of, and may have
// meant when asking for what is missing; "" if there is none. What goes wrong
// on the way is no matter: there is an error to be told already.
func (s *server) meant(c *call, missing *pfs.MissingError) string {
	n := s.candidates(c, missing)
	for range maxSeen {
		best := nearest.Of(missing.Name, n.names)
		if best == "" || n.sees(best) {
			return best
		}
		n.names = slices.DeleteFunc(n.names, func(s string) bool { return s == best })
	}
	return ""
}

func (s *server) candidates(c *call, missing *pfs.MissingError) named {
	switch {
	case errors.Is(missing, pfs.ErrNoSuchRepo):
		return s.repoNames(c)
	case errors.Is(missing, pfs.ErrNoSuchBranch):
		return s.branchNames(c, missing.Repo)
	case errors.Is(missing, pfs.ErrNoSuchTag):
		return s.tagNames(c, missing.Repo)
	case errors.Is(missing, pfs.ErrNoSuchCommit):
		branches, tags := s.branchNames(c, missing.Repo), s.tagNames(c, missing.Repo)
		return named{slices.Concat(branches.names, tags.names), func(name string) bool {
			if slices.Contains(tags.names, name) { // none is the name of both
				return tags.sees(name)
			}
			return branches.sees(name)
		}}
	case errors.Is(missing, pfs.ErrNoSuchUser):
		return s.userNames(c)
	}
	return named{}
}

func (s *server) repoNames(c *call) named {
	list, _ := s.fs.Repos(c.Context(), "", maxNames)
	return named{namesOf(list, repoName), func(name string) bool {
		seen, err := s.branches(c, name, "", 1)
		return err == nil && len(seen) > 0
	}}
}

func (s *server) branchNames(c *call, repo string) named {
	list, _ := s.fs.Branches(c.Context(), repo, "", maxNames)
	return named{namesOf(list, branchName), func(name string) bool {
		ok, err := s.seesBranch(c, repo, name)
		return err == nil && ok
	}}
}

func (s *server) tagNames(c *call, repo string) named {
	list, _ := s.fs.Tags(c.Context(), repo, "", maxNames)
	return named{namesOf(list, tagName), func(string) bool {
		return s.may(c, pfs.Ref{Repo: repo}, pfs.ActList) == nil
	}}
}

func (s *server) userNames(c *call) named {
	list, _ := s.fs.Users(c.Context(), "", maxNames)
	return named{namesOf(list, userName), func(string) bool { return c.admin() == nil }}
}

func namesOf[T any](list []T, name func(T) string) []string {
	names := make([]string, len(list))
	for i, x := range list {
		names[i] = name(x)
	}
	return names
}

func repoName(r pfs.Repo) string     { return r.Name }
func branchName(b pfs.Branch) string { return b.Name }
func tagName(t pfs.Tag) string       { return t.Name }
func userName(u pfs.User) string     { return u.Name }
