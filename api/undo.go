package api

import (
	v1 "caret/api/v1"
	"caret/pfs"
)

// undone is what was done, or what a dry run found.
func undone(u pfs.Undone) v1.Written {
	w := v1.Written{Files: u.Files}
	for _, d := range u.Changes {
		w.Changes = append(w.Changes, wireDifference(d))
	}
	if !u.Commit.IsZero() {
		w.Commit = u.Commit.String()
	}
	return w
}

// reserveDryRun takes the memory that the list of a dry run's changes needs in the
// answer.
func (c *call) reserveDryRun(dryRun bool) error {
	if !dryRun {
		return nil
	}
	return c.reserve(pfs.MaxUndone * listed)
}

func (s *server) revert(c *call) error {
	var in v1.Revert
	if err := c.read(&in); err != nil {
		return err
	}
	if err := c.reserveDryRun(in.DryRun); err != nil {
		return err
	}
	onto, err := c.ref(in.Branch)
	if err != nil {
		return err
	}
	commit, err := c.ref(in.Commit)
	if err != nil {
		return err
	}
	done, err := c.fs.Revert(c.Context(), onto, commit, pfs.UndoOptions{WriteOptions: c.options(in.Message), DryRun: in.DryRun})
	if err != nil {
		return c.advise(err, onto, "revert what came later first, or bring paths back one by one with `caret restore`")
	}
	return c.ok(undone(done))
}

func (s *server) restoreFiles(c *call) error {
	var in v1.RestoreFiles
	if err := c.read(&in); err != nil {
		return err
	}
	if err := c.reserveDryRun(in.DryRun); err != nil {
		return err
	}
	onto, err := c.ref(in.Branch)
	if err != nil {
		return err
	}
	from, err := c.ref(in.From)
	if err != nil {
		return err
	}
	done, err := c.fs.RestoreFiles(c.Context(), onto, from, in.Prefix, pfs.UndoOptions{WriteOptions: c.options(in.Message), DryRun: in.DryRun})
	if err != nil {
		return c.advise(err, onto, "the branch was written to meanwhile; try again")
	}
	return c.ok(undone(done))
}
