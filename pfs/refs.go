package pfs

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"caret/commits"
	"caret/commits/revision"
	"caret/objstore"
)

// Ref says which state of which repo: what a bucket name and a version id,
// or the command line's REPO@EXPR, parse to.
type Ref struct {
	Repo string
	// Branch is the branch, "" when none was named: then it is the repo's
	// default branch, or the one that Base begins with.
	Branch string
	// Base leads from the branch's head, or from any branch, tag or commit of
	// the repo if it names one; zero is the head. A Base that is just a
	// branch's name means that branch.
	Base revision.Expr
	// Version leads on from what Branch and Base mean; zero is that itself.
	Version revision.Expr
}

// String is the ref as the command line writes it, for messages.
func (r Ref) String() string {
	s := r.Repo
	if r.Branch != "" {
		s += "@" + r.Branch
	}
	for _, x := range []revision.Expr{r.Base, r.Version} {
		if !x.IsZero() {
			s += " " + x.String()
		}
	}
	return s
}

// Snapshot is the state of a repo as one commit left it, and never changes;
// only that of an open commit does, as it is written to.
type Snapshot struct {
	Repo   string
	Branch string // the branch it was reached through; "" for a commit or tag named alone
	// ID is the commit; zero when the branch has none yet.
	ID   commits.ID
	N    uint64 // of the commits that lead to it, itself included
	Time time.Time
	// Writable: a write to the same Ref is accepted. Open: it is an open
	// commit, and the write is staged in it.
	Writable, Open bool

	fs        *FS
	repo      repoRow
	finishing bool              // an open commit that takes no more writes
	starter   string            // the user who started the open commit
	touched   time.Time         // when the open commit was last written to
	line      commits.LineageID // of Branch; 0 if none
	home      commits.LineageID // names Branch for good; 0 if none
	protected bool              // Branch takes merges only
	pos       commits.Pos       // of an open commit, its parent
}

// Protected says that the branch takes merges only.
func (s *Snapshot) Protected() bool { return s.protected }

