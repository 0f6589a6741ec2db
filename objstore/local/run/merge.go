package run

import (
	"context"
	"fmt"

	"caret/objstore"
)

// Merge makes one run in dir of two or more of the log id that follow each
// other, the oldest first: of each key the newest row, without deletions if
// nothing is older; and all bulks. The inputs stay; once Merge returned nil they
// are superseded, and the caller removes them when nobody reads them. If it fails
// they are what they were.
func Merge(ctx context.Context, dir string, id [8]byte, runs []Info, opts Options) (Info, error) {
	if len(runs) < 2 {
		return Info{}, fmt.Errorf("merge runs: there are %d", len(runs))
	}
	first, last := runs[0], runs[len(runs)-1]
	if first.ID != id {
		return Info{}, fmt.Errorf("merge runs: %w: %s is of log %x, not %x", objstore.ErrCorrupt, first.Path, first.ID, id)
	}
	scan, err := Scan(ctx, runs, ScanOptions{SkipDeleted: first.From == 0, Fault: opts.Fault})
	if err != nil {
		return Info{}, fmt.Errorf("merge runs: %w", err)
	}
	defer scan.Close() //nolint:errcheck // it was read only
	w, err := Create(dir, id, first.From, last.To, opts)
	if err != nil {
		return Info{}, err
	}
	defer w.Abort()
	for scan.Next() {
		if err := w.Add(scan.Row()); err != nil {
			return Info{}, err
		}
	}
	if err := scan.Err(); err != nil {
		return Info{}, fmt.Errorf("merge runs: %w", err)
	}
	for _, c := range scan.all {
		for _, b := range c.r.info.Bulks {
			w.Bulk(b)
		}
	}
	return w.Close()
}
