package pfs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"caret/commits"
	"caret/commits/revision"
	"caret/objstore"
	"caret/pfs/access"
	"caret/pfs/catalog"
	"caret/pfs/changeset"
)

// FS is the versioned file system as one caller sees it.
type FS struct {
	sys  *System
	who  Caller
	last atomic.Pointer[Caller] // as a transaction found who it is
}

// View is a transaction that reads: what a caller sees of the store at one
// moment. It ends with the function that it was made for.
type View struct {
	sys *System
	ctx context.Context
	tx  objstore.Reader // nil once it has ended
	who Caller          // as its key says in this transaction
	at  time.Time       // see moment
}

// moment is when what the transaction does is done, the same for all of it.
func (v *View) moment() time.Time {
	if v.at.IsZero() {
		v.at = v.sys.now().UTC()
	}
	return v.at
}

// View runs fn in a transaction that reads. fn must not wait for anybody, such
// as a client that reads slowly, nor begin another transaction. ErrKeyGone.
func (fs *FS) View(ctx context.Context, fn func(*View) error) error {
	return fs.sys.db.View(ctx, func(tx objstore.Reader) error {
		v, err := fs.begin(ctx, fs.sys.rows.View(tx))
		if err != nil {
			return err
		}
		defer func() { v.tx = nil }()
		return fn(v)
	})
}

func (fs *FS) begin(ctx context.Context, tx objstore.Reader) (*View, error) {
	who, err := fs.who.Current(tx)
	if last := fs.last.Load(); err == nil && (last == nil || *last != who) {
		fs.last.Store(&who)
	}
	return &View{sys: fs.sys, ctx: ctx, tx: tx, who: who}, err
}

// Caller is who the verbs are for, as the last transaction found: before the first one
// of a Holder no more is known than its key.
func (fs *FS) Caller() Caller {
	if who := fs.last.Load(); who != nil {
		return *who
	}
	return fs.who
}

// change is a transaction that writes, for a caller.
type change struct {
	*View
	tx objstore.Writer
}

// update runs fn in a transaction that writes. happened, if not nil, finds out
// after an error that leaves it open whether the transaction was committed: then
// there is no error.
func (fs *FS) update(ctx context.Context, about objstore.Subject, happened func(objstore.Reader) (bool, error), fn func(*change) error) error {
	err := fs.sys.db.Update(ctx, about, func(tx objstore.Writer) error {
		tx = fs.sys.rows.Update(tx)
		v, err := fs.begin(ctx, tx)
		if err != nil {
			return err
		}
		defer func() { v.tx = nil }()
		return fn(&change{View: v, tx: tx})
	})
	if happened == nil || !errors.Is(err, ErrUnknownOutcome) {
		return err
	}
	done := false
	lookErr := fs.sys.db.View(context.WithoutCancel(ctx), func(tx objstore.Reader) (err error) {
		done, err = happened(tx)
		return err
	})
	if lookErr == nil && done {
		return nil
	}
	return err
}

// made finds out whether the commit with an id was made.
func made(id CommitID) func(objstore.Reader) (bool, error) {
	return func(tx objstore.Reader) (bool, error) {
		_, err := commits.Find(tx, id)
		if errors.Is(err, ErrNoSuchCommit) {
			return false, nil
		}
		return err == nil, err
	}
}

// about is what a transaction on ref is about.
func about(ref Ref) objstore.Subject {
	return objstore.Subject(ref.Repo + "/" + cmp.Or(ref.Branch, ref.Base.Base))
}

// Caller is who the view is for, as its key says at this moment.
func (v *View) Caller() Caller { return v.who }

// decide says with ErrDenied why the caller may not do something with s.
func (v *View) decide(s *Snapshot, act Action, path string) error {
	sight, err := access.Decide(v.tx, access.Request{Caller: v.who, Action: act, At: &s.Snapshot, Path: path, File: s.lookup, Present: s.present})
	if err == nil && (act == ActRead || act == ActList || act == ActReadACP || act == ActWriteACP) {
		s.sight = sight
	}
	return err
}

// administers says with ErrDenied that the caller may not administer a repo.
func (v *View) administers(repo catalog.RepoRow) error {
	_, err := access.Decide(v.tx, access.Request{Caller: v.who, Action: access.Administer, At: &catalog.Snapshot{Row: repo}})
	return err
}

// MayOversee says with ErrDenied that the caller may not see how the server is and what it
// counts, which tells of what everybody does and has.
func (v *View) MayOversee() error {
	_, err := access.Decide(v.tx, access.Request{Caller: v.who, Action: access.Oversee})
	return err
}

