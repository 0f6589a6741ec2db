package api

import (
	"encoding/json"
	"net/http"
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
	from, to, err := c.diffSides()
	if err != nil {
		return err
	}
	list, err := c.fs.Diff(c.Context(), from, to, pfs.DiffOptions{Prefix: c.URL.Query().Get("prefix"), After: after, Limit: limit + 1})
	if err != nil {
		return err
	}
	return c.ok(wirePage(list, limit, wireDifference, func(d pfs.Difference) string { return d.Path }))
}

func (c *call) diffSides() (from, to pfs.Ref, err error) {
	if from, err = c.ref(c.URL.Query().Get("from")); err != nil {
		return from, to, err
	}
	to, err = c.ref(c.URL.Query().Get("to"))
	return from, to, err
}

// streamDiff sends all of a diff, a line of JSON each, as it is found. One
// that breaks off has not ended as HTTP wants it.
func (s *server) streamDiff(c *call) error {
	from, to, err := c.diffSides()
	if err != nil {
		return err
	}
	var out *json.Encoder
	begin := func() {
		c.w.Header().Set("Content-Type", "application/x-ndjson")
		c.w.WriteHeader(http.StatusOK)
		out = json.NewEncoder(c.w)
	}
	err = c.fs.EachDifference(c.Context(), from, to, pfs.DiffOptions{Prefix: c.URL.Query().Get("prefix")}, func(d pfs.Difference) error {
		if out == nil {
			begin()
		}
		return out.Encode(wireDifference(d))
	})
	switch {
	case err == nil && out == nil:
		begin()
	case err != nil && out != nil:
		if c.Context().Err() == nil {
			s.opts.Log.Error("diff failed midway", "from", from, "to", to, "err", err)
		}
		panic(http.ErrAbortHandler)
	}
	return err
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
