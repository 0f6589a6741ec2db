package pfs

import (
	"context"
	"errors"

	"caret/pfs/access"
	"caret/pfs/catalog"
)

// Listed is a branch as a list of all branches has it.
type Listed = access.Listed

// Listed lists up to limit branches (0: all) of all repos that the caller sees, whose names
// there begin with prefix and sort behind after, by name; see Repo.ListName. It takes as
// long as there is to tell, however many branches there are.
func (v *View) Listed(prefix, after string, limit int) (list []Listed, err error) {
	err = access.EachListed(v.tx, v.who, prefix, after, func(l Listed) (bool, error) {
		list = append(list, l)
		return limit <= 0 || len(list) < limit, v.ctx.Err()
	})
	return list, err
}

// Listed is View.Listed in a view of its own.
func (fs *FS) Listed(ctx context.Context, prefix, after string, limit int) (list []Listed, err error) {
	err = fs.View(ctx, func(v *View) error {
		list, err = v.Listed(prefix, after, limit)
		return err
	})
	return list, err
}

// reposSeen are the repos that the caller sees a branch of; all says that these are all.
func (v *View) reposSeen() (seen map[string]bool, all bool, err error) {
	if v.who.Admin && v.who.Repo == "" {
		return nil, true, nil
	}
	seen = make(map[string]bool)
	err = access.EachListed(v.tx, v.who, "", "", func(l Listed) (bool, error) {
		_, repo := catalog.SplitListName(l.Name)
		seen[repo] = true
		return true, nil
	})
	return seen, false, err
}

// relist runs fn, which changes how a branch is listed, or by whom it is seen, and lists
// it as it then is.
func (c *change) relist(r catalog.RepoRow, b catalog.NamedBranch, fn func() error) error {
	if err := access.Delist(c.tx, r, b); err != nil {
		return err
	}
	if err := fn(); err != nil {
		return err
	}
	return access.Enlist(c.tx, r, b)
}

// setRepo writes what is said of a repo, whose default branch may be another than before.
func (c *change) setRepo(was, r catalog.RepoRow) error {
	if was.DefaultBranch == r.DefaultBranch {
		return catalog.SetRepo(c.tx, r)
	}
	var both []catalog.NamedBranch
	for _, name := range []string{was.DefaultBranch, r.DefaultBranch} {
		row, err := catalog.ReadBranch(c.tx, r, name)
		if errors.Is(err, ErrNoSuchBranch) {
			continue
		}
		if err == nil {
			err = access.Delist(c.tx, was, catalog.NamedBranch{Name: name, BranchRow: row})
		}
		if err != nil {
			return err
		}
		both = append(both, catalog.NamedBranch{Name: name, BranchRow: row})
	}
	if err := catalog.SetRepo(c.tx, r); err != nil {
		return err
	}
	for _, b := range both {
		if err := access.Enlist(c.tx, r, b); err != nil {
			return err
		}
	}
	return nil
}
