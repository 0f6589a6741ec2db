package catalog

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"caret/commits"
	"caret/commits/revision"
	"caret/objstore"
)

// resolver follows a Ref, step by step, to the snapshot that it means.
type resolver struct {
	tx objstore.Reader
	Snapshot
}

// Resolve finds what ref means at this moment. ErrNoSuchRepo, ErrNoSuchBranch,
// commits.ErrNoCommit and commits.ErrAmbiguous for names, ErrNoSuchVersion for
// expressions that lead nowhere.
func Resolve(tx objstore.Reader, ref Ref) (*Snapshot, error) {
	repo, err := ReadRepo(tx, ref.Repo)
	if err != nil {
		return nil, err
	}
	return ResolveIn(tx, repo, ref)
}

// ResolveIn is Resolve with the repo known.
func ResolveIn(tx objstore.Reader, repo RepoRow, ref Ref) (*Snapshot, error) {
	r := &resolver{tx: tx, Snapshot: Snapshot{Repo: ref.Repo, Row: repo}}
	if err := r.start(ref); err != nil {
		return nil, err
	}
	if err := r.follow(ref.Base.Steps); err != nil {
		return nil, err
	}
	if ref.Version.Base != "" {
		if err := r.toVersion(ref.Version.Base); err != nil {
			return nil, &VersionError{err}
		}
		// A version of something is read, whatever it is called.
		r.Writable = false
	}
	if err := r.follow(ref.Version.Steps); err != nil {
		return nil, &VersionError{err}
	}
	if err := r.describe(); err != nil {
		return nil, err
	}
	return &r.Snapshot, nil
}

// start finds what the ref's Branch and the name in its Base mean.
func (r *resolver) start(ref Ref) error {
	name := ref.Base.Base
	switch {
	case ref.Branch != "":
		if err := r.toBranch(ref.Branch); err != nil {
			return noTag(r.tx, r.Row, err)
		}
		if name == "" {
			return nil
		}
		was := r.Snapshot
		if err := r.toName(name); err != nil {
			return err
		}
		if r.Open && r.Home != was.Home {
			return fmt.Errorf("%w: %s is not on branch %s", commits.ErrNoCommit, name, was.Branch)
		}
		if r.Branch != "" && r.Branch != was.Branch {
			return fmt.Errorf("%w: %s is a branch itself, not a commit of %s", commits.ErrNoCommit, name, was.Branch)
		}
		r.stayOn(&was)
		return nil
	case name != "":
		return r.toName(name)
	default:
		return r.toBranch(r.Row.DefaultBranch)
	}
}

// toVersion goes to what is called name; the branch stays the one that it was
// reached through, whose owner decides who may.
func (r *resolver) toVersion(name string) error {
	was := r.Snapshot
	if err := r.toName(name); err != nil {
		return err
	}
	if r.Open && r.Home != was.Home {
		return fmt.Errorf("%w: %s is not on branch %s", commits.ErrNoCommit, name, was.Branch)
	}
	r.stayOn(&was)
	return nil
}

// stayOn keeps the branch of an earlier step.
func (r *resolver) stayOn(was *Snapshot) {
	r.Branch, r.Lineage, r.Home, r.Protected = was.Branch, was.Lineage, was.Home, was.Protected
}

// leaveBranch: what follows is not reached through a branch.
func (r *resolver) leaveBranch() { r.stayOn(new(Snapshot)) }

// toBranch goes to the head of a branch.
func (r *resolver) toBranch(name string) error {
	if err := revision.CheckName(name); err != nil {
		return err
	}
	b, err := ReadBranch(r.tx, r.Row, name)
	if err != nil {
		return err
	}
	head, err := commits.ReadHead(r.tx, b.Lineage)
	if err != nil {
		return err
	}
	r.Branch, r.Lineage, r.Home, r.Protected = name, b.Lineage, b.Home(), b.Protected
	r.moveTo(commits.Pos{Lineage: b.Lineage, N: head.N})
	r.ID, r.Time, r.Writable = head.ID, head.Time, true
	return nil
}

