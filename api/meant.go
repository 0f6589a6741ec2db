package api

import (
	"errors"

	"caret/api/nearest"
	"caret/pfs"
)

// maxNames is how many names are looked at for the one that was meant.
const maxNames = 1000

// meant is the name of something that the caller may know of, and may have
// meant when asking for what is missing; "" if there is none. What goes wrong
// on the way is no matter: there is an error to be told already.
func (c *call) meant(missing *pfs.MissingError) string {
	if c.fs == nil {
		return ""
	}
	var names []string
	switch {
	case errors.Is(missing, pfs.ErrNoSuchRepo):
		list, _ := c.fs.Repos(c.Context(), "", maxNames)
		names = namesOf(list, repoName)
	case errors.Is(missing, pfs.ErrNoSuchBranch):
		names = c.branchNames(missing.Repo)
	case errors.Is(missing, pfs.ErrNoSuchTag):
		names = c.tagNames(missing.Repo)
	case errors.Is(missing, pfs.ErrNoSuchCommit):
		names = append(c.branchNames(missing.Repo), c.tagNames(missing.Repo)...)
	case errors.Is(missing, pfs.ErrNoSuchUser):
		list, _ := c.fs.Users(c.Context(), "", maxNames)
		names = namesOf(list, userName)
	}
	return nearest.Of(missing.Name, names)
}

func (c *call) branchNames(repo string) []string {
	list, _ := c.fs.Branches(c.Context(), repo, "", maxNames)
	return namesOf(list, branchName)
}

func (c *call) tagNames(repo string) []string {
	list, _ := c.fs.Tags(c.Context(), repo, "", maxNames)
	return namesOf(list, tagName)
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
