package api

import (
	"errors"
	"fmt"
	"net/http"

	v1 "caret/api/v1"
	"caret/pfs"
)

// undone answers with what was done.
func (c *call) undone(u pfs.Undone, err error) error {
	if err != nil {
		return sinceThen(err)
	}
	w := v1.Written{Files: u.Files}
	if !u.Commit.IsZero() {
		w.Commit = u.Commit.String()
	}
	return c.ok(w)
}

// planned answers with what would be done.
func (c *call) planned(list []pfs.Difference, err error) error {
	if err != nil {
		return sinceThen(err)
	}
	w := v1.Written{Files: len(list)}
	for _, d := range list[:min(len(list), maxDiff)] {
		w.Changes = append(w.Changes, wireDifference(d))
	}
	return c.ok(w)
}

// sinceThen says of a conflict what it is when there is no open commit.
func sinceThen(err error) error {
	var conflict *pfs.ConflictError
	if !errors.As(err, &conflict) {
		return err
	}
	text := fmt.Sprintf("%d of its paths changed on the branch since then", conflict.Total)
	return errors.Join(&problem{http.StatusConflict, "conflict", text, "`caret restore REPO@EXPR:PATH` brings single files back"}, conflict)
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
	if !in.DryRun {
		return c.undone(s.fs.Revert(c.Context(), to, commit, c.options(in.Message)))
	}
	if err := s.may(c, to, pfs.ActList); err != nil {
		return err
	}
	return c.planned(s.fs.PlanRevert(c.Context(), to, commit, c.options("")))
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
	if in.DryRun {
		return c.planned(s.fs.PlanRestore(c.Context(), to, from, in.Prefix, c.options("")))
	}
	return c.undone(s.fs.RestoreFiles(c.Context(), to, from, in.Prefix, c.options(in.Message)))
}
