package pfs

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"caret/commits"
	"caret/objstore"
)

// Caller is who asks for something.
type Caller struct {
	ID   string // of the user; "" is the anonymous
	Name string // for commits
	// Admin may do everything that its key's limits allow.
	Admin bool
	// Limits of the key.
	ReadOnly     bool
	Repo, Branch string // the only ones, if set
}

// Root is the caller with the server's own key.
var Root = Caller{ID: RootUser, Name: RootUser, Admin: true}

// Anonymous says that nobody signed the request.
func (c Caller) Anonymous() bool { return c.ID == "" }

// Unlimited callers need no look at any ACL.
func (c Caller) Unlimited() bool { return c.Admin && !c.ReadOnly && c.Repo == "" }

// Action is what a caller wants to do.
type Action int

// Actions.
const (
	ActRead     Action = iota + 1 // read a file
	ActList                       // list files, history and settings that readers may know
	ActWrite                      // write and delete files
	ActReadACP                    // read the ACL, of a file if there is a path
	ActWriteACP                   // change it
	ActInspect                    // read what the owner alone may know: settings
	ActOwn                        // what the owner alone may do: settings, deletion, branches
)

func (a Action) permission() Permission {
	switch a {
	case ActRead, ActList:
		return PermRead
	case ActWrite:
		return PermWrite
	case ActReadACP:
		return PermReadACP
	case ActWriteACP:
		return PermWriteACP
	}
	return PermFullControl
}

// reads says whether a key that only reads may do it.
func (a Action) reads() bool {
	return a == ActRead || a == ActList || a == ActReadACP || a == ActInspect
}

// Authorize says with ErrDenied that the caller may not do something with
// what the snapshot holds; path is the file it is about, if it is about one.
//
// Administrators and the owner of the repo may do everything, the owner of a
// branch everything with it. Everybody else has what ACLs grant, and reaches
// through a branch only the commits that lead to its head.
func (s *Snapshot) Authorize(ctx context.Context, who Caller, act Action, path string) error {
	if who.Unlimited() {
		return nil
	}
	if err := s.withinLimits(who, act, path); err != nil {
		return err
	}
	return s.fs.rows.View(ctx, func(tx objstore.Reader) error {
		if who.Branch != "" || !who.Admin && who.ID != s.repo.Owner {
			if ok, err := s.leadsToBranch(tx); err != nil {
				return err
			} else if !ok {
				return denied(who, act, s.Repo)
			}
		}
		if who.Admin || who.ID != "" && who.ID == s.repo.Owner {
			return nil
		}
		row, _, err := s.settings(tx)
		if err != nil {
			return err
		}
		if who.ID != "" && who.ID == row.ACL.Owner {
			return nil
		}
		return s.granted(tx, who, act, path, row)
	})
}

// ResolveFor is Resolve for a caller. That an expression leads beyond the
// first commit, or fits several, says how many there are and which: ErrDenied
// instead to who may not list what it begins with.
func (fs *FS) ResolveFor(ctx context.Context, who Caller, ref Ref) (*Snapshot, error) {
	s, err := fs.Resolve(ctx, ref)
	if err == nil || who.Unlimited() || !errors.Is(err, ErrNoSuchVersion) && !errors.Is(err, ErrAmbiguous) {
		return s, err
	}
	head := Ref{Repo: ref.Repo, Branch: ref.Branch}
	named := head
	named.Base.Base = ref.Base.Base
	version := named
	version.Version.Base = ref.Version.Base
	for _, from := range []Ref{version, named, head} { // the first that there is
		if s, missing := fs.Resolve(ctx, from); missing == nil {
			return nil, cmp.Or(s.Authorize(ctx, who, ActList, ""), err)
		}
	}
	// The repo has no default branch any more: its owner alone may know.
	repo := &Snapshot{Repo: ref.Repo, fs: fs}
	missing := fs.rows.View(ctx, func(tx objstore.Reader) (err error) {
		repo.repo, err = readRepo(tx, ref.Repo)
		return err
	})
	if missing != nil {
		return nil, missing
	}
	return nil, cmp.Or(repo.Authorize(ctx, who, ActList, ""), err)
}

// withinLimits checks what the key may be used for.
func (s *Snapshot) withinLimits(who Caller, act Action, path string) error {
	switch {
	case who.ReadOnly && !act.reads():
		return fmt.Errorf("%w: the key only reads", ErrDenied)
	case who.Repo != "" && who.Repo != s.Repo, who.Branch != "" && who.Branch != s.branchOf():
		return fmt.Errorf("%w: the key is for %s alone", ErrDenied, who.scope())
	case who.Branch != "" && (act == ActOwn || act == ActWriteACP && path == ""):
		return fmt.Errorf("%w: a key for one branch cannot administer it", ErrDenied)
	}
	return nil
}

func (c Caller) scope() string {
	if c.Branch == "" {
		return "repo " + c.Repo
	}
	return "branch " + c.Branch + " of repo " + c.Repo
}

