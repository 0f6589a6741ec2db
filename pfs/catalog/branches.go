package catalog

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"caret/commits"
	"caret/objstore"
	"caret/pfs/rows"
)

// Branch is a lineage of commits under a name.
type Branch struct {
	Repo, Name string
	Created    time.Time
	Head       commits.ID // zero when it has no commit
	N          uint64     // how many commits lead to the head
	Time       time.Time  // of the head; zero when there is none
	Default    bool       // it is what the repo's bare name means
	Protected  bool       // it takes merges only
}

// BranchRow is a branch as it is kept.
type BranchRow struct {
	Lineage commits.LineageID `json:"line"`
	Created time.Time         `json:"created"`
	// First is the branch's first lineage, if a reset has put another in its
	// place; see Home.
	First commits.LineageID `json:"home,omitempty"`
	// Protected branches take merges alone, and are neither reset nor deleted.
	Protected bool `json:"protected,omitempty"`
	// With is set in a branch that was deleted with its repo; see RepoRow.
	With uint64 `json:"with,omitempty"`
}

// Home is the first lineage of a branch, by which it is known for good: what
// belongs to the branch and not to its history is kept under it, and another
// branch that gets the name has another one.
func (b *BranchRow) Home() commits.LineageID { return cmp.Or(b.First, b.Lineage) }

func branchKey(repo RepoRow, name string) []byte { return rows.InRepo(rows.Branch, repo.ID, name) }

func droppedBranchKey(repo RepoRow, name string) []byte {
	return append(rows.InRepo(rows.DroppedBranch, repo.ID, name), 0)
}

// ReadBranch reads a branch; ErrNoSuchBranch.
func ReadBranch(tx objstore.Reader, repo RepoRow, name string) (BranchRow, error) {
	var b BranchRow
	err := rows.Get(tx, branchKey(repo, name), &b)
	if errors.Is(err, objstore.ErrNotFound) {
		return b, &MissingError{Kind: ErrNoSuchBranch, Repo: repo.Name, Name: name}
	}
	return b, err
}

// SetBranch writes a branch.
func SetBranch(tx objstore.Writer, repo RepoRow, name string, b BranchRow) error {
	return rows.Set(tx, branchKey(repo, name), b)
}

// Describe tells of a branch with its head.
func (b *BranchRow) Describe(tx objstore.Reader, repo RepoRow, name string) (Branch, error) {
	list, err := DescribeBranches(tx, repo, []NamedBranch{{name, *b}})
	if err != nil {
		return Branch{}, err
	}
	return list[0], nil
}

// NamedBranch is a branch's row with its name.
type NamedBranch struct {
	Name string
	BranchRow
}

// Branches reads up to limit branches (0: all) whose names sort behind after.
func Branches(tx objstore.Reader, repo RepoRow, after string, limit int) ([]NamedBranch, error) {
	var list []NamedBranch
	err := rows.Some(tx, branchKey(repo, ""), after, limit, func(name string, value []byte) error {
		b := NamedBranch{Name: name}
		err := rows.Decode(branchKey(repo, name), value, &b.BranchRow)
		list = append(list, b)
		return err
	})
	return list, err
}

// DescribeBranches tells of branches with their heads.
func DescribeBranches(tx objstore.Reader, repo RepoRow, list []NamedBranch) ([]Branch, error) {
	lineages := make([]commits.LineageID, len(list))
	for i := range list {
		lineages[i] = list[i].Lineage
	}
	heads, err := commits.ReadHeads(tx, lineages)
	if err != nil {
		return nil, err
	}
	described := make([]Branch, len(list))
	for i, row := range list {
		b := Branch{Repo: repo.Name, Name: row.Name, Created: row.Created, Default: row.Name == repo.DefaultBranch, Protected: row.Protected}
		if head := heads[i]; head.N > 0 {
			b.Head, b.N, b.Time = head.ID, head.N, head.Time
		}
		described[i] = b
	}
	return described, nil
}

// CheckFree says with ErrBranchExists that a branch or a tag has the name.
func CheckFree(tx objstore.Reader, repo RepoRow, name string) error {
	values, err := tx.GetMany([][]byte{branchKey(repo, name), tagKey(repo, name)})
	switch {
	case err != nil:
		return err
	case values[0] != nil:
		return fmt.Errorf("%w: %s in repo %s", ErrBranchExists, name, repo.Name)
	case values[1] != nil:
		return fmt.Errorf("%w: %w: %s in repo %s is a tag", ErrBranchExists, ErrTagExists, name, repo.Name)
	}
	return nil
}