// managed reads a repo that the caller must be allowed to administer.
func (v *View) managed(repo string) (catalog.RepoRow, error) {
	r, err := catalog.ReadRepo(v.tx, repo)
	if err == nil {
		err = v.administers(r)
	}
	return r, err
}

// Open finds what ref means, if the caller may do something with it, or with the
// file at path there. ErrDenied, and ErrNoSuchRepo, ErrNoSuchBranch,
// ErrNoSuchCommit, ErrAmbiguous, ErrNoSuchVersion for what leads nowhere.
func (v *View) Open(ref Ref, act Action, path string) (*Snapshot, error) {
	s, err := v.resolve(ref, act)
	if err != nil {
		return nil, err
	}
	return s, v.decide(s, act, path)
}

// again is a snapshot that an earlier view opened, if the caller may still do
// that with it, or with the file at path there: its branch may be gone by now, or not
// lead to it any more.
func (v *View) again(s *Snapshot, act Action, path string) (*Snapshot, error) {
	now := v.snapshot(&s.Snapshot)
	now.Writable = now.Open
	return now, v.decide(now, act, path)
}

// resolve finds what ref means, for who wants to do something with it. That a name is
// none, or that an expression leads beyond the first commit or fits several, says which
// there are and how many: ErrDenied instead to who may not list what it begins with, in
// the words that there would be for what is there.
func (v *View) resolve(ref Ref, act Action) (*Snapshot, error) {
	ref = v.meant(ref)
	at, err := catalog.Resolve(v.tx, ref)
	if err == nil {
		return v.snapshot(at), nil
	}
	if v.who.Unlimited() || !errors.Is(err, ErrNoSuchVersion) && !errors.Is(err, ErrAmbiguous) && !errors.Is(err, ErrNoSuchBranch) && !errors.Is(err, ErrNoSuchCommit) {
		return nil, err
	}
	head := Ref{Repo: ref.Repo, Branch: ref.Branch}
	named := head
	named.Base.Base = ref.Base.Base
	version := named
	version.Version.Base = ref.Version.Base
	for _, from := range []Ref{version, named, head} { // the first that there is
		if at, missing := catalog.Resolve(v.tx, from); missing == nil {
			return nil, v.mayHear(at, act, err)
		}
	}
	// Nothing of it is there: that is for who may list the default branch, or sees any.
	repo, missing := catalog.ReadRepo(v.tx, ref.Repo)
	if missing != nil {
		return nil, missing
	}
	if sees, lookErr := v.seesAny(repo); lookErr != nil || sees {
		return nil, cmp.Or(lookErr, err)
	}
	return nil, v.mayHear(&catalog.Snapshot{Repo: repo.Name, Row: repo}, act, err)
}

// mayHear is what there is to say of what was not found, to who may list at, and ErrDenied
// to others, who wanted to do something with it.
func (v *View) mayHear(at *catalog.Snapshot, act Action, missing error) error {
	err := v.decide(v.snapshot(at), ActList, "")
	if !errors.Is(err, ErrDenied) {
		return cmp.Or(err, missing)
	}
	return access.Refuse(access.Request{Caller: v.who, Action: act, At: at})
}

// seesAny says whether the caller's list of a repo's branches has any.
func (v *View) seesAny(repo catalog.RepoRow) (bool, error) {
	if v.who.IsAnonymous() {
		return false, nil
	}
	all, err := catalog.Branches(v.tx, repo, "", 0)
	if err != nil {
		return false, err
	}
	seen, err := access.Visible(v.tx, v.who, repo, all)
	return slices.Contains(seen, true), err
}

// meant is ref with the branch that the caller's key is limited to, where it asks
// for that.
func (v *View) meant(ref Ref) Ref {
	if name := ref.Base.Base; ref.KeyBranch && ref.Branch == "" && ref.Repo == v.who.Repo && (name == "" || revision.IsCommit(name)) {
		ref.Branch = v.who.Branch
	}
	return ref
}

// finished opens a ref that must mean a finished commit.
func (v *View) finished(ref Ref, act Action) (*Snapshot, error) {
	s, err := v.Open(ref, act, "")
	if err == nil {
		err = s.Finished()
	}
	return s, err
}

// Target is what a write to ref writes to, or why it would be refused: what Open
// says of it, ErrReadOnly, and ErrConflict if it is an open commit that is being
// finished. It is decided again when the write is made.
func (v *View) Target(ref Ref, act Action, path string) (*Snapshot, error) {
	s, err := v.Open(ref, act, path)
	if err == nil {
		err = s.CheckWritable(v.tx)
	}
	if err == nil {
		err = v.sys.engine.CheckOpen(v.tx, &s.Snapshot)
	}
	return s, err
}

