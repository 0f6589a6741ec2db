package jobs

import (
	"caret/objstore"
	"caret/pfs/catalog"
	"caret/pfs/rows"
	"caret/pfs/upload"
)

// Counts is what goes on in a store, as rows say it.
type Counts struct {
	OpenCommits int // that somebody opened; of them
	Finishing   int // are being finished
	Staging     int // sets of changes of requests under way that are too large for one transaction
	Uploads     int // that are open; of them
	Unpacking   int // are archives that are being unpacked
	Folding     int // branches into which commits of many files are folded
	Dropping    int // open commits that are gone, of which something is left to be removed
}

// Count counts what goes on.
func Count(tx objstore.Reader) (n Counts, err error) {
	err = rows.Some(tx, []byte{rows.Open}, "", 0, func(rest string, value []byte) error {
		var o catalog.OpenRow
		if err := rows.Decode(rows.Key(rows.Open, rest), value, &o); err != nil {
			return err
		}
		if o.Internal {
			n.Staging++
			return nil
		}
		n.OpenCommits++
		if o.Finishing {
			n.Finishing++
		}
		return nil
	})
	if err != nil {
		return n, err
	}
	err = rows.Some(tx, []byte{rows.Upload}, "", 0, func(rest string, value []byte) error {
		var u upload.Upload
		if err := rows.Decode(rows.Key(rows.Upload, rest), value, &u); err != nil {
			return err
		}
		n.Uploads++
		if u.Owner != "" {
			n.Unpacking++
		}
		return nil
	})
	for kind, to := range map[byte]*int{rows.Folding: &n.Folding, rows.Dropping: &n.Dropping} {
		if err == nil {
			err = rows.Some(tx, []byte{kind}, "", 0, func(string, []byte) error { *to++; return nil })
		}
	}
	return n, err
}
