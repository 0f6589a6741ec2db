package api

import (
	"cmp"
	"fmt"
	"net/http"

	v1 "caret/api/v1"
	"caret/commits/revision"
	"caret/pfs"
)

// warnOf says which of the buckets some S3 clients refuse, and what they would
// take.
func warnOf(buckets ...string) string {
	for _, name := range buckets {
		why, better := revision.CheckHost(name)
		if why == "" {
			continue
		}
		if better != "" {
			why += "; " + better + " would work with all"
		}
		return fmt.Sprintf("S3 clients may refuse the bucket %s: %s", name, why)
	}
	return ""
}

// warnOfCommits is the same for the buckets of commits of a branch.
func warnOfCommits(branch string) string {
	if n := commitLabel + len(branch); n > maxBucket {
		return fmt.Sprintf("bucket names of its commits have %d characters, and many S3 clients take no more than %d", n, maxBucket)
	}
	return ""
}

const (
	commitLabel = 32 + 1 // characters of a commit's id and a dot
	maxBucket   = 63     // characters that clients take
)

func wireRepo(r pfs.Repo) v1.Repo {
	return v1.Repo{Name: r.Name, Description: r.Description, DefaultBranch: r.DefaultBranch, Created: r.Created, Owner: r.Owner}
}

func wireBranch(b pfs.Branch) v1.Branch {
	w := v1.Branch{Name: b.Name, Repo: b.Repo, N: b.N, Created: b.Created, Default: b.Default, Protected: b.Protected}
	if b.N > 0 {
		w.Head, w.Time = b.Head.String(), &b.Time
	}
	return w
}

// wirePage makes a page of a list that was read with one item more than fits.
func wirePage[T, W any](list []T, limit int, wire func(T) W, name func(T) string) v1.Page[W] {
	page := v1.Page[W]{Items: []W{}}
	if len(list) > limit {
		list = list[:limit]
		page.Next = name(list[limit-1])
	}
	for _, x := range list {
		page.Items = append(page.Items, wire(x))
	}
	return page
}

func (s *server) listRepos(c *call) error {
	after, limit, err := c.page()
	if err != nil {
		return err
	}
	list, err := c.fs.Repos(c.Context(), after, limit+1)
	if err != nil {
		return err
	}
	return c.ok(wirePage(list, limit, wireRepo, repoName))
}

func (s *server) createRepo(c *call) error {
	var in v1.CreateRepo
	if err := c.read(&in); err != nil {
		return err
	}
	r, err := c.fs.CreateRepo(c.Context(), pfs.Repo{Name: in.Name, Description: in.Description, DefaultBranch: in.DefaultBranch})
	if err != nil {
		return err
	}
	w := wireRepo(r)
	branch := r.DefaultBranch + "." + r.Name
	w.Warning = cmp.Or(warnOf(branch, r.Name), warnOfCommits(branch))
	return c.answer(http.StatusCreated, w)
}

func (s *server) inspectRepo(c *call) error {
	r, err := c.fs.Repo(c.Context(), c.PathValue("repo"))
	if err != nil {
		return err
	}
	return c.ok(wireRepo(r))
}

func (s *server) updateRepo(c *call) error {
	var in v1.UpdateRepo
	if err := c.read(&in); err != nil {
		return err
	}
	r, err := c.fs.UpdateRepo(c.Context(), c.PathValue("repo"), pfs.RepoUpdate(in))
	if err != nil {
		return err
	}
	return c.ok(wireRepo(r))
}

func wireRemoval(r pfs.Removal) v1.Removal {
	return v1.Removal{Branches: append([]string{}, r.Branches...), BranchCount: r.Count, Commits: r.Commits, Repo: r.Repo}
}

func (s *server) deleteRepo(c *call) error {
	dry, err := c.dryRun()
	if err != nil {
		return err
	}
	force, err := c.flag("force")
	if err != nil {
		return err
	}
	gone, err := c.fs.DeleteRepo(c.Context(), c.PathValue("repo"), pfs.DeleteOptions{Force: force, DryRun: dry})
	if err != nil || !dry {
		return c.done(err)
	}
	return c.ok(wireRemoval(gone))
}

func (s *server) listBranches(c *call) error {
	after, limit, err := c.page()
	if err != nil {
		return err
	}
	list, err := c.fs.Branches(c.Context(), c.PathValue("repo"), after, limit+1)
	if err != nil {
		return err
	}
	return c.ok(wirePage(list, limit, wireBranch, branchName))
}

func (s *server) createBranch(c *call) error {
	var in v1.CreateBranch
	if err := c.read(&in); err != nil {
		return err
	}
	var opt pfs.BranchOptions
	if in.From != "" {
		from, err := c.ref(in.From)
		if err != nil {
			return err
		}
		opt.From = &from
	}
	b, err := c.fs.CreateBranch(c.Context(), c.PathValue("repo"), in.Name, opt)
	if err != nil {
		return err
	}
	w := wireBranch(b)
	branch := b.Name + "." + b.Repo
	w.Warning = cmp.Or(warnOf(branch), warnOfCommits(branch))
	return c.answer(http.StatusCreated, w)
}

func (s *server) inspectBranch(c *call) error {
	b, err := c.fs.Branch(c.Context(), c.PathValue("repo"), c.PathValue("branch"))
	if err != nil {
		return err
	}
	return c.ok(wireBranch(b))
}

func (s *server) deleteBranch(c *call) error {
	dry, err := c.dryRun()
	if err != nil {
		return err
	}
	gone, err := c.fs.DeleteBranch(c.Context(), c.PathValue("repo"), c.PathValue("branch"), pfs.BranchDeletion{DryRun: dry, IfHead: c.options("").IfHead})
	if err != nil || !dry {
		return c.done(err)
	}
	return c.ok(wireRemoval(gone))
}

func (s *server) resolve(c *call) error {
	ref, err := c.queryRef()
	if err != nil {
		return err
	}
	snap, err := c.fs.Open(c.Context(), ref, pfs.ActList, "")
	if err != nil {
		return err
	}
	w := v1.Snapshot{Repo: snap.Repo, Branch: snap.Branch, N: snap.N, Writable: snap.Writable, Open: snap.Open}
	if !snap.ID.IsZero() {
		w.ID = snap.ID.String()
	}
	return c.ok(w)
}
