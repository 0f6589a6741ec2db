package api

import (
	"errors"
	"net/http"
	"strconv"

	v1 "caret/api/v1"
	"caret/pfs"
)

// branchRef is the branch that a request's path names.
func (c *call) branchRef() pfs.Ref {
	return pfs.Ref{Repo: c.PathValue("repo"), Branch: c.PathValue("branch")}
}

func (s *server) resetBranch(c *call) error {
	var in v1.ResetBranch
	if err := c.read(&in); err != nil {
		return err
	}
	to, err := c.ref(in.To)
	if err != nil {
		return err
	}
	done, err := c.fs.ResetBranch(c.Context(), c.PathValue("repo"), c.PathValue("branch"), to, c.options(""), in.DryRun)
	if err != nil {
		return err
	}
	out := v1.Reset{Branch: wireBranch(done.Branch), LeftCount: done.Count}
	for _, x := range done.Left {
		out.Left = append(out.Left, wireCommit(x))
	}
	return c.ok(out)
}

func (s *server) protectBranch(c *call) error {
	var in v1.ProtectBranch
	if err := c.read(&in); err != nil {
		return err
	}
	b, err := c.fs.ProtectBranch(c.Context(), c.PathValue("repo"), c.PathValue("branch"), in.Protected)
	if err != nil {
		return err
	}
	return c.ok(wireBranch(b))
}

func (s *server) restoreBranch(c *call) error {
	repo := c.PathValue("repo")
	b, err := c.fs.RestoreBranch(c.Context(), repo, c.PathValue("branch"))
	if errors.Is(err, pfs.ErrNoSuchBranch) {
		err = &hinted{err, "`caret branch list " + repo + " --deleted` shows what can be restored"}
	}
	if err != nil {
		return err
	}
	return c.ok(wireBranch(b))
}

func (s *server) listDeleted(c *call) error {
	after, limit, err := c.page()
	if err != nil {
		return err
	}
	list, err := c.fs.DeletedBranches(c.Context(), c.PathValue("repo"), after, limit+1)
	if err != nil {
		return err
	}
	wire := func(b pfs.DeletedBranch) v1.DeletedBranch {
		return v1.DeletedBranch{Name: b.Name, Head: wireBranch(b.Branch).Head, N: b.N, Deleted: b.Deleted}
	}
	return c.ok(wirePage(list, limit, wire, func(b pfs.DeletedBranch) string { return b.Name }))
}

func (s *server) listMoves(c *call) error {
	after, limit, err := c.page()
	if err != nil {
		return err
	}
	before := uint64(0)
	if after != "" {
		if before, err = strconv.ParseUint(after, 10, 64); err != nil || before == 0 {
			return badAfter(after)
		}
	}
	list, err := c.fs.Moves(c.Context(), c.PathValue("repo"), c.PathValue("branch"), before, limit+1)
	if err != nil {
		return err
	}
	wire := func(m pfs.Move) v1.Move { return v1.Move(m) }
	return c.ok(wirePage(list, limit, wire, func(m pfs.Move) string { return strconv.FormatUint(m.N, 10) }))
}

func wireTag(t pfs.Tag) v1.Tag {
	return v1.Tag{Name: t.Name, Repo: t.Repo, Commit: t.Commit.String(), Created: t.Created, Author: t.Author, Message: t.Message}
}

func (s *server) listTags(c *call) error {
	after, limit, err := c.page()
	if err != nil {
		return err
	}
	list, err := c.fs.Tags(c.Context(), c.PathValue("repo"), after, limit+1)
	if err != nil {
		return err
	}
	return c.ok(wirePage(list, limit, wireTag, tagName))
}

func (s *server) inspectTag(c *call) error {
	t, err := c.fs.Tag(c.Context(), c.PathValue("repo"), c.PathValue("tag"))
	if err != nil {
		return err
	}
	return c.ok(wireTag(t))
}

func (s *server) createTag(c *call) error {
	var in v1.CreateTag
	if err := c.read(&in); err != nil {
		return err
	}
	at, err := c.ref(in.At)
	if err != nil {
		return err
	}
	t, err := c.fs.CreateTag(c.Context(), c.PathValue("repo"), in.Name, at, in.Message)
	if err != nil {
		return err
	}
	w := wireTag(t)
	w.Warning = warnOf(t.Name + "." + t.Repo)
	return c.answer(http.StatusCreated, w)
}

func (s *server) deleteTag(c *call) error {
	dry, err := c.dryRun()
	if err != nil {
		return err
	}
	t, err := c.fs.DeleteTag(c.Context(), c.PathValue("repo"), c.PathValue("tag"), dry)
	if err != nil || !dry {
		return c.done(err)
	}
	return c.ok(wireTag(t))
}
