package pfs

import (
	"errors"
	"testing"
	"time"

	"caret/commits/revision"
	"caret/objstore"
	"caret/objstore/memory"
	"caret/pfs/rows"
)

// TestOpenCommitsExpire: one that is written to stays, one that nobody touches
// goes with all that is staged in it.
func TestOpenCommitsExpire(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	now := time.UnixMilli(1_700_000_000_000).UTC()
	const ttl = 24 * time.Hour
	fs, err := openRoot(ctx, memory.New(), Options{Now: func() time.Time { return now }, OpenTTL: ttl, manual: true})
	if err != nil {
		t.Fatal(err)
	}
	defer fs.sys.Close()
	if _, err := fs.CreateRepo(ctx, Repo{Name: "r"}); err != nil {
		t.Fatal(err)
	}
	var used, idle Ref
	for _, ref := range []*Ref{&used, &idle} {
		o, err := fs.StartCommit(ctx, Ref{Repo: "r"}, WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		*ref = Ref{Repo: "r", Base: revision.Expr{Base: o.ID.String()}}
		mustPut(t, fs, *ref, "f", "staged")
		if _, err := fs.CreateUpload(ctx, *ref, "up", Attrs{}, WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	started := now
	now = now.Add(20 * time.Hour)
	mustPut(t, fs, used, "g", "staged later")
	o, staged, err := fs.OpenCommit(ctx, used)
	if err != nil || staged != 2 || !o.Touched.Equal(now) || !o.Expires.Equal(now.Add(ttl)) {
		t.Errorf("the one in use: %+v, %d staged, %v", o, staged, err)
	}
	if o, staged, err = fs.OpenCommit(ctx, idle); err != nil || staged != 1 || !o.Expires.Equal(started.Add(ttl)) {
		t.Errorf("the idle one: %+v, %d staged, %v", o, staged, err)
	}
	now = now.Add(5 * time.Hour)
	if err := errors.Join(fs.sys.jobs.Sweep(ctx), fs.sys.jobs.Work(ctx)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := fs.OpenCommit(ctx, idle); !errors.Is(err, ErrNoSuchCommit) {
		t.Errorf("the idle one is there: %v", err)
	}
	if got, err := read(fs, used, "g"); err != nil || got != "staged later" {
		t.Errorf("the one in use reads %q, %v", got, err)
	}
	if n := countRows(t, fs, rows.Upload); n != 1 {
		t.Errorf("%d uploads are left, want that of the one in use", n)
	}
	id, err := revision.ParseID(used.Base.Base)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.FinishCommit(ctx, openRef("r", id), FinishOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []byte{rows.Upload, rows.Open, rows.Dropping} {
		if n := countRows(t, fs, kind); n != 0 {
			t.Errorf("%d rows of kind %c are left", n, kind)
		}
	}
}

func countRows(t *testing.T, fs *FS, kind byte) int {
	n := 0
	err := fs.sys.db.View(t.Context(), func(tx objstore.Reader) error {
		return rows.Some(tx, []byte{kind}, "", 0, func(string, []byte) error {
			n++
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
