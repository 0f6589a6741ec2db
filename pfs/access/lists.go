package access

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"caret/objstore"
	"caret/pfs/catalog"
	"caret/pfs/rows"
)

// Whoever asks which branches there are is told of those that it owns or was granted
// something of by name. So that this costs as much as there is to tell, and not as much
// as there are branches, each user has a list of rows, and there is one of all branches.
// They are written in the transactions that change a branch, its repo, or who is named in
// its settings, and say nothing that is not said there: [Decide] does not look at them.

// Listed is a branch as it is listed.
type Listed struct {
	Name    string // see catalog.Repo.ListName
	Created time.Time
}

// everybodys is whose list has all branches.
const everybodys = ""

func listPrefix(who string) []byte { return append(rows.Key(rows.InList, who), 0) }

// listRow is a row of somebody's list.
func listRow(who string, repo *catalog.Repo, b *catalog.NamedBranch) objstore.Row {
	return objstore.Row{
		Key:   append(listPrefix(who), repo.ListName(b.Name)...),
		Value: binary.AppendUvarint(nil, uint64(b.Created.UnixMilli())),
	}
}

// ListRows are the rows that lists must have of a branch. The root user has no list, as
// it sees everything.
func ListRows(tx objstore.Reader, repo catalog.RepoRow, b catalog.NamedBranch) ([]objstore.Row, error) {
	set, err := ReadSettings(tx, &catalog.Snapshot{Repo: repo.Name, Row: repo, Branch: b.Name, Home: b.Home()})
	if err != nil {
		return nil, err
	}
	who := append(set.named(), repo.Owner, everybodys)
	slices.Sort(who)
	var list []objstore.Row
	for _, user := range slices.Compact(who) {
		if user != RootUser {
			list = append(list, listRow(user, &repo.Repo, &b))
		}
	}
	return list, nil
}

// Enlist puts a branch into the lists of all who see it.
func Enlist(tx objstore.Writer, repo catalog.RepoRow, b catalog.NamedBranch) error {
	list, err := ListRows(tx, repo, b)
	for _, row := range list {
		err = cmp.Or(err, tx.Set(row.Key, row.Value))
	}
	return err
}

// Delist takes a branch out of the lists of all who see it.
func Delist(tx objstore.Writer, repo catalog.RepoRow, b catalog.NamedBranch) error {
	list, err := ListRows(tx, repo, b)
	for _, row := range list {
		err = cmp.Or(err, tx.Delete(row.Key))
	}
	return err
}

// splitListKey is whose list a row is in, and the branch's ListName.
func splitListKey(key []byte) (who, name string, err error) {
	who, name, ok := strings.Cut(string(key[1:]), "\x00")
	if !ok || name == "" {
		return "", "", rows.BadKey(key)
	}
	return who, name, nil
}

func decodeListed(key []byte, name string, value []byte) (Listed, error) {
	ms, n := binary.Uvarint(value)
	if n <= 0 || n != len(value) {
		return Listed{}, fmt.Errorf("%w: row %q", objstore.ErrCorrupt, key)
	}
	return Listed{name, time.UnixMilli(int64(ms)).UTC()}, nil
}

// ParseListRow says with objstore.ErrCorrupt that a row cannot be one of a list, and
// otherwise which branch it lists.
func ParseListRow(row objstore.Row) (Listed, error) {
	_, name, err := splitListKey(row.Key)
	if err != nil {
		return Listed{}, err
	}
	return decodeListed(row.Key, name, row.Value)
}

// Belongs says whether a row of a list is one that it must have. objstore.ErrCorrupt.
func Belongs(tx objstore.Reader, row objstore.Row) (bool, error) {
	l, err := ParseListRow(row)
	if err != nil {
		return false, err
	}
	repo, b, err := readListed(tx, l.Name)
	if err != nil || b.Name == "" {
		return false, err
	}
	list, err := ListRows(tx, repo, b)
	return slices.ContainsFunc(list, func(r objstore.Row) bool {
		return string(r.Key) == string(row.Key) && string(r.Value) == string(row.Value)
	}), err
}

// readListed reads the branch that is listed by a name; it has no name if there is none.
func readListed(tx objstore.Reader, name string) (repo catalog.RepoRow, b catalog.NamedBranch, err error) {
	branch, in := catalog.SplitListName(name)
	if repo, err = catalog.ReadRepo(tx, in); err == nil {
		branch = cmp.Or(branch, repo.DefaultBranch)
		if repo.ListName(branch) != name {
			return repo, b, nil
		}
		b.BranchRow, err = catalog.ReadBranch(tx, repo, branch)
	}
	if errors.Is(err, catalog.ErrNoSuchRepo) || errors.Is(err, catalog.ErrNoSuchBranch) {
		return repo, b, nil
	}
	b.Name = branch
	return repo, b, err
}

// listsWhole says whether lists have all they must have: those of a store that an earlier
// caret has made are filled in the background.
func listsWhole(tx objstore.Reader) (bool, error) {
	_, err := tx.Get(rows.Key(rows.Listed, ""))
	if errors.Is(err, objstore.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
