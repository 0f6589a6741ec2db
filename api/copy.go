package api

import (
	"fmt"

	v1 "caret/api/v1"
	"caret/pfs"
)

func (s *server) copyFiles(c *call) error {
	var in v1.Copy
	if err := c.read(&in); err != nil {
		return err
	}
	to, err := c.ref(in.Ref)
	if err != nil {
		return err
	}
	from, err := c.ref(in.From)
	if err != nil {
		return err
	}
	if in.FromRepo != "" {
		from.Repo = in.FromRepo
	}
	opt := c.options(in.Message)
	if in.Recursive {
		done, err := c.fs.CopyFiles(c.Context(), from, in.FromPath, to, in.Path, opt)
		if err != nil {
			return err
		}
		return c.ok(undone(done))
	}
	info, err := c.source(&in, from, to, &opt)
	if err != nil {
		return err
	}
	done, err := c.fs.Copy(c.Context(), info, to, in.Path, nil, opt)
	if err != nil {
		return err
	}
	return c.ok(v1.Written{Commit: done.Commit.String(), Files: 1})
}

// source finds the file that is to be copied.
func (c *call) source(in *v1.Copy, from, to pfs.Ref, opt *pfs.WriteOptions) (info pfs.Info, err error) {
	err = c.fs.View(c.Context(), func(v *pfs.View) error {
		on, err := v.Target(to, pfs.ActWrite, in.Path)
		if err != nil {
			return err
		}
		snap, err := v.Open(from, pfs.ActRead, in.FromPath)
		if err != nil {
			return err
		}
		if snap.Repo == on.Repo && snap.Branch == on.Branch && snap.ID == on.ID && in.FromPath == in.Path {
			return fmt.Errorf("%w: %q would be copied onto itself", pfs.ErrInvalidArgument, in.Path)
		}
		opt.Source = snap
		info, err = snap.Stat(c.Context(), in.FromPath)
		return err
	})
	return info, err
}

func (s *server) moveFiles(c *call) error {
	var in v1.MoveFiles
	if err := c.read(&in); err != nil {
		return err
	}
	on, err := c.ref(in.Ref)
	if err != nil {
		return err
	}
	move := c.fs.MoveFile
	if in.Recursive {
		move = c.fs.MoveFiles
	}
	done, err := move(c.Context(), on, in.From, in.To, c.options(in.Message))
	if err != nil {
		return c.advise(err, on, "the branch was written to meanwhile; try again")
	}
	return c.ok(undone(done))
}
