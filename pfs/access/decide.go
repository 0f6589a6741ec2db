package access

import (
	"errors"
	"fmt"

	"caret/commits"
	"caret/objstore"
	"caret/pfs/catalog"
)

// Request is a question: may the caller do this with that?
type Request struct {
	Caller Caller
	Action Action
	// At is what it is about, with the branch that it was reached through; nil
	// for what is about none. For actions on a repo its Row is enough.
	At *catalog.Snapshot
	// Path is the file that it is about, "" if it is about none; File looks up
	// what At has there (commits.ErrNoPath if nothing).
	Path string
	File func(path string) (commits.State, error)
	// User is whose keys they are.
	User string
}

// Decide answers with nil that the caller may, or with ErrDenied and why not.
//
// Administrators and the owner of a repo may do everything, the owner of a
// branch everything with it. Everybody else has what ACLs grant, and reaches
// through a branch only the commits that lead to its head, as any commit of a
// repo can be named. Limits of the caller's key come before all that, and
// what a protected branch takes behind it.
func Decide(tx objstore.Reader, q Request) error {
	var err error
	switch q.Action {
	case CreateRepo:
		return q.createRepo()
	case ManageUsers, ManageKeys:
		return q.manageUsers()
	case Verify:
		return q.verify()
	case Administer:
		return q.administer()
	case Audit:
		return q.audit()
	case See:
		var seen []bool
		list := []catalog.NamedBranch{{Name: q.At.Branch, BranchRow: catalog.BranchRow{Lineage: q.At.Home}}}
		if seen, err = Visible(tx, q.Caller, q.At.Row, list); err == nil && !seen[0] {
			err = q.denied()
		}
		return err
	case Finish:
		err = q.finish(tx)
	default:
		err = q.onSnapshot(tx)
	}
	if err == nil && q.At.Protected && q.At.Writable && !q.At.Open && (q.Action == Write || q.Action == Merge) {
		err = q.onProtected(tx)
	}
	return err
}

// onProtected: a protected branch takes merges alone, of who owns it.
func (q *Request) onProtected(tx objstore.Reader) error {
	refused := fmt.Errorf("%w: branch %s of repo %s is protected: it takes merges only, and those of its owner, the repo's and administrators",
		ErrDenied, q.At.Branch, q.At.Repo)
	if q.Action == Write {
		return refused
	}
	own := *q
	own.Action = Own
	if err := own.withinLimits(); err != nil {
		return err // whoever holds the key
	}
	if err := own.onSnapshot(tx); !errors.Is(err, ErrDenied) {
		return err
	}
	return refused
}

func (q *Request) createRepo() error {
	switch c := q.Caller; {
	case c.IsAnonymous():
		return fmt.Errorf("%w: sign the request to make a repo", ErrDenied)
	case c.ReadOnly:
		return fmt.Errorf("%w: the key only reads", ErrDenied)
	case c.Repo != "":
		return fmt.Errorf("%w: the key is for %s alone", ErrDenied, c.scope())
	}
	return nil
}

// manageUsers: administrators do, and users manage keys of their own.
func (q *Request) manageUsers() error {
	c := q.Caller
	if c.Unlimited() || q.Action == ManageKeys && q.User != "" && q.User == c.Name && c.ID != "" && !c.ReadOnly && c.Repo == "" {
		return nil
	}
	return fmt.Errorf("%w: only administrators manage users", ErrDenied)
}

// verify: administrators do, as it tells of everything, with keys that only read too.
func (q *Request) verify() error {
	if c := q.Caller; c.Admin && c.Repo == "" {
		return nil
	}
	return fmt.Errorf("%w: only administrators verify what is stored", ErrDenied)
}

// audit: administrators read the trail, with keys that only read too, and the owner
// of a repo that of the repo.
func (q *Request) audit() error {
	switch c := q.Caller; {
	case c.Admin && c.Repo == "":
		return nil
	case q.At == nil:
		return fmt.Errorf("%w: only administrators read the trail of all changes; the owner of a repo reads that of the repo", ErrDenied)
	case c.Repo != "" && (c.Repo != q.At.Row.Name || c.Branch != ""):
		return fmt.Errorf("%w: the key is for %s alone", ErrDenied, c.scope())
	case c.Admin, c.Owns(q.At.Row.Owner):
		return nil
	}
	return q.denied()
}

func (q *Request) administer() error {
	switch c, repo := q.Caller, q.At.Row; {
	case c.Unlimited():
		return nil
	case c.ReadOnly:
		return fmt.Errorf("%w: the key only reads", ErrDenied)
	case c.Repo != "" && (c.Repo != repo.Name || c.Branch != ""):
		return fmt.Errorf("%w: the key is for %s alone", ErrDenied, c.scope())
	case c.Admin, c.Owns(repo.Owner):
		return nil
	}
	return q.denied()
}

