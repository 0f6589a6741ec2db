package api

import (
	v1 "caret/api/v1"
	"caret/pfs"
)

// merge brings content into a branch, so it takes who may read all of it; a
// protected branch takes merges of who owns it alone.
func (s *server) merge(c *call) error {
	var in v1.Merge
	if err := c.read(&in); err != nil {
		return err
	}
	into, write, err := s.writeTo(c, in.Into, pfs.ActWrite, in.Message)
	if err != nil {
		return err
	}
	from, err := s.refFor(c, in.From, pfs.ActOwn)
	if err != nil {
		return err
	}
	if in.DryRun { // which shows what the branch has
		if err := s.may(c, into, pfs.ActList); err != nil {
			return err
		}
	}
	if !c.caller.Unlimited() {
		if write.On.Protected() {
			if err := write.On.Authorize(c.Context(), c.caller.Caller, pfs.ActOwn, ""); err != nil {
				return err
			}
		}
	}
	opt := pfs.MergeOptions{
		WriteOptions: write, NoFastForward: in.NoFastForward, Squash: in.Squash, DryRun: in.DryRun,
	}
	for _, r := range in.Rules {
		opt.Rules = append(opt.Rules, pfs.Rule{Pattern: r.Pattern, Strategy: r.Strategy})
	}
	done, err := s.fs.Merge(c.Context(), into, from, opt)
	if err != nil {
		return s.advise(c, err, into, "decide with --strategy ours or theirs, for all paths or for some: --strategy 'june/=theirs'")
	}
	return c.ok(wireMerged(done))
}

func wireMerged(m pfs.Merged) v1.Merged {
	w := v1.Merged{Bases: []string{}, Files: m.Files, UpToDate: m.UpToDate, FastForward: m.FastForward}
	if !m.Commit.IsZero() {
		w.Commit = m.Commit.String()
	}
	for _, id := range m.Bases {
		w.Bases = append(w.Bases, id.String())
	}
	for _, d := range m.Changes {
		w.Changes = append(w.Changes, wireDifference(d))
	}
	if m.Conflicts != nil {
		w.ConflictCount = m.Conflicts.Total
		for _, x := range m.Conflicts.Conflicts {
			w.Conflicts = append(w.Conflicts, wireConflict(x))
		}
	}
	return w
}
