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
	to, err := s.refFor(c, in.Ref, pfs.ActWrite)
	if err != nil {
		return err
	}
	on, err := s.fs.Target(c.Context(), to)
	if err != nil {
		return err
	}
	src, err := c.ref(in.From)
	if err != nil {
		return err
	}
	if in.FromRepo != "" {
		src.Repo = in.FromRepo
	}
	from, err := s.readable(c, src, &in)
	if err != nil {
		return err
	}
	if from.Repo == on.Repo && from.Branch == on.Branch && from.ID == on.ID && in.FromPath == in.Path {
		return fmt.Errorf("%w: %q would be copied onto itself", pfs.ErrInvalidArgument, in.Path)
	}
	opt := c.options(in.Message)
	opt.On = on
	if in.Recursive {
		return s.copyAll(c, from, to, &in, opt)
	}
	info, err := from.Stat(c.Context(), in.FromPath)
	if err != nil {
		return err
	}
	done, err := s.fs.Copy(c.Context(), info, to, in.Path, nil, opt)
	if err != nil {
		return err
	}
	return c.ok(v1.Written{Commit: done.Commit.String(), Files: 1})
}

// readable is what is copied from, of which the caller must be allowed to read
// the file, or to list all.
func (s *server) readable(c *call, ref pfs.Ref, in *v1.Copy) (*pfs.Snapshot, error) {
	if in.Recursive {
		return s.authorize(c, ref, pfs.ActList, "")
	}
	return s.authorize(c, ref, pfs.ActRead, in.FromPath)
}

// copyAll copies what is under a prefix. Who does not own the branch that it
// is read from must be allowed to read every file of it.
func (s *server) copyAll(c *call, from *pfs.Snapshot, to pfs.Ref, in *v1.Copy, opt pfs.WriteOptions) error {
	ctx, who := c.Context(), c.caller.Caller
	var may func(path string) error
	if from.Authorize(ctx, who, pfs.ActOwn, "") != nil {
		may = func(path string) error { return from.Authorize(ctx, who, pfs.ActRead, path) }
	}
	done, err := s.fs.CopyFiles(ctx, from, in.FromPath, to, in.Path, may, opt)
	if err != nil {
		return err
	}
	return c.ok(undone(done))
}
