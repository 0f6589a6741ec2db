package pfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"caret/objstore"
	"caret/objstore/memory"
	"caret/pfs/access"
	"caret/pfs/catalog"
	"caret/pfs/rows"
)

// seen is what a caller sees, by looking at every branch there is.
func seen(ctx context.Context, t rapid.TB, fs *FS) (list []string) {
	t.Helper()
	err := fs.View(ctx, func(v *View) error {
		list = nil
		return catalog.AllBranches(v.tx, func(r catalog.RepoRow, branches []catalog.NamedBranch) error {
			visible, err := access.Visible(v.tx, v.who, r, branches)
			for i, b := range branches {
				if err == nil && visible[i] {
					list = append(list, r.ListName(b.Name))
				}
			}
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// listed is what a caller's list has, in pages, and by repos and their branches.
func listed(ctx context.Context, t rapid.TB, fs *FS, prefix string, limit int) (list []string) {
	t.Helper()
	for after := ""; ; {
		page, err := fs.Listed(ctx, prefix, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page {
			if l.Created.IsZero() {
				t.Fatalf("%s was never created", l.Name)
			}
			list, after = append(list, l.Name), l.Name
		}
		if limit == 0 || len(page) < limit {
			return list
		}
	}
}

// byRepo is what a caller sees by the lists of repos and of their branches, in pages.
func byRepo(ctx context.Context, t rapid.TB, fs *FS) (list []string) {
	t.Helper()
	repos, err := fs.Repos(ctx, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range repos {
		for after := ""; ; {
			page, err := fs.Branches(ctx, r.Name, after, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range page {
				list, after = append(list, r.ListName(b.Name)), b.Name
			}
			if len(page) < 2 {
				break
			}
		}
	}
	slices.Sort(list)
	return list
}

// listsMachine changes what there is to see, at random.
type listsMachine struct {
	*rapid.T
	root    *FS
	users   map[string]string // id by name
	callers map[string]*FS
}

var listRepos, listBranches, listUsers = []string{"a", "ab", "b"}, []string{"master", "m", "m-1", "dev"}, []string{"ann", "bob"}

func (m *listsMachine) repo() string   { return rapid.SampledFrom(listRepos).Draw(m.T, "repo") }
func (m *listsMachine) branch() string { return rapid.SampledFrom(listBranches).Draw(m.T, "branch") }
func (m *listsMachine) user() string   { return rapid.SampledFrom(listUsers).Draw(m.T, "user") }
func (m *listsMachine) as() *FS {
	return m.callers[rapid.SampledFrom(append([]string{"root", "root", "root"}, listUsers...)).Draw(m.T, "as")]
}

// tolerate takes what a random operation may be refused with.
func (m *listsMachine) tolerate(err error) {
	for _, is := range []error{
		nil, ErrDenied, ErrNoSuchRepo, ErrNoSuchBranch, ErrRepoExists, ErrBranchExists, ErrNotEmpty, ErrNoSuchUser, ErrNoSuchVersion, ErrInvalidArgument,
	} {
		if errors.Is(err, is) {
			return
		}
	}
	m.Fatal(err)
}

func (m *listsMachine) actions() map[string]func(*rapid.T) {
	do := func(fn func() error) func(*rapid.T) {
		return func(t *rapid.T) {
			m.T = t
			m.tolerate(fn())
		}
	}
	ctx := m.Context()
	return map[string]func(*rapid.T){
		"create a repo": do(func() error {
			_, err := m.as().CreateRepo(ctx, Repo{Name: m.repo(), DefaultBranch: m.branch()})
			return err
		}),
		"create a bare repo": do(func() error {
			_, err := m.as().CreateBranch(ctx, m.repo(), "", BranchOptions{WithRepo: true})
			return err
		}),
		"create a bucket": do(func() error {
			opt := BranchOptions{WithRepo: true}
			if rapid.Bool().Draw(m.T, "with an ACL") {
				opt.ACL = &ACL{Owner: m.users[m.user()], Grants: []Grant{{User: m.users[m.user()], Permission: PermReadACP}}}
			}
			_, err := m.as().CreateBranch(ctx, m.repo(), m.branch(), opt)
			return err
		}),
		"delete a branch": do(func() error {
			_, err := m.as().DeleteBranch(ctx, m.repo(), m.branch(), BranchDeletion{})
			return err
		}),
		"restore a branch": do(func() error { _, err := m.as().RestoreBranch(ctx, m.repo(), m.branch()); return err }),
		"delete a repo": do(func() error {
			_, err := m.as().DeleteRepo(ctx, m.repo(), DeleteOptions{Force: true})
			return err
		}),
		"restore a repo": do(func() error {
			as := rapid.SampledFrom(append([]string{""}, listRepos...)).Draw(m.T, "as")
			_, _, err := m.as().RestoreRepo(ctx, m.repo(), RepoRestoration{As: as})
			return err
		}),
		"another default branch": do(func() error {
			b := m.branch()
			_, err := m.as().UpdateRepo(ctx, m.repo(), RepoUpdate{DefaultBranch: &b})
			return err
		}),
		"change an ACL": do(func() error {
			return m.as().ChangeSettings(ctx, Ref{Repo: m.repo(), Branch: m.branch()}, ActWriteACP, func(s *Settings) error {
				s.ACL.Grants = []Grant{{User: m.users[m.user()], Permission: PermRead}, {Group: AllUsers, Permission: PermRead}}
				return nil
			})
		}),
		"grant": do(func() error {
			_, err := m.as().GrantBranch(ctx, m.repo(), m.branch(), m.user(), "read")
			return err
		}),
		"revoke": do(func() error { return m.as().RevokeBranch(ctx, m.repo(), m.branch(), m.user()) }),
		"reset": do(func() error {
			_, err := m.as().ResetBranch(ctx, m.repo(), m.branch(), Ref{Repo: m.repo(), Branch: m.branch()}, WriteOptions{}, false)
			return err
		}),
		"protect": do(func() error {
			_, err := m.as().ProtectBranch(ctx, m.repo(), m.branch(), rapid.Bool().Draw(m.T, "protected"))
			return err
		}),
		"lose the lists": func(t *rapid.T) {
			m.T = t
			loseLists(ctx, t, m.root.sys.db)
			if rapid.Bool().Draw(t, "make them again") {
				if err := m.root.sys.jobs.Work(ctx); err != nil {
					t.Fatal(err)
				}
			}
		},
		"check": func(t *rapid.T) {
			m.T = t
			_, err := m.root.Check(ctx, CheckOptions{Quick: true, Found: func(d Damage) error { return errors.New(d.Detail) }})
			if err != nil {
				m.Fatal(err)
			}
		},
		"": func(t *rapid.T) { m.T = t; m.compare() },
	}
}

// loseLists makes a store one that an earlier caret has left, which had no lists, or had
// others.
func loseLists(ctx context.Context, t rapid.TB, db objstore.Rows) {
	t.Helper()
	err := db.Update(ctx, "", func(tx objstore.Writer) error {
		if err := tx.Delete(rows.Key(rows.Listed, "")); err != nil {
			return err
		}
		c, n := objstore.Scan(tx, objstore.Prefix([]byte{rows.InList})), 0
		for c.Next() {
			err := tx.Delete(c.Key())
			if n++; n%2 == 0 {
				err = errors.Join(err, tx.Set(bytes.Replace(c.Key(), []byte("\x00"), []byte("\x00x"), 1), c.Value()))
			}
			if err != nil {
				return err
			}
		}
		return c.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// compare compares what everybody is told with what everybody sees.
func (m *listsMachine) compare() {
	ctx := m.Context()
	for _, name := range slices.Sorted(maps.Keys(m.callers)) {
		fs := m.callers[name]
		want := seen(ctx, m.T, fs)
		limit := rapid.IntRange(0, 3).Draw(m.T, "limit")
		if got := listed(ctx, m.T, fs, "", limit); !slices.Equal(got, want) {
			m.Fatalf("%s is told of %q, %d a page, and sees %q", name, got, limit, want)
		}
		if got := byRepo(ctx, m.T, fs); !slices.Equal(got, want) {
			m.Fatalf("%s is told of %q by repo, and sees %q", name, got, want)
		}
		prefix := rapid.SampledFrom([]string{"m", "m.", "m-", "a", "master.a", "z"}).Draw(m.T, "prefix")
		within := slices.DeleteFunc(want, func(n string) bool { return !strings.HasPrefix(n, prefix) })
		if got := listed(ctx, m.T, fs, prefix, limit); !slices.Equal(got, within) {
			m.Fatalf("%s is told of %q with %q, and sees %q", name, got, prefix, within)
		}
	}
}

// TestLists: whatever happens to branches, repos and grants, everybody's list has what it
// sees, also with keys that are limited, and while the lists are still to be made.
func TestLists(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		root, err := openRoot(rt.Context(), memory.New(), Options{manual: true})
		if err != nil {
			rt.Fatal(err)
		}
		defer root.sys.Close()
		mustRepo(t, root, "a")
		for _, name := range []string{"", "dev"} { // a bare one
			if _, err := root.CreateBranch(rt.Context(), "b", name, BranchOptions{WithRepo: true}); err != nil {
				rt.Fatal(err)
			}
		}
		m := &listsMachine{T: rt, root: root, users: map[string]string{}, callers: map[string]*FS{"root": root, "nobody": root.sys.As(Anonymous)}}
		for _, name := range append(slices.Clone(listUsers), "admin") {
			u, err := root.CreateUser(rt.Context(), User{Name: name, Admin: name == "admin"})
			if err != nil {
				rt.Fatal(err)
			}
			m.users[name] = u.ID
			for i, k := range []Key{{}, {ReadOnly: true}, {Repo: "a"}, {Repo: "a", Branch: "master"}} {
				k.User = name
				if k, err = root.CreateKey(rt.Context(), k); err != nil {
					rt.Fatal(err)
				}
				m.callers[strings.TrimSuffix(fmt.Sprintf("%s%d", name, i), "0")] = root.sys.As(Holder(k.AccessKey))
			}
		}
		rt.Repeat(m.actions())
	})
}

// TestListsCost: what a caller is told of is what is read for it, however many branches
// there are.
func TestListsCost(t *testing.T) {
	t.Parallel()
	store := &countedReads{Store: memory.New()}
	root, err := openRoot(t.Context(), store, Options{manual: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.sys.Close() })
	mustRepo(t, root, "r")
	for i := range 300 {
		if _, err := root.CreateBranch(t.Context(), "r", fmt.Sprint("b", i), BranchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	ann := mustUser(t, root, "ann", Ref{Repo: "r", Branch: "b7"}, PermRead)
	bob := mustUser(t, root, "bob", Ref{Repo: "r", Branch: "b7"})
	for name, ask := range map[string]func() error{
		"a page of root's":      func() error { _, err := root.Listed(t.Context(), "", "", 5); return err },
		"all of ann's":          func() error { _, err := ann.Listed(t.Context(), "", "", 1000); return err },
		"all of bob's":          func() error { _, err := bob.Listed(t.Context(), "", "", 1000); return err },
		"ann's repos":           func() error { _, err := ann.Repos(t.Context(), "", 0); return err },
		"ann's branches":        func() error { _, err := ann.Branches(t.Context(), "r", "", 0); return err },
		"a page of r's, root's": func() error { _, err := root.Branches(t.Context(), "r", "b2", 5); return err },
	} {
		store.rows.Store(0)
		if err := ask(); err != nil {
			t.Fatal(err)
		}
		if n := store.rows.Load(); n > 40 {
			t.Errorf("%s took %d rows", name, n)
		}
	}
}

// TestCheckLists: a check tells of a row of a list that is missing, and of one too many.
func TestCheckLists(t *testing.T) {
	t.Parallel()
	shared := memory.New()
	fs, err := openRoot(t.Context(), shared, Options{manual: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fs.sys.Close() })
	mustRepo(t, fs, "r")
	mustUser(t, fs, "ann", Ref{Repo: "r"}, PermRead)
	if found, _ := checkAll(t, fs, CheckOptions{}); len(found) > 0 {
		t.Fatalf("damaged from the beginning: %+v", found)
	}
	keys := map[string][]byte{}
	err = shared.Rows().View(t.Context(), func(tx objstore.Reader) error {
		c := objstore.Scan(tx, objstore.Prefix([]byte{rows.InList}))
		for c.Next() {
			keys[string(c.Key())] = c.Value()
		}
		return c.Err()
	})
	if err != nil || len(keys) != 2 {
		t.Fatalf("%d rows of lists, %v", len(keys), err)
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		for what, edit := range map[string]func(tx objstore.Writer) error{
			"missing":                      func(tx objstore.Writer) error { return tx.Delete([]byte(key)) },
			"somebody who does not see it": func(tx objstore.Writer) error { return tx.Set([]byte("Sbob\x00master.r"), keys[key]) },
			"lists a branch for somebody": func(tx objstore.Writer) error {
				return tx.Set([]byte(strings.Replace(key, "master", "other", 1)), keys[key])
			},
			"row":                             func(tx objstore.Writer) error { return tx.Set([]byte("Snothing"), nil) },
			"stored data is corrupt: row \"S": func(tx objstore.Writer) error { return tx.Set([]byte(key), []byte{0xff}) },
		} {
			store := memory.New()
			err := shared.Rows().View(t.Context(), func(from objstore.Reader) error {
				return store.Rows().Update(t.Context(), "", func(tx objstore.Writer) error {
					c := objstore.Scan(from, objstore.Range{})
					for c.Next() {
						if err := tx.Set(c.Key(), c.Value()); err != nil {
							return err
						}
					}
					return errors.Join(c.Err(), edit(tx))
				})
			})
			if err != nil {
				t.Fatal(err)
			}
			damaged, err := openRoot(t.Context(), store, Options{manual: true})
			if err != nil {
				t.Fatal(err)
			}
			found, _ := checkAll(t, damaged, CheckOptions{Quick: true})
			if len(found) != 1 || !strings.Contains(found[0].Detail, what) {
				t.Errorf("%q, %s: %+v", key, what, found)
			}
			damaged.sys.Close()
		}
	}
}

// countedReads counts the rows that views read.
type countedReads struct {
	objstore.Store
	rows atomic.Int64
}

func (c *countedReads) Rows() objstore.Rows { return countedRows{c.Store.Rows(), &c.rows} }

type countedRows struct {
	objstore.Rows
	n *atomic.Int64
}

func (c countedRows) View(ctx context.Context, fn func(objstore.Reader) error) error {
	return c.Rows.View(ctx, func(tx objstore.Reader) error { return fn(countedReader{tx, c.n}) })
}

type countedReader struct {
	objstore.Reader
	n *atomic.Int64
}

func (c countedReader) Get(key []byte) ([]byte, error) {
	c.n.Add(1)
	return c.Reader.Get(key)
}

func (c countedReader) GetMany(keys [][]byte) ([][]byte, error) {
	c.n.Add(int64(len(keys)))
	return c.Reader.GetMany(keys)
}

func (c countedReader) Page(in objstore.Range, limit int) ([]objstore.Row, error) {
	page, err := c.Reader.Page(in, limit)
	c.n.Add(int64(len(page)))
	return page, err
}