// Resolve finds what ref means at this moment.
func (fs *FS) Resolve(ctx context.Context, ref Ref) (*Snapshot, error) {
	var s *Snapshot
	err := fs.rows.View(ctx, func(tx objstore.Reader) (err error) {
		s, err = fs.resolve(tx, ref)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (fs *FS) resolve(tx objstore.Reader, ref Ref) (*Snapshot, error) {
	r, err := readRepo(tx, ref.Repo)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{Repo: ref.Repo, fs: fs, repo: r}
	if err := s.start(tx, ref); err != nil {
		return nil, err
	}
	if err := s.apply(tx, ref.Base.Steps); err != nil {
		return nil, err
	}
	if ref.Version.Base != "" {
		if err := s.through(tx, ref.Version.Base); err != nil {
			return nil, err
		}
		// A version of a bucket is read, whatever it is called.
		s.Writable = false
	}
	if err := s.apply(tx, ref.Version.Steps); err != nil {
		return nil, err
	}
	return s, s.describe(tx)
}

// start finds what the ref's Branch and the name in its Base mean.
func (s *Snapshot) start(tx objstore.Reader, ref Ref) error {
	name := ref.Base.Base
	switch {
	case ref.Branch != "":
		if err := s.toBranch(tx, ref.Branch); err != nil {
			return err
		}
		if name == "" {
			return nil
		}
		was := *s
		if err := s.named(tx, name); err != nil {
			return err
		}
		if s.Open && s.home != was.home {
			return fmt.Errorf("%w: %s is not on branch %s", ErrNoSuchCommit, name, was.Branch)
		}
		if s.Branch != "" && s.Branch != was.Branch {
			return fmt.Errorf("%w: %s is a branch itself, not a commit of %s", ErrNoSuchCommit, name, was.Branch)
		}
		s.stayOn(&was)
		return nil
	case name != "":
		return s.named(tx, name)
	default:
		return s.toBranch(tx, s.repo.DefaultBranch)
	}
}

// through goes to what is called name; the branch stays the one that it was
// reached through, whose owner decides who may.
func (s *Snapshot) through(tx objstore.Reader, name string) error {
	was := *s
	if err := s.named(tx, name); err != nil {
		return err
	}
	if s.Open && s.home != was.home {
		return fmt.Errorf("%w: %s is not on branch %s", ErrNoSuchCommit, name, was.Branch)
	}
	s.stayOn(&was)
	return nil
}

func (s *Snapshot) stayOn(was *Snapshot) {
	s.Branch, s.line, s.home, s.protected = was.Branch, was.line, was.home, was.protected
}

// toBranch goes to the head of a branch.
func (s *Snapshot) toBranch(tx objstore.Reader, name string) error {
	if err := revision.CheckName(name); err != nil {
		return err
	}
	b, err := readBranchRow(tx, s.repo, name)
	if err != nil {
		return err
	}
	head, err := commits.ReadHead(tx, b.Line)
	if err != nil {
		return err
	}
	s.Branch, s.line, s.home, s.protected = name, b.Line, b.home(), b.Protected
	s.at(commits.Pos{Lineage: b.Line, N: head.N})
	s.ID, s.Time, s.Writable = head.ID, head.Time, true
	return nil
}

// leaveBranch: what follows is not reached through a branch.
func (s *Snapshot) leaveBranch() { s.Branch, s.line, s.home, s.protected = "", 0, 0, false }

// at moves to a commit that describe will read.
func (s *Snapshot) at(p commits.Pos) {
	s.pos, s.N = p, p.N
	s.ID, s.Time = commits.ID{}, time.Time{}
	s.Writable, s.Open, s.finishing = false, false, false
}

var prefixN = regexp.MustCompile(`^([0-9a-f]{8,31})-(\d{1,18})$`)

// named goes to the branch, tag, commit or shortened commit called name, in
// this order.
func (s *Snapshot) named(tx objstore.Reader, name string) error {
	if revision.IsID(name) {
		id, err := revision.ParseID(name)
		if err != nil {
			return err
		}
		return s.toCommit(tx, id)
	}
	err := s.toBranch(tx, name)
	if !errors.Is(err, ErrNoSuchBranch) {
		return err
	}
	if err := s.toTag(tx, name); !errors.Is(err, ErrNoSuchTag) {
		return err
	}
	prefix, back := name, uint64(0)
	if m := prefixN.FindStringSubmatch(name); m != nil {
		prefix = m[1]
		if back, err = strconv.ParseUint(m[2], 10, 64); err != nil {
			return err
		}
	}
	if !revision.IsPrefix(prefix) {
		return &MissingError{Kind: ErrNoSuchCommit, Repo: s.Repo, Name: name}
	}
	id, err := s.findPrefix(tx, prefix)
	if err != nil {
		return err
	}
	if err := s.toCommit(tx, id); err != nil {
		return err
	}
	return s.apply(tx, []revision.Step{{Kind: revision.Parent, N: back}})
}

func (s *Snapshot) toTag(tx objstore.Reader, name string) error {
	var t tagRow
	err := getJSON(tx, inRepo(keyTag, s.repo.ID, name), &t)
	if errors.Is(err, objstore.ErrNotFound) {
		return &MissingError{Kind: ErrNoSuchTag, Repo: s.Repo, Name: name}
	}
	if err != nil {
		return err
	}
	s.leaveBranch()
	s.at(commits.Pos{Lineage: t.Line, N: t.N})
	return nil
}

// toCommit goes to a commit, finished or open, of this repo.
func (s *Snapshot) toCommit(tx objstore.Reader, id commits.ID) error {
	open, err := readOpen(tx, s.repo, id)
	if err == nil {
		s.Branch, s.line, s.home, s.protected = open.Branch, open.Line, open.home(), false
		s.at(open.pos())
		s.ID, s.Time, s.Open = id, open.Started, true
		s.Writable, s.finishing, s.starter = true, open.Finishing, open.Starter
		s.touched = open.touched()
		return nil
	}
	if !errors.Is(err, ErrNoSuchCommit) {
		return err
	}
	p, err := commits.Find(tx, id)
	if err != nil {
		return err
	}
	line, err := commits.ReadLineage(tx, p.Lineage)
	if err != nil {
		return err
	}
	if line.Repo != s.repo.ID {
		return fmt.Errorf("%w: %s in repo %s", ErrNoSuchCommit, id, s.Repo)
	}
	s.leaveBranch()
	s.at(p)
	s.ID = id
	return nil
}

// findPrefix finds a shortened id among finished and open commits.
func (s *Snapshot) findPrefix(tx objstore.Reader, prefix string) (commits.ID, error) {
	id, _, err := commits.FindPrefix(tx, s.repo.ID, prefix)
	if err != nil && !errors.Is(err, commits.ErrNoCommit) {
		return id, err
	}
	found := err == nil
	err = scanNames(tx, inRepo(keyOpen, s.repo.ID, ""), "", 0, func(raw string, _ []byte) error {
		var open commits.ID
		copy(open[:], raw)
		if open.String()[:len(prefix)] != prefix {
			return nil
		}
		if found {
			return fmt.Errorf("%w: %s fits %s and %s", ErrAmbiguous, prefix, id, open)
		}
		id, found = open, true
		return nil
	})
	if err == nil && !found {
		err = fmt.Errorf("%w: %s in repo %s", ErrNoSuchCommit, prefix, s.Repo)
	}
	return id, err
}

// apply takes the steps of an expression.
func (s *Snapshot) apply(tx objstore.Reader, steps []revision.Step) error {
	for _, step := range steps {
		p := s.pos
		switch step.Kind {
		case revision.Parent:
			if step.N == 0 {
				continue
			}
			back := step.N
			if s.Open {
				back-- // its parent is where pos is
			}
			if back >= p.N {
				return fmt.Errorf("%w: %d commits before number %d", ErrNoSuchVersion, back, p.N)
			}
			p.N -= back
		case revision.Nth:
			if s.line != 0 && !s.Open {
				head, err := commits.ReadHead(tx, s.line)
				if err != nil {
					return err
				}
				p = commits.Pos{Lineage: s.line, N: head.N}
			}
			if step.N == 0 || step.N > p.N {
				return fmt.Errorf("%w: there is no commit number %d, they are 1 to %d", ErrNoSuchVersion, step.N, p.N)
			}
			p.N = step.N
		case revision.At:
			var err error
			if p, err = commits.FindTime(tx, p, step.Time); err != nil {
				return err
			}
			if p.N == 0 {
				return fmt.Errorf("%w: no commit at or before %s", ErrNoSuchVersion, step.Time.Format(time.RFC3339Nano))
			}
		}
		s.at(p)
	}
	return nil
}

// describe fills in what is known of the commit at pos.
func (s *Snapshot) describe(tx objstore.Reader) error {
	own, err := commits.Owner(tx, s.pos)
	if err != nil {
		return err
	}
	s.pos = own
	if s.Open || own.N == 0 || !s.ID.IsZero() && !s.Time.IsZero() {
		return nil
	}
	c, err := commits.Read(tx, own)
	if err != nil {
		return err
	}
	s.ID, s.Time = c.ID, c.Time
	return nil
}

// view reads the snapshot in a transaction.
func (s *Snapshot) view(tx objstore.Reader) (*commits.View, error) {
	at := s.side()
	return s.fs.forks.View(tx, at.Pos, at.Open)
}
