package api

import (
	v1 "caret/api/v1"
	"caret/pfs"
)

func (s *server) merge(c *call) error {
	var in v1.Merge
	if err := c.read(&in); err != nil {
		return err
	}
	into, err := c.ref(in.Into)
	if err != nil {
		return err
	}
	from, err := c.ref(in.From)
	if err != nil {
		return err
	}
	opt := pfs.MergeOptions{
		WriteOptions: c.options(in.Message), NoFastForward: in.NoFastForward, Squash: in.Squash, DryRun: in.DryRun,
	}
	for _, r := range in.Rules {
		opt.Rules = append(opt.Rules, pfs.Rule{Pattern: r.Pattern, Strategy: r.Strategy})
	}
	done, err := c.fs.Merge(c.Context(), into, from, opt)
	if err != nil {
		return c.advise(err, into, "decide with --strategy ours or theirs, for all paths or for some: --strategy 'june/=theirs'")
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
