package pfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"caret/objstore"
	"caret/objstore/memory"
	"caret/pfs/access"
	"caret/pfs/upload"
)

// hostileFS is a store that has rows of every kind.
type hostileFS struct {
	store  objstore.Store
	rows   []objstore.Row
	open   CommitID
	upload string
	done   string // an upload that was completed
	key    Key
}

func newHostile(t *testing.T) *hostileFS {
	t.Helper()
	ctx := t.Context()
	h := &hostileFS{store: memory.New()}
	fs, err := openRoot(ctx, h.store, Options{manual: true, LayerAbove: 3, OpenTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer fs.sys.Close()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	mustRepo(t, fs, "gone")
	mustPut(t, fs, Ref{Repo: "gone"}, "f", "x")
	_, err = fs.DeleteRepo(ctx, "gone", DeleteOptions{Force: true})
	must(err)
	mustRepo(t, fs, "r")
	master, dev := Ref{Repo: "r", Branch: "master"}, Ref{Repo: "r", Branch: "dev"}
	for i := range 3 {
		mustPut(t, fs, master, fmt.Sprint("f", i%2), fmt.Sprint(i))
	}
	_, err = fs.SetTags(ctx, master, "f0", nil, map[string]string{"k": "v"}, WriteOptions{})
	must(err)
	for _, name := range []string{"dev", "old"} {
		_, err = fs.CreateBranch(ctx, "r", name, BranchOptions{From: &master})
		must(err)
	}
	_, err = fs.DeleteBranch(ctx, "r", "old", BranchDeletion{})
	must(err)
	mustPut(t, fs, dev, "f0", "dev")
	mustPut(t, fs, master, "f1", "later")
	_, err = fs.Merge(ctx, dev, master, MergeOptions{})
	must(err)
	_, err = fs.CreateTag(ctx, "r", "v1", master, "")
	must(err)
	_, err = fs.CreateUser(ctx, User{Name: "alice"})
	must(err)
	h.key, err = fs.CreateKey(ctx, Key{User: "alice"})
	must(err)
	must(fs.SetFileACL(ctx, master, "f0", []Grant{{Group: access.AllUsers, Permission: access.PermRead}}))
	must(fs.ChangeSettings(ctx, master, ActOwn, func(s *Settings) error {
		s.Tags = map[string]string{"k": "v"}
		return nil
	}))
	o, err := fs.StartCommit(ctx, master, WriteOptions{})
	must(err)
	h.open = o.ID
	mustPut(t, fs, openRef("r", h.open), "staged", "x")
	for range 2 { // the second one is completed
		h.done = h.upload
		u, err := fs.CreateUpload(ctx, master, "up", Attrs{}, WriteOptions{})
		must(err)
		h.upload = u.ID
		_, err = fs.PutPart(ctx, master, "up", u.ID, 1, FilePart{Content: store(t, fs, "part")}, Checksum{})
		must(err)
	}
	h.done, h.upload = h.upload, h.done
	_, err = fs.CompleteUpload(ctx, master, "up", h.done, []CompletedPart{{Number: 1}}, Checksum{}, WriteOptions{})
	must(err)
	aborted, err := fs.StartCommit(ctx, master, WriteOptions{})
	must(err)
	mustPut(t, fs, openRef("r", aborted.ID), "aborted", "x")
	must(fs.AbortCommit(ctx, openRef("r", aborted.ID)))
	layer, err := fs.StartCommit(ctx, master, WriteOptions{})
	must(err)
	for i := range 5 {
		mustPut(t, fs, openRef("r", layer.ID), fmt.Sprint("many", i), "x")
	}
	_, err = fs.FinishCommit(ctx, openRef("r", layer.ID), FinishOptions{})
	must(err)
	must(fs.sys.jobs.Sweep(ctx))
	must(h.store.Rows().View(ctx, func(tx objstore.Reader) (err error) {
		h.rows, err = tx.Page(objstore.Range{}, math.MaxInt)
		return err
	}))
	return h
}

// with is the store with other rows.
func (h *hostileFS) with(t *testing.T, list []objstore.Row) objstore.Store {
	t.Helper()
	s := memory.New()
	for _, name := range []string{"repo", "line", "move"} {
		if _, err := s.Rows().Number(t.Context(), name, 1000); err != nil {
			t.Fatal(err)
		}
	}
	err := s.Rows().Update(t.Context(), "", func(tx objstore.Writer) error {
		for _, r := range list {
			if err := tx.Set(r.Key, r.Value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return otherRows{h.store, s.Rows()}
}

type otherRows struct {
	objstore.Store
	rows objstore.Rows
}

func (o otherRows) Rows() objstore.Rows { return o.rows }

// lookAtAll reads all that there is of a ref.
func lookAtAll(ctx context.Context, fs *FS, ref Ref) error {
	s, err := fs.Open(ctx, ref, ActList, "")
	if err != nil {
		return err
	}
	_, logErr := s.Log(ctx, LogOptions{Limit: 100})
	_, underErr := s.Log(ctx, LogOptions{Path: "f0", Limit: 100})
	_, versionsErr := s.Versions(ctx, VersionsOptions{Limit: 100})
	_, uploadsErr := s.Uploads(ctx, UploadsOptions{Limit: 10})
	_, settingsErr := s.Settings(ctx)
	_, ownerErr := s.Owner(ctx)
	_, aclErr := s.FileACL(ctx, "f0")
	_, historyErr := s.History(ctx, "f0", 10)
	_, changesErr := fs.Changes(ctx, ref, "", 100)
	errs := []error{logErr, underErr, versionsErr, uploadsErr, settingsErr, ownerErr, aclErr, historyErr, changesErr}
	page, err := s.List(ctx, ListOptions{Limit: 100})
	for _, it := range page.Items {
		r, readErr := s.Read(ctx, it.Info, 0, -1)
		if readErr == nil {
			_, readErr = io.Copy(io.Discard, r)
			r.Close()
		}
		errs = append(errs, readErr)
	}
	return errors.Join(append(errs, err)...)
}

// operations are what reads, or works on, every kind of row.
func (h *hostileFS) operations() map[string]func(context.Context, *FS) error {
	master, dev := Ref{Repo: "r", Branch: "master"}, Ref{Repo: "r", Branch: "dev"}
	open := openRef("r", h.open)
	return map[string]func(context.Context, *FS) error{
		"repos":    func(ctx context.Context, fs *FS) error { _, err := fs.Repos(ctx, "", 0); return err },
		"branches": func(ctx context.Context, fs *FS) error { _, err := fs.Branches(ctx, "r", "", 0); return err },
		"visible":  func(ctx context.Context, fs *FS) error { _, err := fs.Listed(ctx, "", "", 0); return err },
		"tags":     func(ctx context.Context, fs *FS) error { _, err := fs.Tags(ctx, "r", "", 0); return err },
		"deleted":  func(ctx context.Context, fs *FS) error { _, err := fs.DeletedBranches(ctx, "r", "", 0); return err },
		"moves":    func(ctx context.Context, fs *FS) error { _, err := fs.Moves(ctx, "r", "dev", 0, 0); return err },
		"master":   func(ctx context.Context, fs *FS) error { return lookAtAll(ctx, fs, master) },
		"dev":      func(ctx context.Context, fs *FS) error { return lookAtAll(ctx, fs, dev) },
		"tag":      func(ctx context.Context, fs *FS) error { return lookAtAll(ctx, fs, Ref{Repo: "r", Branch: "v1"}) },
		"open":     func(ctx context.Context, fs *FS) error { _, _, err := fs.OpenCommit(ctx, open); return err },
		"prefix": func(ctx context.Context, fs *FS) error {
			short := open
			short.Base.Base = short.Base.Base[:8]
			_, err := fs.Open(ctx, short, ActList, "")
			return err
		},
		"opens": func(ctx context.Context, fs *FS) error { _, err := fs.OpenCommits(ctx, "r", CommitID{}, 0); return err },
		"diff": func(ctx context.Context, fs *FS) error {
			_, err := fs.Diff(ctx, master, dev, DiffOptions{})
			return err
		},
		"parts": func(ctx context.Context, fs *FS) error {
			_, err := fs.Parts(ctx, master, "up", h.upload, 0, 10)
			return err
		},
		"users":  func(ctx context.Context, fs *FS) error { _, err := fs.Users(ctx, "", 0); return err },
		"keys":   func(ctx context.Context, fs *FS) error { _, err := fs.Keys(ctx, "", "", 0); return err },
		"secret": func(ctx context.Context, fs *FS) error { _, err := fs.sys.Secret(ctx, h.key.AccessKey); return err },
		"alice": func(ctx context.Context, fs *FS) error {
			_, err := fs.sys.As(Holder(h.key.AccessKey)).Open(ctx, master, ActRead, "f0")
			return err
		},
		"sweep": func(ctx context.Context, fs *FS) error { return fs.sys.jobs.Sweep(ctx) },
		"work":  func(ctx context.Context, fs *FS) error { return fs.sys.jobs.Work(ctx) },
		"merge": func(ctx context.Context, fs *FS) error {
			_, err := fs.Merge(ctx, dev, master, MergeOptions{})
			return err
		},
		"revert": func(ctx context.Context, fs *FS) error {
			_, err := fs.Revert(ctx, dev, dev, UndoOptions{DryRun: true})
			return err
		},
		"complete": func(ctx context.Context, fs *FS) error {
			_, err := fs.CompleteUpload(ctx, master, "up", h.upload, []upload.CompletedPart{{Number: 1}}, Checksum{}, WriteOptions{})
			return err
		},
		"completed": func(ctx context.Context, fs *FS) error {
			_, err := fs.CompleteUpload(ctx, master, "up", h.done, []upload.CompletedPart{{Number: 1}}, Checksum{}, WriteOptions{})
			return err
		},
		"restore": func(ctx context.Context, fs *FS) error { _, err := fs.RestoreBranch(ctx, "r", "old"); return err },
		"reset": func(ctx context.Context, fs *FS) error {
			_, err := fs.ResetBranch(ctx, "r", "dev", master, WriteOptions{}, false)
			return err
		},
		"put": func(ctx context.Context, fs *FS) error {
			_, err := fs.SetTags(ctx, master, "f1", nil, nil, WriteOptions{})
			return err
		},
		"remove": func(ctx context.Context, fs *FS) error {
			head := Deletion{Path: "f0"}
			_, err := fs.Delete(ctx, master, []Deletion{head}, WriteOptions{})
			return err
		},
		"finish": func(ctx context.Context, fs *FS) error {
			_, err := fs.FinishCommit(ctx, open, FinishOptions{})
			return err
		},
		"delete branch": func(ctx context.Context, fs *FS) error {
			_, err := fs.DeleteBranch(ctx, "r", "dev", BranchDeletion{})
			return err
		},
		"delete repo": func(ctx context.Context, fs *FS) error {
			_, err := fs.DeleteRepo(ctx, "r", DeleteOptions{Force: true})
			return err
		},
	}
}

// known are the errors that damage may look like: it says something else, or not enough.
var known = []error{
	ErrCorrupt, ErrInvalidName, ErrInvalidPath, ErrInvalidArgument, ErrNoSuchRepo, ErrNoSuchBranch, ErrNoSuchTag, ErrNoSuchCommit, ErrNoSuchVersion,
	ErrNoSuchPath, ErrNoSuchUpload, ErrNoSuchUser, ErrNoSuchKey, ErrAmbiguous, ErrBranchExists, ErrDenied, ErrKeyGone, ErrReadOnly, ErrConflict,
	ErrInvalidPart, ErrPartTooSmall, ErrPrecondition, ErrTooLarge,
}

// run runs an operation on a store with other rows, which must neither panic nor fail
// with an error that nobody knows.
func (h *hostileFS) run(t *testing.T, what, name string, list []objstore.Row) {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("%s: %s panics: %v\n%s", what, name, p, debug.Stack())
		}
	}()
	shared := h.with(t, list)
	fs, err := openRoot(t.Context(), shared, Options{manual: true, LayerAbove: 3, OpenTTL: time.Hour, UploadTTL: time.Hour})
	if err == nil {
		defer fs.sys.Close()
		err = h.operations()[name](t.Context(), fs)
	}
	for _, e := range leaves(err) {
		if !slices.ContainsFunc(known, func(k error) bool { return errors.Is(e, k) }) {
			t.Errorf("%s: %s: %v", what, name, e)
		}
	}
}

// leaves are the errors that were joined.
func leaves(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || slices.ContainsFunc(known, func(k error) bool { return errors.Is(err, k) }) {
		return []error{err}
	}
	var list []error
	for _, e := range joined.Unwrap() {
		list = append(list, leaves(e)...)
	}
	return list
}

// TestHostileRows: whatever stands in a row or in a key, nothing panics or goes on for
// ever, and errors are known ones; what cannot be parsed is ErrCorrupt.
func TestHostileRows(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	kinds, few := make(map[byte]int), 2
	if testing.Short() {
		few = 1
	}
	for i, row := range h.rows {
		if kinds[row.Key[0]]++; kinds[row.Key[0]] > few {
			continue // of each kind a few
		}
		other := func(key, value []byte) []objstore.Row {
			list := slices.Clone(h.rows)
			list[i] = objstore.Row{Key: key, Value: value}
			return list
		}
		values := [][]byte{
			{}, row.Value[:len(row.Value)/2], []byte("null"), []byte("[]"), []byte(`{"line":18446744073709551615,"n":18446744073709551615}`),
			[]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), slices.Repeat([]byte{0xff}, 64), slices.Repeat([]byte{0x7a}, 64), slices.Repeat([]byte{0}, 64),
		}
		keys := [][]byte{row.Key[:1], row.Key[:len(row.Key)-1], row.Key[:(len(row.Key)+1)/2], append(slices.Clone(row.Key), 0), append(slices.Clone(row.Key), 'x', 'y')}
		for name := range h.operations() {
			for v, value := range values {
				h.run(t, fmt.Sprintf("row %q with value %d", row.Key, v), name, other(row.Key, value))
			}
			for _, key := range keys {
				if len(key) > 0 {
					h.run(t, fmt.Sprintf("row %q with key %q", row.Key, key), name, other(key, row.Value))
					h.run(t, fmt.Sprintf("row %q and key %q", row.Key, key), name, append(other(row.Key, row.Value), objstore.Row{Key: key, Value: row.Value}))
				}
			}
		}
	}
	for _, kind := range []byte("lhcievmdrbtXRxouqpsAUIKgaTF") {
		if kinds[kind] == 0 {
			t.Errorf("there is no row of kind %c", kind)
		}
	}
}
