package pfs

import (
	"errors"

	"caret/commits"
	"caret/objstore"
	"caret/pfs/access"
	"caret/pfs/catalog"
)

// present is what is still there of the states that lead to the head of a branch: the
// files that the head has, in the versions that its lists have. Whoever may list as
// everybody may sees no more of the past; access.Decide says who that is. nil shows
// everything.
type present struct {
	head *commits.View
	open CommitID // what is staged in it is there too, for who sees it at all
	path string   // looked up last
	file bool     // the head has it
}

// present says whether a version of path is still there, in the snapshot's view.
func (s *Snapshot) present(path string, version CommitID) (bool, error) {
	p, err := s.readHead(s.v.tx)
	if err != nil {
		return false, err
	}
	return p.has(path, version)
}

// shown is what is shown of the snapshot's files to whom it was opened for; past says
// that it is about earlier versions too.
func (s *Snapshot) shown(tx objstore.Reader, past bool) (*present, error) {
	if s.sight != access.Present || !past && s.Writable && !s.Open {
		return nil, nil
	}
	return s.readHead(tx)
}

// readHead reads the head of the branch that the snapshot was reached through; nothing is
// there of a branch that is gone.
func (s *Snapshot) readHead(tx objstore.Reader) (*present, error) {
	row, err := catalog.ReadBranch(tx, s.Row, s.Governing())
	if errors.Is(err, ErrNoSuchBranch) {
		return &present{}, nil
	}
	if err != nil {
		return nil, err
	}
	head, err := commits.ReadHead(tx, row.Lineage)
	if err != nil {
		return nil, err
	}
	v, err := s.sys.forks.View(tx, commits.Pos{Lineage: row.Lineage, N: head.N}, CommitID{})
	p := &present{head: v}
	if s.Open {
		p.open = s.ID
	}
	return p, err
}

// hasFile says whether there is a file at path.
func (p *present) hasFile(path string) (bool, error) {
	switch {
	case p == nil:
		return true, nil
	case p.head == nil:
		return false, nil
	case path != "" && path == p.path:
		return p.file, nil
	}
	st, err := p.head.Lookup(path)
	if err != nil && !errors.Is(err, ErrNoSuchPath) {
		return false, err
	}
	p.path, p.file = path, err == nil && !st.Deleted
	return p.file, nil
}

// has says whether a version of path, which leads to the head, is there.
func (p *present) has(path string, version CommitID) (bool, error) {
	if p == nil || version == p.open && !version.IsZero() {
		return true, nil
	}
	ok, err := p.hasFile(path)
	if err != nil || !ok {
		return false, err
	}
	return p.head.Lists(path, version)
}

// hasState is has of the file that a walk has come to.
func (p *present) hasState(w *commits.Walker) (bool, error) {
	if p == nil {
		return true, nil
	}
	st, err := w.State()
	if err != nil {
		return false, err
	}
	return p.has(w.Path(), st.Commit)
}

// hasAny says whether there is a file at path or, if that ends with a slash, under it.
func (p *present) hasAny(path string) (bool, error) {
	if p == nil || path == "" || path[len(path)-1] != '/' || p.head == nil {
		return p.hasFile(path)
	}
	w := p.head.WalkHint(path, 1)
	return w.Next(), w.Err()
}

// cover takes the name of a file that is not there any more out of a commit.
func (p *present) cover(c *Commit) error {
	path := c.FirstPath()
	if p == nil || path == "" {
		return nil
	}
	there, err := p.hasFile(path)
	if err == nil && !there {
		c.ForgetPaths()
	}
	return err
}
