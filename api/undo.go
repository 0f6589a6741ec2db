package api

import (
	v1 "caret/api/v1"
	"caret/pfs"
)

// undone is what was done, or what a dry run found.
func undone(u pfs.Undone) v1.Written {
	w := v1.Written{Files: u.Files}
	for _, d := range u.Changes[:min(len(u.Changes), maxDiff)] {
		w.Changes = append(w.Changes, wireDifference(d))
	}
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
	to, opt, err := s.writeTo(c, in.Branch, pfs.ActWrite, in.Message)
	if err != nil {
		return err
	}
	commit, err := s.refFor(c, in.Commit, pfs.ActList)
	if err != nil {
		return err
	}
	if opt.DryRun = in.DryRun; in.DryRun {
		if err := s.may(c, to, pfs.ActList); err != nil {
			return err
		}
	}
	done, err := s.fs.Revert(c.Context(), to, commit, opt)
	if err != nil {
		return s.advise(c, err, to, "revert what came later first, or bring paths back one by one with `caret restore`")
	}
	return c.ok(undone(done))
}

// restoreFiles brings content back, so it takes who may read all of it.
func (s *server) restoreFiles(c *call) error {
	var in v1.RestoreFiles
	if err := c.read(&in); err != nil {
		return err
	}
	to, opt, err := s.writeTo(c, in.Branch, pfs.ActOwn, in.Message)
	if err != nil {
		return err
	}
	from, err := s.refFor(c, in.From, pfs.ActOwn)
	if err != nil {
		return err
	}
	opt.DryRun = in.DryRun
	done, err := s.fs.RestoreFiles(c.Context(), to, from, in.Prefix, opt)
	if err != nil {
		return s.advise(c, err, to, "the branch was written to meanwhile; try again")
	}
	return c.ok(undone(done))
}
