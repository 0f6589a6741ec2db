package pfs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"caret/commits/revision"
	"caret/objstore"
	"caret/objstore/memory"
	"caret/pfs/rows"
)

// actions are those of the trail, oldest first.
func actions(t testing.TB, fs *FS, q AuditQuery) (list []string) {
	t.Helper()
	lines, err := fs.Audit(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		list = append([]string{l.Action}, list...)
	}
	return list
}

// administrative are changes that the trail tells of, each to be made after those before,
// of the repo r with the commits 1 and 2.
func administrative(fs *FS) []func(context.Context) error {
	master, name := Ref{Repo: "r"}, "text"
	var key Key
	return []func(context.Context) error{
		func(ctx context.Context) error { _, err := fs.CreateUser(ctx, User{Name: "ann"}); return err },
		func(ctx context.Context) (err error) { key, err = fs.CreateKey(ctx, Key{User: "ann"}); return err },
		func(ctx context.Context) error { _, err := fs.DeleteKey(ctx, key.AccessKey, false); return err },
		func(ctx context.Context) error { _, err := fs.DeleteUser(ctx, "ann", false); return err },
		func(ctx context.Context) error {
			_, err := fs.CreateBranch(ctx, "r", "dev", BranchOptions{From: &master})
			return err
		},
		func(ctx context.Context) error { _, err := fs.CreateTag(ctx, "r", "v1", master, ""); return err },
		func(ctx context.Context) error { _, err := fs.DeleteTag(ctx, "r", "v1", false); return err },
		func(ctx context.Context) error {
			to := Ref{Repo: "r", Base: revision.Expr{Base: "master", Steps: []revision.Step{{Kind: revision.Parent, N: 1}}}}
			_, err := fs.ResetBranch(ctx, "r", "dev", to, WriteOptions{}, false)
			return err
		},
		func(ctx context.Context) error {
			_, err := fs.Merge(ctx, Ref{Repo: "r", Branch: "dev"}, Ref{Repo: "r", Branch: "master"}, MergeOptions{})
			return err
		},
		func(ctx context.Context) error { _, err := fs.ProtectBranch(ctx, "r", "dev", true); return err },
		func(ctx context.Context) error { _, err := fs.ProtectBranch(ctx, "r", "dev", false); return err },
		func(ctx context.Context) error {
			_, err := fs.DeleteBranch(ctx, "r", "dev", BranchDeletion{})
			return err
		},
		func(ctx context.Context) error { _, err := fs.RestoreBranch(ctx, "r", "dev"); return err },
		func(ctx context.Context) error {
			_, err := fs.UpdateRepo(ctx, "r", RepoUpdate{Description: &name})
			return err
		},
		func(ctx context.Context) error {
			return fs.ChangeSettings(ctx, master, ActOwn, func(s *Settings) error { s.Tags = map[string]string{"a": "b"}; return nil })
		},
		func(ctx context.Context) error {
			return fs.SetFileACL(ctx, master, "a", []Grant{{Group: AllUsers, Permission: PermRead}})
		},
		func(ctx context.Context) error {
			_, err := fs.Delete(ctx, master, []Deletion{{Path: "a", Version: &revision.Expr{}}}, WriteOptions{})
			return err
		},
		func(ctx context.Context) error {
			_, err := fs.DeleteRepo(ctx, "r", DeleteOptions{Force: true})
			return err
		},
	}
}

var administrativeActions = strings.Fields("createUser createKey deleteKey deleteUser createBranch createTag deleteTag resetBranch merge protectBranch protectBranch " +
	"deleteBranch restoreBranch updateRepo setBranchTags setFileACL removeVersions deleteRepo")

func auditRepo(t testing.TB, fs *FS) {
	mustRepo(t, fs, "r")
	mustPut(t, fs, Ref{Repo: "r"}, "a", "1")
	mustPut(t, fs, Ref{Repo: "r"}, "a", "2")
}

