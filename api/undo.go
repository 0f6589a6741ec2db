package api

import (
	v1 "caret/api/v1"
	"caret/pfs"
)

func undone(u pfs.Undone) v1.Written {
	w := v1.Written{Files: u.Files}
	if !u.Commit.IsZero() {
		w.Commit = u.Commit.String()
	}
	return w
}

func (s *server) revert(c *call) error {
	var in v1.Revert
	if err := c.read(&in); err != nil {
		return err
	}
	to, err := s.refFor(c, in.Branch, pfs.ActWrite)
	if err != nil {
		return err
	}
	commit, err := s.refFor(c, in.Commit, pfs.ActList)
	if err != nil {
		return err
	}
	done, err := s.fs.Revert(c.Context(), to, commit, c.options(in.Message))
	if err != nil {
		return advise(s.conceal(c, to, err), "revert what came later first, or bring paths back one by one with `caret restore`")
	}
	return c.ok(undone(done))
}

// restoreFiles brings content back, so it takes who may read all of it.
func (s *server) restoreFiles(c *call) error {
	var in v1.RestoreFiles
	if err := c.read(&in); err != nil {
		return err
	}
	to, err := s.refFor(c, in.Branch, pfs.ActOwn)
	if err != nil {
		return err
	}
	from, err := s.refFor(c, in.From, pfs.ActOwn)
	if err != nil {
		return err
	}
	done, err := s.fs.RestoreFiles(c.Context(), to, from, in.Prefix, c.options(in.Message))
	if err != nil {
		return advise(err, "the branch was written to meanwhile; try again")
	}
	return c.ok(undone(done))
}
