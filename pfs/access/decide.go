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
	// Present says whether the head of the branch that At was reached through has a
	// file at path, and its list of versions that version. It is asked about what
	// everybody was granted.
	Present func(path string, version commits.ID) (bool, error)
	// User is whose keys they are.
	User string
}

// Sight is how much a caller sees of the states that it may read or list.
type Sight int

// Sights.
const (
	Past    Sight = iota // what any commit has that leads to the head
	Present              // of that, what is still there: for who was granted it as everybody was
)

// Decide answers with nil that the caller may, and with the sight it has, or with
// ErrDenied and why not.
//
// Administrators and the owner of a repo may do everything, the owner of a
// branch everything with it. Everybody else has what ACLs grant, and reaches
// through a branch only the commits that lead to its head, as any commit of a
// repo can be named. What is granted to everybody, with a key or without, holds
// for what is still there: not for a file that the branch's head has no more, nor for
// a version that was removed, of which who was granted something by name and the
// owner have the history. (commits.ErrNoPath instead of ErrDenied to whom may list: to
// them it is as if it had never been there.) Limits of the caller's key come before
// all that, and what a protected branch takes behind it.
func Decide(tx objstore.Reader, q Request) (Sight, error) {
	switch q.Action {
	case CreateRepo:
		return Past, q.createRepo()
	case ManageUsers, ManageKeys:
		return Past, q.manageUsers()
	case Verify:
		return Past, q.oversee("verify what is stored")
	case Oversee:
		return Past, q.oversee("see how the server is")
	case Administer:
		return Past, q.administer()
	case Audit:
		return Past, q.audit()
	case See:
		return Past, q.see(tx)
	}
	var sight Sight
	var err error
	if q.Action == Finish {
		err = q.finish(tx)
	} else {
		sight, err = q.onSnapshot(tx)
	}
	if err == nil && q.At.Protected && q.At.Writable && !q.At.Open && (q.Action == Write || q.Action == Merge) {
		err = q.onProtected(tx)
	}
	return sight, err
}

func (q *Request) see(tx objstore.Reader) error {
	list := []catalog.NamedBranch{{Name: q.At.Branch, BranchRow: catalog.BranchRow{Lineage: q.At.Home}}}
	seen, err := Visible(tx, q.Caller, q.At.Row, list)
	if err == nil && !seen[0] {
		err = q.denied()
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
	if _, err := own.onSnapshot(tx); !errors.Is(err, ErrDenied) {
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

// oversee: administrators do, as it tells of everything, with keys that only read too.
func (q *Request) oversee(what string) error {
	if c := q.Caller; c.Admin && c.Repo == "" {
		return nil
	}
	return fmt.Errorf("%w: only administrators %s", ErrDenied, what)
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
	if _, err := q.onSnapshot(tx); err != nil {
		return err
	}
	c := q.Caller
	if c.Admin || c.Owns(q.At.Row.Owner) || c.Owns(q.At.Started.Starter) {
		return nil
	}
	return fmt.Errorf("%w: commit %s was started by somebody else", ErrDenied, q.At.ID)
}

func (q *Request) onSnapshot(tx objstore.Reader) (Sight, error) {
	c := q.Caller
	if c.Unlimited() {
		return Past, nil
	}
	if err := q.withinLimits(); err != nil {
		return Past, err
	}
	if c.Branch != "" || !c.Admin && !c.Owns(q.At.Row.Owner) {
		if ok, err := leadsToBranch(tx, q.At); err != nil {
			return Past, err
		} else if !ok {
			return Past, q.denied()
		}
	}
	if c.Admin || c.Owns(q.At.Row.Owner) {
		return Past, nil
	}
	set, err := ReadSettings(tx, q.At)
	if err != nil {
		return Past, err
	}
	if c.Owns(set.ACL.Owner) {
		return Past, nil
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
func (q *Request) granted(tx objstore.Reader, set *BranchSettings) (Sight, error) {
	act, who := q.Action, q.Caller.ID
	if act == Own || act == Inspect {
		return Past, q.denied()
	}
	if q.At.Open && (act == Read || act == ReadAll || act == List) {
		if done, err := q.staged(tx, set); done || err != nil {
			return q.sight(set, nil), err
		}
	}
	if set.grants(q.Caller, act.permission()) {
		return Past, nil
	}
	if act == ReadAll {
		return Past, q.denied() // ACLs say nothing of all files
	}
	if q.Path == "" || act.permission() == PermWrite || act == List {
		if set.ACL.Allows(who, act.permission()) {
			return q.sight(set, nil), nil
		}
		return Past, q.denied()
	}
	a, err := set.FileACL(tx, q.Path, q.File)
	if err != nil {
		return Past, err
	}
	sight := q.sight(set, &a)
	if a.Allows(who, act.permission()) {
		return sight, q.present(sight, set)
	}
	// That there is no such file is told only to whom may list.
	if act == Read && set.ACL.Allows(who, PermRead) {
		if st, err := q.File(q.Path); errors.Is(err, commits.ErrNoPath) || err == nil && st.Deleted {
			return sight, nil
		}
	}
	return Past, q.denied()
}

// sight is what is seen by who was granted something on the branch, or on the
// file, if it is about one.
func (q *Request) sight(set *BranchSettings, file *ACL) Sight {
	if set.grants(q.Caller, PermRead) || set.ACL.allowsByName(q.Caller.ID, PermRead) || file != nil && file.allowsByName(q.Caller.ID, q.Action.permission()) {
		return Past
	}
	return Present
}

// present refuses what was granted to everybody and is not there any more.
func (q *Request) present(sight Sight, set *BranchSettings) error {
	if sight == Past || q.At.Writable && !q.At.Open {
		return nil // or the head itself: what it has is there
	}
	st, err := q.File(q.Path)
	if err != nil {
		return err
	}
	there, err := q.Present(q.Path, st.Commit)
	switch {
	case there || err != nil:
		return err
	case set.ACL.Allows(q.Caller.ID, PermRead):
		return fmt.Errorf("%w: %q", commits.ErrNoPath, q.Path)
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

// Refuse is ErrDenied, in the words of Decide, whatever was granted.
func Refuse(q Request) error {
	if err := q.withinLimits(); err != nil {
		return err
	}
	return q.denied()
}

func (q *Request) denied() error {
	name := "the anonymous"
	if !q.Caller.IsAnonymous() {
		name = "user " + q.Caller.Name
	}
	return fmt.Errorf("%w: %s may not %s repo %s here", ErrDenied, name, q.Action, q.At.Row.Name)
}