// moveTo goes to a commit that describe will read.
func (r *resolver) moveTo(p commits.Pos) {
	r.Pos, r.N = p, p.N
	r.ID, r.Time = commits.ID{}, time.Time{}
	r.Writable, r.Open, r.Tag = false, false, ""
}

var prefixMinusN = regexp.MustCompile(`^([0-9a-f]{8,31})-(\d{1,18})$`)

// toName goes to the branch, tag, commit or shortened commit called name, in
// this order.
func (r *resolver) toName(name string) error {
	if revision.IsID(name) {
		id, err := revision.ParseID(name)
		if err != nil {
			return err
		}
		return r.toCommit(id)
	}
	err := r.toBranch(name)
	if !errors.Is(err, ErrNoSuchBranch) {
		return err
	}
	if err := r.toTag(name); !errors.Is(err, ErrNoSuchTag) {
		return err
	}
	prefix, back := name, uint64(0)
	if m := prefixMinusN.FindStringSubmatch(name); m != nil {
		prefix = m[1]
		if back, err = strconv.ParseUint(m[2], 10, 64); err != nil {
			return err
		}
	}
	if !revision.IsPrefix(prefix) {
		return &MissingError{Kind: commits.ErrNoCommit, Repo: r.Repo, Name: name}
	}
	id, err := r.findPrefix(prefix)
	if err != nil {
		return err
	}
	if err := r.toCommit(id); err != nil {
		return err
	}
	return r.follow([]revision.Step{{Kind: revision.Parent, N: back}})
}

func (r *resolver) toTag(name string) error {
	t, err := readTag(r.tx, r.Row, name)
	if err != nil {
		return err
	}
	r.leaveBranch()
	r.moveTo(t.pos())
	r.Tag = name
	return nil
}

// toCommit goes to a commit, finished or open, of this repo.
func (r *resolver) toCommit(id commits.ID) error {
	open, err := ReadOpen(r.tx, r.Row, id)
	if err == nil {
		r.Branch, r.Lineage, r.Home, r.Protected = open.Branch, open.Lineage, open.Home(), false
		r.moveTo(open.Parent())
		r.ID, r.Time, r.Open, r.Writable, r.Started = id, open.Started, true, true, open
		return nil
	}
	if !errors.Is(err, commits.ErrNoCommit) {
		return err
	}
	p, err := r.FindCommit(id)
	if err != nil {
		return err
	}
	r.leaveBranch()
	r.moveTo(p)
	r.ID = id
	return nil
}

// FindCommit finds a finished commit of the repo.
func (r *resolver) FindCommit(id commits.ID) (commits.Pos, error) {
	p, err := commits.Find(r.tx, id)
	if err != nil {
		return p, err
	}
	lineage, err := commits.ReadLineage(r.tx, p.Lineage)
	if err == nil && lineage.Repo != r.Row.ID {
		err = fmt.Errorf("%w: %s in repo %s", commits.ErrNoCommit, id, r.Repo)
	}
	return p, err
}

// findPrefix finds a shortened id among finished and open commits.
func (r *resolver) findPrefix(prefix string) (commits.ID, error) {
	id, _, err := commits.FindPrefix(r.tx, r.Row.ID, prefix)
	if err != nil && !errors.Is(err, commits.ErrNoCommit) {
		return id, err
	}
	found := err == nil
	lowest, highest, err := revision.IDRange(prefix)
	if err != nil {
		return id, err
	}
	in := objstore.Range{Start: OpenKey(r.Row.ID, lowest), End: append(OpenKey(r.Row.ID, highest), 0)}
	two, err := r.tx.Page(in, 2)
	if err != nil {
		return id, err
	}
	for _, row := range two {
		_, open, err := SplitOpenKey(row.Key)
		if err != nil {
			return id, err
		}
		if found {
			return id, fmt.Errorf("%w: %s fits %s and %s", commits.ErrAmbiguous, prefix, id, open)
		}
		id, found = open, true
	}
	if !found {
		return id, fmt.Errorf("%w: %s in repo %s", commits.ErrNoCommit, prefix, r.Repo)
	}
	return id, nil
}

