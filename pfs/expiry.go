package pfs

import (
	"context"
	"errors"
	"time"

	"caret/commits"
	"caret/objstore"
)

// touchEvery is how exactly it is kept when an open commit was last written to.
func (fs *FS) touchEvery() time.Duration {
	if fs.openTTL > 0 {
		return min(time.Minute, fs.openTTL/20)
	}
	return time.Minute
}

// touch remembers that the open commit was written to.
func (s *Snapshot) touch(tx objstore.Writer) error {
	if !s.Open {
		return nil
	}
	now := s.fs.timestamp()
	if now.Sub(s.touched) < s.fs.touchEvery() {
		return nil
	}
	row, err := readOpen(tx, s.repo, s.ID)
	if err != nil {
		return err
	}
	row.Touched = now
	return setJSON(tx, openKey(s.repo, s.ID), row)
}

func (o *openRow) touched() time.Time {
	if o.Touched.IsZero() {
		return o.Started
	}
	return o.Touched
}

// expires is when the commit is dropped if nobody writes to it; zero is never.
func (o *openRow) expires(ttl time.Duration) time.Time {
	if ttl <= 0 {
		return time.Time{}
	}
	return o.touched().Add(ttl)
}

// expired says whether the commit is to be dropped now.
func (fs *FS) expired(o *openRow) bool {
	return fs.openTTL > 0 && !o.Finishing && !o.Internal && fs.now().After(o.expires(fs.openTTL))
}

// expiryLoop drops open commits that nobody has touched for long.
func (fs *FS) expiryLoop() {
	defer fs.wg.Done()
	tick := time.NewTicker(max(time.Second, min(fs.openTTL/20, 10*time.Minute)))
	defer tick.Stop()
	for {
		if err := fs.dropExpired(fs.stopped); err != nil && fs.stopped.Err() == nil {
			fs.log.Error("drop expired open commits", "err", err)
		}
		select {
		case <-fs.stopped.Done():
			return
		case <-tick.C:
		}
	}
}

// dropExpired drops the open commits whose time is over.
func (fs *FS) dropExpired(ctx context.Context) error {
	var keys [][]byte
	err := fs.rows.View(ctx, func(tx objstore.Reader) error {
		keys = nil
		return scanNames(tx, []byte{keyOpen}, "", 0, func(raw string, value []byte) error {
			var row openRow
			key := append([]byte{keyOpen}, raw...)
			err := decodeJSON(key, value, &row)
			if err == nil && fs.expired(&row) {
				keys = append(keys, key)
			}
			return err
		})
	})
	for _, key := range keys {
		if err == nil {
			err = fs.dropIfExpired(ctx, key)
		}
	}
	return err
}

func (fs *FS) dropIfExpired(ctx context.Context, key []byte) error {
	var id CommitID
	copy(id[:], key[len(key)-len(id):])
	var row openRow
	dropped := false
	err := fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		row, dropped = openRow{}, false
		err := getJSON(tx, key, &row)
		if errors.Is(err, objstore.ErrNotFound) {
			return nil // finished or aborted meanwhile
		}
		if err != nil || !fs.expired(&row) {
			return err
		}
		dropped = true
		return errors.Join(tx.Set(droppingKey(id), nil), tx.Delete(key))
	})
	if err != nil || !dropped {
		return err
	}
	fs.log.Warn("dropped an open commit that nobody has written to", "commit", id, "branch", row.Branch, "last", row.touched())
	return fs.dropStaged(ctx, id)
}

// dropUploads drops the uploads into what was the open commit id.
func (fs *FS) dropUploads(ctx context.Context, id commits.ID) error {
	s := Snapshot{Open: true, ID: id}
	var list []Upload
	err := fs.rows.View(ctx, func(tx objstore.Reader) error {
		list = nil
		return scanNames(tx, s.uploadScope(), "", 0, func(_ string, value []byte) error {
			var u Upload
			err := decodeJSON(s.uploadScope(), value, &u)
			list = append(list, u)
			return err
		})
	})
	for _, u := range list {
		if err == nil {
			err = fs.rows.Update(ctx, "", func(tx objstore.Writer) error { return dropUpload(tx, &s, u.Path, u.ID) })
		}
	}
	return err
}