// CreateBranch makes a branch that begins at fork, on a lineage that is new.
// ErrBranchExists.
func CreateBranch(tx objstore.Writer, repo RepoRow, name string, lineage commits.LineageID, fork commits.Pos, by Mover) (BranchRow, error) {
	if err := CheckFree(tx, repo, name); err != nil {
		return BranchRow{}, err
	}
	row := BranchRow{Lineage: lineage, Created: by.Time.Truncate(time.Millisecond)}
	if err := commits.CreateLineage(tx, row.Lineage, repo.ID, fork); err != nil {
		return row, err
	}
	if err := logMove(tx, repo, name, "create", by, nil, &row); err != nil {
		return row, err
	}
	return row, SetBranch(tx, repo, name, row)
}

// MoveBranch makes a branch go on from another commit of its repo, on a lineage
// that is new. action says why.
func MoveBranch(tx objstore.Writer, repo RepoRow, name string, lineage commits.LineageID, to commits.Pos, action string, by Mover) (BranchRow, error) {
	old, err := ReadBranch(tx, repo, name)
	if err != nil {
		return BranchRow{}, err
	}
	row := old
	row.First, row.Lineage = old.Home(), lineage
	if err := commits.CreateLineage(tx, row.Lineage, repo.ID, to); err != nil {
		return BranchRow{}, err
	}
	if err := SetBranch(tx, repo, name, row); err != nil {
		return BranchRow{}, err
	}
	return row, logMove(tx, repo, name, action, by, &old, &row)
}

// DropBranch takes the name of a branch away and keeps its lineage. Its uploads
// and open commits can no longer be reached. with is 0, or the number of the repo that is
// dropped with it.
func DropBranch(tx objstore.Writer, repo RepoRow, name string, with uint64, by Mover) error {
	row, err := ReadBranch(tx, repo, name)
	if err != nil {
		return err
	}
	if err := logMove(tx, repo, name, "delete", by, &row, nil); err != nil {
		return err
	}
	key, err := nextDropped(tx, droppedBranchKey(repo, name), by.Time)
	if err != nil {
		return err
	}
	row.With = with
	return errors.Join(rows.Set(tx, key, row), tx.Delete(branchKey(repo, name)))
}

// RestoreBranch gives the branch of that name that was deleted last its name
// back. ErrBranchExists, ErrNoSuchBranch.
func RestoreBranch(tx objstore.Writer, repo RepoRow, name string, by Mover) (BranchRow, error) {
	var row BranchRow
	if err := CheckFree(tx, repo, name); err != nil {
		return row, err
	}
	key, err := rows.Last(tx, droppedBranchKey(repo, name), &row)
	if err != nil {
		return row, err
	}
	if key == nil {
		return row, fmt.Errorf("%w: no branch %s of repo %s was deleted", ErrNoSuchBranch, name, repo.Name)
	}
	return row, row.restore(tx, repo, name, key, by)
}

// restore gives a deleted branch, which is kept at a key, its name back.
func (b *BranchRow) restore(tx objstore.Writer, repo RepoRow, name string, key []byte, by Mover) error {
	b.With = 0
	return errors.Join(tx.Delete(key), SetBranch(tx, repo, name, *b), logMove(tx, repo, name, "restore", by, nil, b))
}

// DroppedBranch is a branch that RestoreBranch can bring back.
type DroppedBranch struct {
	Branch
	Deleted time.Time
}

// DroppedBranches lists up to limit (0: all) deleted branches of a repo whose
// names sort behind after, each as it was deleted last.
func DroppedBranches(tx objstore.Reader, repo RepoRow, after string, limit int) ([]DroppedBranch, error) {
	var list []NamedBranch
	times, err := eachDropped(tx, rows.InRepo(rows.DroppedBranch, repo.ID, ""), after, limit, func(name string, value []byte) error {
		b := NamedBranch{Name: name}
		err := rows.Decode(droppedBranchKey(repo, name), value, &b.BranchRow)
		list = append(list, b)
		return err
	})
	if err != nil {
		return nil, err
	}
	described, err := DescribeBranches(tx, repo, list)
	dropped := make([]DroppedBranch, len(described))
	for i, b := range described {
		dropped[i] = DroppedBranch{b, times[i]}
	}
	return dropped, err
}

// AllBranches calls fn for each repo, by name, with its branches, read all at once.
func AllBranches(tx objstore.Reader, fn func(RepoRow, []NamedBranch) error) error {
	byRepo := make(map[uint64][]NamedBranch)
	err := rows.Some(tx, []byte{rows.Branch}, "", 0, func(rest string, value []byte) error {
		key := rows.Key(rows.Branch, rest)
		repo, err := rows.Number(key, rest)
		if err != nil {
			return err
		}
		b := NamedBranch{Name: rest[8:]}
		if err := rows.Decode(key, value, &b.BranchRow); err != nil {
			return err
		}
		byRepo[repo] = append(byRepo[repo], b)
		return nil
	})
	if err != nil {
		return err
	}
	return EachRepo(tx, "", func(r RepoRow) (bool, error) { return true, fn(r, byRepo[r.ID]) })
}