// target is Target with what a write says besides.
func (v *View) target(to Ref, act Action, path string, opt *WriteOptions) (*Snapshot, error) {
	s, err := v.Target(to, act, path)
	if err == nil {
		err = checkText("message", opt.Message)
	}
	if err == nil {
		err = v.checkHead(s, to, opt.IfHead)
	}
	return s, err
}

// checkHead says with ErrPrecondition that what to means, s, is not what ifHead
// means from there; "" fits everything.
func (v *View) checkHead(s *Snapshot, to Ref, ifHead string) error {
	if ifHead == "" {
		return nil
	}
	x, err := revision.Parse(ifHead)
	if err != nil {
		return err
	}
	to.Version = x
	want, err := catalog.Resolve(v.tx, v.meant(to))
	if errors.Is(err, ErrAmbiguous) { // which says what it fits
		return cmp.Or(v.decide(s, ActList, ""), err)
	}
	if err != nil && !errors.Is(err, ErrNoSuchVersion) && !errors.Is(err, ErrNoSuchCommit) {
		return err
	}
	if err != nil || want.ID != s.ID {
		return v.notAt(s, ifHead)
	}
	return nil
}

// notAt is the error that the head of a branch is not what a write was for. What
// it is instead is for who may list the branch.
func (v *View) notAt(head *Snapshot, want string) error {
	if head.Open {
		return fmt.Errorf("%w: the write goes to open commit %s, not to %s", ErrPrecondition, head.ID, want)
	}
	switch err := v.decide(head, ActList, ""); {
	case errors.Is(err, ErrDenied):
		return fmt.Errorf("%w: the head of branch %s is not %s", ErrPrecondition, head.Branch, want)
	case err != nil:
		return err
	case head.N == 0:
		return fmt.Errorf("%w: branch %s has no commit, so its head is not %s", ErrPrecondition, head.Branch, want)
	}
	return fmt.Errorf("%w: the head of branch %s is %s, not %s", ErrPrecondition, head.Branch, head.ID, want)
}

// Open is View.Open in a view of its own.
func (fs *FS) Open(ctx context.Context, ref Ref, act Action, path string) (s *Snapshot, err error) {
	err = fs.View(ctx, func(v *View) (err error) {
		s, err = v.Open(ref, act, path)
		return err
	})
	return s, err
}

// Target is View.Target in a view of its own: what refuses a write before its
// body has come in.
func (fs *FS) Target(ctx context.Context, ref Ref, act Action, path string) (s *Snapshot, err error) {
	err = fs.View(ctx, func(v *View) error {
		if s, err = v.Target(ref, act, path); err != nil {
			return err
		}
		_, err = s.view(v.tx) // so that the write finds remembered what lies beneath forks
		return err
	})
	return s, err
}

// MaxText is how many bytes a message, a description or a name for people may
// have: a page of a listing holds a thousand of them.
const MaxText = 16 << 10

// checkText says why s cannot be what is said to be.
func checkText(what, s string) error {
	switch {
	case len(s) > MaxText:
		return fmt.Errorf("%w: a %s of %d bytes, at most %d are allowed", ErrInvalidArgument, what, len(s), MaxText)
	case !utf8.ValidString(s):
		return fmt.Errorf("%w: the %s is not UTF-8", ErrInvalidArgument, what)
	}
	return nil
}

// checkPath says why path cannot name a file. A path is any UTF-8 text of 1
// to MaxPath bytes; there are no directories.
func checkPath(path string) error {
	switch {
	case path == "":
		return fmt.Errorf("%w: it is empty", ErrInvalidPath)
	case len(path) > MaxPath:
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrPathTooLong, len(path), MaxPath)
	case !utf8.ValidString(path):
		return fmt.Errorf("%w %q: not UTF-8", ErrInvalidPath, path)
	}
	return nil
}

// spec is what a set of changes is that a caller makes on what s is: the caller
// must still be allowed to when it becomes visible, and the branch where IfHead
// wants it.
func (fs *FS) spec(s *Snapshot, act Action, opt *WriteOptions, who Caller) changeset.Spec {
	ifHead := opt.IfHead
	return changeset.Spec{
		On: &s.Snapshot, Base: s.Pos, Author: who.Name, Message: opt.Message, User: who.ID,
		Decide: func(tx objstore.Reader, at *catalog.Snapshot) error {
			v, err := fs.begin(context.Background(), tx)
			if err != nil {
				return err
			}
			now := v.snapshot(at)
			if err = v.decide(now, act, ""); err == nil && ifHead != "" && at.ID != s.ID {
				err = v.notAt(now, ifHead)
			}
			return err
		},
	}
}