// follow takes the steps of an expression.
func (r *resolver) follow(steps []revision.Step) error {
	for _, step := range steps {
		p := r.Pos
		var err error
		switch step.Kind {
		case revision.Parent:
			if step.N == 0 {
				continue
			}
			p, err = r.back(step.N)
		case revision.Nth:
			p, err = r.nth(step.N)
		case revision.At:
			if p, err = commits.FindTime(r.tx, p, step.Time); err == nil && p.N == 0 {
				err = fmt.Errorf("%w: no commit at or before %s", ErrNoSuchVersion, step.Time.Format(time.RFC3339Nano))
			}
		}
		if err != nil {
			return err
		}
		r.moveTo(p)
	}
	return nil
}

// back goes n first parents back.
func (r *resolver) back(n uint64) (commits.Pos, error) {
	p := r.Pos
	if r.Open {
		n-- // its parent is where Pos is
	}
	if n >= p.N {
		return p, fmt.Errorf("%w: %d commits before number %d", ErrNoSuchVersion, n, p.N)
	}
	p.N -= n
	return p, nil
}

// nth goes to the n-th commit of the branch.
func (r *resolver) nth(n uint64) (commits.Pos, error) {
	p := r.Pos
	if r.Lineage != 0 && !r.Open {
		head, err := commits.ReadHead(r.tx, r.Lineage)
		if err != nil {
			return p, err
		}
		p = commits.Pos{Lineage: r.Lineage, N: head.N}
	}
	if n == 0 || n > p.N {
		return p, fmt.Errorf("%w: there is no commit number %d, they are 1 to %d", ErrNoSuchVersion, n, p.N)
	}
	p.N = n
	return p, nil
}

// describe fills in what is known of the commit at Pos.
func (r *resolver) describe() error {
	own, err := commits.Owner(r.tx, r.Pos)
	if err != nil {
		return err
	}
	r.Pos = own
	if r.Open || own.N == 0 || !r.ID.IsZero() && !r.Time.IsZero() {
		return nil
	}
	c, err := commits.Read(r.tx, own)
	if err != nil {
		return err
	}
	r.ID, r.Time = c.ID, c.Time
	return nil
}

// Finished refuses a snapshot of an open commit, or of a branch without one:
// ErrInvalidArgument, ErrNoSuchVersion.
func (s *Snapshot) Finished() error {
	switch {
	case s.Open:
		return fmt.Errorf("%w: commit %s is still open", ErrInvalidArgument, s.ID)
	case s.N == 0:
		return fmt.Errorf("%w: branch %s of repo %s has no commit yet", ErrNoSuchVersion, s.Branch, s.Repo)
	}
	return nil
}

// ToCommit is the snapshot of a commit, finished or open, of the same repo, by
// its id, as it is reached through the same branch.
func (s *Snapshot) ToCommit(tx objstore.Reader, id commits.ID) (*Snapshot, error) {
	r := &resolver{tx: tx, Snapshot: *s}
	if err := r.toCommit(id); err != nil {
		return nil, err
	}
	return &r.Snapshot, r.describe()
}

// At is the snapshot of a commit of the same repo, as it is reached through the
// same branch.
func (s *Snapshot) At(tx objstore.Reader, p commits.Pos) (*Snapshot, error) {
	r := &resolver{tx: tx, Snapshot: *s}
	r.moveTo(p)
	return &r.Snapshot, r.describe()
}

// CheckWritable says with ErrReadOnly what could be written to instead.
func (s *Snapshot) CheckWritable(tx objstore.Reader) error {
	if s.Writable {
		return nil
	}
	what := fmt.Sprintf("commit %s of repo %s is history", s.ID, s.Repo)
	if s.Tag != "" {
		what = fmt.Sprintf("%s is a tag of repo %s: a tag can't be written to", s.Tag, s.Repo)
	}
	branch := s.Governing()
	if _, err := ReadBranch(tx, s.Row, branch); err != nil {
		return fmt.Errorf("%w: %s", ErrReadOnly, what)
	}
	return fmt.Errorf("%w: %s; write to %s.%s", ErrReadOnly, what, branch, s.Repo)
}