// TestAudit: the trail tells of each change, and that a branch was moved on without a commit.
func TestAudit(t *testing.T) {
	t.Parallel()
	root, err := openRoot(t.Context(), memory.New(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	auditRepo(t, root)
	who := Root
	who.Via = Via{Key: "THEKEY", Address: "192.0.2.1", Request: "0123"}
	for _, do := range administrative(root.sys.As(who)) {
		if err := do(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := actions(t, root, AuditQuery{}), append([]string{"createRepo"}, administrativeActions...); !slices.Equal(got, want) {
		t.Fatalf("the trail has\n%s, want\n%s", got, want)
	}
	lines, err := root.Audit(t.Context(), AuditQuery{Limit: len(administrativeActions)})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if l.User != RootUser || l.Key != "THEKEY" || l.Address != "192.0.2.1" || l.Request != "0123" || l.Before+l.After == "" {
			t.Errorf("%+v", l)
		}
	}
	if found, _ := checkAll(t, root, CheckOptions{Quick: true}); len(found) > 0 {
		t.Errorf("damage: %+v", found)
	}
}

// TestAuditAtomic: whatever transaction a process ends before, or after without being told,
// the trail tells of a change if and only if it was made.
func TestAuditAtomic(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for i := range administrativeActions {
			name := fmt.Sprintf("%s, committed %t", administrativeActions[i], after)
			store := memory.New()
			dying := &mortalRows{Rows: store.Rows(), left: -1, after: after}
			fs, err := openRoot(t.Context(), mortal{store, dying}, Options{manual: true})
			if err != nil {
				t.Fatal(err)
			}
			auditRepo(t, fs)
			all := administrative(fs)
			for _, do := range all[:i] {
				if err := do(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			alive, err := openRoot(t.Context(), store, Options{manual: true})
			if err != nil {
				t.Fatal(err)
			}
			before, was := actions(t, alive, AuditQuery{}), untold(t, alive)
			dying.left = 0
			if err := all[i](t.Context()); !errors.Is(err, errDead) {
				t.Errorf("%s: %v", name, err)
			}
			told, changed := actions(t, alive, AuditQuery{})[len(before):], untold(t, alive) != was
			if changed != after || len(told) > 1 || (len(told) == 1) != changed {
				t.Errorf("%s: changed %t, the trail has %s more", name, changed, told)
			}
		}
	}
}

// untold is all rows but those of the trail, and of what goes on by itself.
func untold(t testing.TB, fs *FS) string {
	t.Helper()
	var b strings.Builder
	err := fs.sys.db.View(context.Background(), func(tx objstore.Reader) error {
		c := objstore.Scan(tx, objstore.Range{})
		for c.Next() {
			if k := c.Key()[0]; k != rows.Audit && k != rows.AuditIndex && k != rows.Lease && k != rows.Served {
				fmt.Fprintf(&b, "%q %q\n", c.Key(), c.Value())
			}
		}
		return c.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestAuditReaders: administrators read all of the trail, also with keys that only read; the
// owner of a repo what was done to it, and not to another one that had its name before.
func TestAuditReaders(t *testing.T) {
	t.Parallel()
	root, err := openRoot(t.Context(), memory.New(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	as := func(k Key) *FS {
		k, err := root.CreateKey(ctx, k)
		if err != nil {
			t.Fatal(err)
		}
		return root.sys.As(Holder(k.AccessKey))
	}
	mustRepo(t, root, "r") // not alice's
	if _, err := root.DeleteRepo(ctx, "r", DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, u := range []User{{Name: "alice"}, {Name: "bob"}, {Name: "chief", Admin: true}} {
		if _, err := root.CreateUser(ctx, u); err != nil {
			t.Fatal(err)
		}
	}
	alice, bob := as(Key{User: "alice"}), as(Key{User: "bob"})
	mustRepo(t, alice, "r")
	mustRepo(t, bob, "other")
	mustPut(t, alice, Ref{Repo: "r"}, "a", "1")
	if _, err := root.CreateTag(ctx, "r", "v1", Ref{Repo: "r"}, ""); err != nil {
		t.Fatal(err)
	}
	chief, limited := as(Key{User: "chief", ReadOnly: true}), as(Key{User: "chief", Repo: "r"})
	branch := as(Key{User: "alice", Repo: "r", Branch: "master"})
	for _, tt := range []struct {
		who  string
		fs   *FS
		q    AuditQuery
		want string // "" is ErrDenied
	}{
		{"root", root, AuditQuery{Repo: "r"}, "createRepo deleteRepo createRepo createTag"},
		{"root", root, AuditQuery{Repo: "r", User: "alice"}, "createRepo"},
		{"root", root, AuditQuery{Repo: "gone"}, "nothing"},
		{"chief", chief, AuditQuery{User: "bob"}, "createRepo"},
		{"chief's key for r", limited, AuditQuery{}, ""},
		{"chief's key for r", limited, AuditQuery{Repo: "r"}, "createRepo createTag"},
		{"chief's key for r", limited, AuditQuery{Repo: "other"}, ""},
		{"alice", alice, AuditQuery{Repo: "r"}, "createRepo createTag"},
		{"alice", alice, AuditQuery{Repo: "r", User: "root"}, "createTag"},
		{"alice", alice, AuditQuery{}, ""},
		{"alice", alice, AuditQuery{User: "alice"}, ""},
		{"alice", alice, AuditQuery{Repo: "other"}, ""},
		{"alice's key for a branch", branch, AuditQuery{Repo: "r"}, ""},
		{"bob", bob, AuditQuery{Repo: "r"}, ""},
		{"the anonymous", root.sys.As(Anonymous), AuditQuery{Repo: "r"}, ""},
	} {
		lines, err := tt.fs.Audit(ctx, tt.q)
		if tt.want == "" {
			if !errors.Is(err, ErrDenied) {
				t.Errorf("%s reads %+v of %+v, %v", tt.who, lines, tt.q, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s, %+v: %v", tt.who, tt.q, err)
			continue
		}
		got := strings.Join(actions(t, tt.fs, tt.q), " ")
		if got == "" {
			got = "nothing"
		}
		if got != tt.want {
			t.Errorf("%s reads %s of %+v, want %s", tt.who, got, tt.q, tt.want)
		}
	}
	if _, err := alice.Audit(ctx, AuditQuery{Repo: "gone"}); !errors.Is(err, ErrNoSuchRepo) {
		t.Errorf("a repo that is not there: %v", err)
	}
}

// TestAuditOrder: lines of concurrent changes, of a clock that stands still, all get times of
// their own, and pages have each of them once.
func TestAuditOrder(t *testing.T) {
	t.Parallel()
	still := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	fs, err := openRoot(t.Context(), memory.New(), Options{Now: func() time.Time { return still }})
	if err != nil {
		t.Fatal(err)
	}
	const n = 40
	done := make(chan error, n)
	for i := range n {
		go func() {
			_, err := fs.CreateRepo(context.Background(), Repo{Name: fmt.Sprint("r", i)})
			done <- err
		}()
	}
	for range n {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	last := time.Time{}
	for {
		page, err := fs.Audit(t.Context(), AuditQuery{Before: last, Limit: 7})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page {
			if seen[l.Repo] || !last.IsZero() && !l.Time.Before(last) || l.Time.Sub(still) >= time.Microsecond || l.Time.Before(still) {
				t.Errorf("%s at %s behind %s", l.Repo, l.Time, last)
			}
			seen[l.Repo], last = true, l.Time
		}
		if len(page) < 7 {
			break
		}
	}
	if len(seen) != n {
		t.Errorf("the pages have %d lines of %d", len(seen), n)
	}
	for q, want := range map[AuditQuery]int{
		{Since: still}: n, {Until: still}: 1, {Until: still.Add(-1)}: 0, {Since: still.Add(time.Second)}: 0,
		{Since: still.Add(10), Until: still.Add(19)}: 10,
		{Until: time.Unix(1<<40, 0)}:                 n, {Since: time.Unix(-1<<40, 0)}: n, {Since: time.Unix(1<<40, 0)}: 0, {Until: time.Unix(-1<<40, 0)}: 0,
	} {
		if got := len(actions(t, fs, q)); got != want {
			t.Errorf("%+v: %d lines, want %d", q, got, want)
		}
	}
}

// TestCheckAudit: a check finds lines that cannot be read, and that are not found by who or by
// repo, or that are missing.
func TestCheckAudit(t *testing.T) {
	t.Parallel()
	fs, err := openRoot(t.Context(), memory.New(), Options{manual: true})
	if err != nil {
		t.Fatal(err)
	}
	mustRepo(t, fs, "r")
	find := func(what string, key []byte, some bool) {
		t.Helper()
		found, _ := checkAll(t, fs, CheckOptions{Quick: true})
		for _, d := range found {
			if d.Kind != BadRow {
				t.Errorf("%s %q: %+v", what, key, d)
			}
		}
		if (len(found) > 0) != some {
			t.Errorf("%s %q: found %+v", what, key, found)
		}
	}
	list := append(allRows(t, fs, rows.Audit), allRows(t, fs, rows.AuditIndex)...)
	if len(list) != 3 {
		t.Fatalf("%d rows of one line", len(list))
	}
	for _, row := range list {
		setRow(t, fs, row.Key, nil)
		find("without row", row.Key, true)
		setRow(t, fs, row.Key, append([]byte{}, row.Value...))
		if len(row.Value) > 0 {
			setRow(t, fs, row.Key, row.Value[:len(row.Value)-1])
			find("cut short", row.Key, true)
			setRow(t, fs, row.Key, row.Value)
		}
	}
	for _, key := range []string{"w\x00", "W", "Wx\x00", "Wuroot\x0012345678"} {
		setRow(t, fs, []byte(key), []byte("{}"))
		find("a row with the key", []byte(key), true)
		setRow(t, fs, []byte(key), nil)
	}
	find("all as it was", nil, false)
}

// TestAuditRemovedKeys: the server itself is who removes keys that cannot be opened.
func TestAuditRemovedKeys(t *testing.T) {
	t.Parallel()
	store := memory.New()
	fs, err := openRoot(t.Context(), store, Options{manual: true})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for range 3 {
		k, err := fs.CreateKey(t.Context(), Key{User: RootUser})
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, k.AccessKey)
	}
	now := time.Now().Add(time.Hour)
	if err := RemoveKeys(t.Context(), store, names, now); err != nil {
		t.Fatal(err)
	}
	lines, err := fs.Audit(t.Context(), AuditQuery{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if l := lines[0]; l.Action != "deleteKey" || l.User != "" || l.Name != names[0] || l.More != 2 || !strings.Contains(l.Before, names[2]) || !l.Time.Equal(now) {
		t.Errorf("%+v", l)
	}
}
