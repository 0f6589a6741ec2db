package pfs

import (
	"testing"

	"caret/objstore/local"
)

// BenchmarkStat is what a GET does before its bytes: as root, and as a user who
// was granted to read the branch.
func BenchmarkStat(b *testing.B) {
	store, err := local.Open(b.TempDir(), local.Options{Reserve: -1})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	fs, err := openRoot(b.Context(), store, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer fs.sys.Close()
	mustRepo(b, fs, "r")
	ctx, on := b.Context(), Ref{Repo: "r"}
	mustPut(b, fs, on, "f", "data")
	u, err := fs.CreateUser(ctx, User{Name: "alice"})
	if err != nil {
		b.Fatal(err)
	}
	key, err := fs.CreateKey(ctx, Key{User: "alice"})
	if err != nil {
		b.Fatal(err)
	}
	err = fs.ChangeSettings(ctx, on, ActOwn, func(s *Settings) error {
		s.ACL.Grants = []Grant{{User: u.ID, Permission: PermRead}, {User: u.ID, Permission: PermWrite}}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	alice := fs.sys.As(Holder(key.AccessKey))
	mustPut(b, alice, on, "hers", "data")
	for name, as := range map[string]struct {
		fs   *FS
		path string
	}{"root": {fs, "hers"}, "user": {alice, "hers"}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				err := as.fs.View(ctx, func(v *View) error {
					s, err := v.Open(on, ActRead, as.path)
					if err == nil {
						_, err = s.Stat(ctx, as.path)
					}
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