// finish: who started an open commit may, and the repo's owner.
func (q *Request) finish(tx objstore.Reader) error {
	if err := q.onSnapshot(tx); err != nil {
		return err
	}
	c := q.Caller
	if c.Admin || c.Owns(q.At.Row.Owner) || c.Owns(q.At.Started.Starter) {
		return nil
	}
	return fmt.Errorf("%w: commit %s was started by somebody else", ErrDenied, q.At.ID)
}

func (q *Request) onSnapshot(tx objstore.Reader) error {
	c := q.Caller
	if c.Unlimited() {
		return nil
	}
	if err := q.withinLimits(); err != nil {
		return err
	}
	if c.Branch != "" || !c.Admin && !c.Owns(q.At.Row.Owner) {
		if ok, err := leadsToBranch(tx, q.At); err != nil {
			return err
		} else if !ok {
			return q.denied()
		}
	}
	if c.Admin || c.Owns(q.At.Row.Owner) {
		return nil
	}
	set, err := ReadSettings(tx, q.At)
	if err != nil {
		return err
	}
	if c.Owns(set.ACL.Owner) {
		return nil
	}
	return q.granted(tx, set)
}

// withinLimits checks what the key may be used for.
func (q *Request) withinLimits() error {
	switch c := q.Caller; {
	case c.ReadOnly && !q.Action.onlyReads():
		return fmt.Errorf("%w: the key only reads", ErrDenied)
	case c.Repo != "" && c.Repo != q.At.Repo, c.Branch != "" && c.Branch != q.At.Governing():
		return fmt.Errorf("%w: the key is for %s alone", ErrDenied, c.scope())
	case c.Branch != "" && (q.Action == Own || q.Action == WriteACP && q.Path == ""):
		return fmt.Errorf("%w: a key for one branch cannot administer it", ErrDenied)
	}
	return nil
}

// leadsToBranch says whether the snapshot's commit leads to the head of the
// branch that it was reached through.
func leadsToBranch(tx objstore.Reader, s *catalog.Snapshot) (bool, error) {
	if s.Writable && !s.Open {
		return true, nil // it is the head itself
	}
	row, err := catalog.ReadBranch(tx, s.Row, s.Governing())
	if errors.Is(err, catalog.ErrNoSuchBranch) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if s.Home != 0 && s.Home != row.Home() {
		return false, nil // of a branch that had the name before
	}
	if s.Pos.N == 0 {
		return true, nil
	}
	head, err := commits.ReadHead(tx, row.Lineage)
	if err != nil {
		return false, err
	}
	own, err := commits.Owner(tx, s.Pos)
	if err != nil {
		return false, err
	}
	same, err := commits.Owner(tx, commits.Pos{Lineage: row.Lineage, N: min(own.N, head.N)})
	return same == own, err
}

// granted looks for a grant.
func (q *Request) granted(tx objstore.Reader, set *BranchSettings) error {
	act := q.Action
	if act == Own || act == Inspect {
		return q.denied()
	}
	if q.At.Open && (act == Read || act == ReadAll || act == List) {
		if done, err := q.staged(tx, set); done || err != nil {
			return err
		}
	}
	if set.grants(q.Caller, act.permission()) {
		return nil
	}
	if act == ReadAll {
		return q.denied() // ACLs say nothing of all files
	}
	if q.Path == "" || act.permission() == PermWrite || act == List {
		if set.ACL.Allows(q.Caller.ID, act.permission()) {
			return nil
		}
		return q.denied()
	}
	a, err := set.FileACL(tx, q.Path, q.File)
	if err != nil {
		return err
	}
	if a.Allows(q.Caller.ID, act.permission()) {
		return nil
	}
	// That there is no such file is told only to whom may list.
	if act == Read && set.ACL.Allows(q.Caller.ID, PermRead) {
		if st, err := q.File(q.Path); errors.Is(err, commits.ErrNoPath) || err == nil && st.Deleted {
			return nil
		}
	}
	return q.denied()
}

// staged decides about what is staged in an open commit, which those see who
// write; what its parent has, those who see it there. done says that this was
// the decision.
func (q *Request) staged(tx objstore.Reader, set *BranchSettings) (done bool, err error) {
	if q.Action == Read {
		_, err := commits.ReadStaged(tx, q.At.ID, q.Path)
		if errors.Is(err, commits.ErrNoPath) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	if !set.ACL.Allows(q.Caller.ID, PermWrite) && !set.grants(q.Caller, PermWrite) {
		return true, q.denied()
	}
	return q.Action == Read, nil
}

func (q *Request) denied() error {
	name := "the anonymous"
	if !q.Caller.IsAnonymous() {
		name = "user " + q.Caller.Name
	}
	return fmt.Errorf("%w: %s may not %s repo %s here", ErrDenied, name, q.Action, q.At.Row.Name)
}
