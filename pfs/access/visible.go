package access

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"caret/objstore"
	"caret/pfs/catalog"
	"caret/pfs/rows"
)

// EachListed calls fn for the branches that the caller sees whose names begin with prefix
// and sort behind after, by name, until it returns false. It reads what it hands out, and
// what the caller sees and the limits of its key leave out.
func EachListed(tx objstore.Reader, c Caller, prefix, after string, fn func(Listed) (more bool, err error)) error {
	if c.IsAnonymous() {
		return nil
	}
	whole, err := listsWhole(tx)
	if err != nil {
		return err
	}
	if !whole || c.Admin && c.Repo != "" {
		return eachFound(tx, c, prefix, after, fn)
	}
	who := c.ID
	if c.Admin {
		who = everybodys
	}
	in := objstore.Prefix(append(listPrefix(who), prefix...))
	if after >= prefix && after != "" {
		in = in.Behind(append(listPrefix(who), after...))
	}
	if in.Empty() {
		return nil
	}
	rest := len(listPrefix(who))
	cursor := objstore.Scan(tx, in)
	for cursor.Next() {
		l, err := decodeListed(cursor.Key(), string(cursor.Key()[rest:]), cursor.Value())
		if err != nil {
			return err
		}
		if ok, err := c.within(tx, l.Name); err != nil {
			return err
		} else if !ok {
			continue
		}
		if more, err := fn(l); err != nil || !more {
			return err
		}
	}
	return cursor.Err()
}

// within says whether the limits of the caller's key leave a branch in its list.
func (c Caller) within(tx objstore.Reader, name string) (bool, error) {
	branch, repo := catalog.SplitListName(name)
	switch {
	case c.Repo == "":
		return true, nil
	case c.Repo != repo:
		return false, nil
	case c.Branch == "" || branch != "":
		return c.Branch == "" || c.Branch == branch, nil
	}
	r, err := catalog.ReadRepo(tx, repo)
	return err == nil && r.DefaultBranch == c.Branch, err
}

// eachFound is EachListed without lists: it looks at all branches, of the only repo that
// the caller's key is for or of all.
func eachFound(tx objstore.Reader, c Caller, prefix, after string, fn func(Listed) (bool, error)) error {
	var found []Listed
	look := func(r catalog.RepoRow, list []catalog.NamedBranch) error {
		seen, err := Visible(tx, c, r, list)
		if err != nil {
			return err
		}
		for i, b := range list {
			if name := r.ListName(b.Name); seen[i] && strings.HasPrefix(name, prefix) && name > after {
				found = append(found, Listed{name, b.Created})
			}
		}
		return nil
	}
	err := onlyRepo(tx, c, look)
	if c.Repo == "" {
		err = catalog.AllBranches(tx, look)
	}
	if err != nil {
		return err
	}
	slices.SortFunc(found, func(a, b Listed) int { return strings.Compare(a.Name, b.Name) })
	for _, l := range found {
		if more, err := fn(l); err != nil || !more {
			return err
		}
	}
	return nil
}

// onlyRepo calls fn for the only repo that the caller's key is for, if there is one.
func onlyRepo(tx objstore.Reader, c Caller, fn func(catalog.RepoRow, []catalog.NamedBranch) error) error {
	if c.Repo == "" {
		return nil
	}
	r, err := catalog.ReadRepo(tx, c.Repo)
	if errors.Is(err, catalog.ErrNoSuchRepo) {
		return nil
	}
	if err != nil {
		return err
	}
	list, err := catalog.Branches(tx, r, "", 0)
	if err != nil {
		return err
	}
	return fn(r, list)
}

// VisibleIn reads up to limit branches (0: all) of a repo that the caller sees, whose
// names sort behind after.
func VisibleIn(tx objstore.Reader, c Caller, repo catalog.RepoRow, after string, limit int) ([]catalog.NamedBranch, error) {
	whole, err := listsWhole(tx)
	if err != nil || c.IsAnonymous() || c.Repo != "" && c.Repo != repo.Name {
		return nil, err
	}
	all := c.Admin || c.Owns(repo.Owner)
	if all && c.Branch == "" {
		return catalog.Branches(tx, repo, after, limit)
	}
	if all || !whole {
		return visibleIn(tx, c, repo, after, limit)
	}
	var names []string
	err = EachListed(tx, c, "", "", func(l Listed) (bool, error) {
		if branch, in := catalog.SplitListName(l.Name); in == repo.Name {
			names = append(names, cmp.Or(branch, repo.DefaultBranch))
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(names) // by the branch alone
	var list []catalog.NamedBranch
	for _, name := range names {
		if name <= after || limit > 0 && len(list) == limit {
			continue
		}
		row, err := catalog.ReadBranch(tx, repo, name)
		if err != nil {
			return nil, err
		}
		list = append(list, catalog.NamedBranch{Name: name, BranchRow: row})
	}
	return list, nil
}

// visibleIn is VisibleIn without lists.
func visibleIn(tx objstore.Reader, c Caller, repo catalog.RepoRow, after string, limit int) ([]catalog.NamedBranch, error) {
	all, err := catalog.Branches(tx, repo, after, 0)
	if err != nil {
		return nil, err
	}
	seen, err := Visible(tx, c, repo, all)
	var list []catalog.NamedBranch
	for i, b := range all {
		if err == nil && seen[i] && (limit <= 0 || len(list) < limit) {
			list = append(list, b)
		}
	}
	return list, err
}

// Visible says for each of a repo's branches whether the caller's list of
// branches has it: it owns it, or was granted something by name.
func Visible(tx objstore.Reader, c Caller, repo catalog.RepoRow, list []catalog.NamedBranch) ([]bool, error) {
	seen := make([]bool, len(list))
	everything := c.Unlimited()
	if !everything && (c.IsAnonymous() || c.Repo != "" && c.Repo != repo.Name) {
		return seen, nil
	}
	var ask []int
	for i, b := range list {
		within := everything || c.Branch == "" || c.Branch == b.Name
		seen[i] = within && (everything || c.Admin || c.Owns(repo.Owner))
		if within && !seen[i] {
			ask = append(ask, i)
		}
	}
	if len(ask) == 0 {
		return seen, nil
	}
	keys := make([][]byte, len(ask))
	for k, i := range ask {
		keys[k] = settingsKey(list[i].Home())
	}
	values, err := tx.GetMany(keys)
	if err != nil {
		return nil, err
	}
	for k, i := range ask {
		var set BranchSettings
		if values[k] != nil {
			if err := rows.Decode(keys[k], values[k], &set); err != nil {
				return nil, err
			}
		}
		set.fill(repo, list[i].Home())
		seen[i] = slices.Contains(set.named(), c.ID) && c.ID != ""
	}
	return seen, nil
}
