package api

import (
	"slices"

	v1 "caret/api/v1"
	"caret/pfs"
)

// maxDiff is the default and the ceiling of a page of a diff, each of which
// takes as long as the whole to find.
const maxDiff = 20_000

// diff compares the refs from and to in the query.
func (s *server) diff(c *call) error {
	after, limit, err := c.pageOf(maxDiff)
	if err != nil {
		return err
	}
	q := c.URL.Query()
	from, err := s.refFor(c, q.Get("from"), pfs.ActList)
	if err != nil {
		return err
	}
	to, err := s.refFor(c, q.Get("to"), pfs.ActList)
	if err != nil {
		return err
	}
	list, err := s.fs.Diff(c.Context(), from, to, pfs.DiffOptions{Prefix: q.Get("prefix"), After: after, Limit: limit + 1})
	if err != nil {
		return err
	}
	return c.ok(wirePage(list, limit, wireDifference, func(d pfs.Difference) string { return d.Path }))
}

func wireDifference(d pfs.Difference) v1.Difference {
	w := v1.Difference{Path: d.Path, Change: "modified", Old: side(d.Old), New: side(d.New)}
	content, metadata, tags := d.Differs()
	for what, is := range map[string]bool{"content": content, "metadata": metadata, "tags": tags} {
		if is {
			w.Differs = append(w.Differs, what)
		}
	}
	slices.Sort(w.Differs)
	switch {
	case d.Old == nil:
		w.Change = "added"
	case d.New == nil:
		w.Change = "removed"
	}
	return w
}

func side(i *pfs.Info) *v1.File {
	if i == nil {
		return nil
	}
	f := wireFile(pfs.Item{Info: *i})
	f.Meta = nil // who lists may not be who reads
	return &f
}