// leadsToBranch says whether the snapshot's commit leads to the head of the
// branch that it was reached through: any commit of a repo can be named.
func (s *Snapshot) leadsToBranch(tx objstore.Reader) (bool, error) {
	row, err := readBranchRow(tx, s.repo, s.branchOf())
	if errors.Is(err, ErrNoSuchBranch) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if s.home != 0 && s.home != row.home() {
		return false, nil // of a branch that had the name before
	}
	if s.pos.N == 0 {
		return true, nil
	}
	head, err := commits.ReadHead(tx, row.Line)
	if err != nil {
		return false, err
	}
	own, err := commits.Owner(tx, s.pos)
	if err != nil {
		return false, err
	}
	same, err := commits.Owner(tx, commits.Pos{Lineage: row.Line, N: min(own.N, head.N)})
	return same == own, err
}

// granted looks for a grant.
func (s *Snapshot) granted(tx objstore.Reader, who Caller, act Action, path string, row settingsRow) error {
	if act == ActOwn || act == ActInspect {
		return denied(who, act, s.Repo)
	}
	if s.Open && (act == ActRead || act == ActList) {
		// What is staged is seen by those who write alone; what its parent has
		// by those who see it there.
		staged := act == ActList
		if act == ActRead {
			_, err := commits.ReadStaged(tx, s.ID, path)
			if err != nil && !errors.Is(err, commits.ErrNoPath) {
				return err
			}
			staged = err == nil
		}
		if staged && !row.ACL.Allows(who.ID, PermWrite) {
			return denied(who, act, s.Repo)
		}
		if staged && act == ActRead {
			return nil
		}
	}
	if path == "" || act == ActWrite || act == ActList {
		if row.ACL.Allows(who.ID, act.permission()) {
			return nil
		}
		return denied(who, act, s.Repo)
	}
	a, err := s.fileACL(tx, path)
	if err != nil {
		return err
	}
	if a.Allows(who.ID, act.permission()) {
		return nil
	}
	// That there is no such file is told only to whom may list.
	if act == ActRead && row.ACL.Allows(who.ID, PermRead) {
		if _, err := s.stat(tx, path); errors.Is(err, ErrNoSuchPath) {
			return nil
		}
	}
	return denied(who, act, s.Repo)
}

func denied(who Caller, act Action, repo string) error {
	name := "the anonymous"
	if !who.Anonymous() {
		name = "user " + who.Name
	}
	return fmt.Errorf("%w: %s may not %s repo %s here", ErrDenied, name, act, repo)
}

// String says what the caller wants to do with a repo.
func (a Action) String() string {
	switch a {
	case ActRead:
		return "read a file of"
	case ActList:
		return "list"
	case ActWrite:
		return "write to"
	case ActReadACP:
		return "read an ACL of"
	case ActWriteACP:
		return "change an ACL of"
	}
	return "administer"
}

// AuthorizeRepo says with ErrDenied that the caller may not administer a
// repo: make and delete branches, or delete it.
func (fs *FS) AuthorizeRepo(ctx context.Context, who Caller, repo string) error {
	if who.Unlimited() {
		return nil
	}
	r, err := fs.Repo(ctx, repo)
	if err != nil {
		return err
	}
	switch {
	case who.ReadOnly:
		return fmt.Errorf("%w: the key only reads", ErrDenied)
	case who.Repo != "" && (who.Repo != repo || who.Branch != ""):
		return fmt.Errorf("%w: the key is for %s alone", ErrDenied, who.scope())
	case who.Admin, who.ID != "" && who.ID == r.Owner:
		return nil
	}
	return denied(who, ActOwn, repo)
}

// MayCreate says with ErrDenied that the caller may not make repos.
func (c Caller) MayCreate() error {
	switch {
	case c.Anonymous():
		return fmt.Errorf("%w: sign the request to make a repo", ErrDenied)
	case c.ReadOnly:
		return fmt.Errorf("%w: the key only reads", ErrDenied)
	case c.Repo != "":
		return fmt.Errorf("%w: the key is for %s alone", ErrDenied, c.scope())
	}
	return nil
}

// MayFinish says with ErrDenied that the caller may not end an open commit:
// who started it may, and the repo's owner.
func (s *Snapshot) MayFinish(ctx context.Context, who Caller) error {
	if err := s.Authorize(ctx, who, ActWrite, ""); err != nil {
		return err
	}
	if who.Admin || who.ID == s.repo.Owner || who.ID != "" && who.ID == s.starter {
		return nil
	}
	return fmt.Errorf("%w: commit %s was started by somebody else", ErrDenied, s.ID)
}

// Sees says whether the caller's list of branches has this one: it owns it,
// or was granted something by name.
func (s *Snapshot) Sees(ctx context.Context, who Caller) (bool, error) {
	if who.Unlimited() {
		return true, nil
	}
	if s.withinLimits(who, ActList, "") != nil || who.Anonymous() {
		return false, nil
	}
	if who.Admin || who.ID == s.repo.Owner {
		return true, nil
	}
	set, err := s.Settings(ctx)
	if err != nil || set.ACL.Owner == who.ID {
		return err == nil, err
	}
	for _, g := range set.ACL.Grants {
		if g.User == who.ID {
			return true, nil
		}
	}
	return false, nil
}
