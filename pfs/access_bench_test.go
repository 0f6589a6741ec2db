package pfs

import (
	"strconv"
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
	const files = 5000
	for i := range files {
		mustPut(b, alice, on, strconv.Itoa(i), "data")
	}
	for name, as := range map[string]struct {
		fs *FS
	}{"root": {fs}, "user": {alice}} {
		b.Run(name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				path := strconv.Itoa(i * 7 % files)
				err := as.fs.View(ctx, func(v *View) error {
					s, err := v.Open(on, ActRead, path)
					if err == nil {
						_, err = s.Stat(ctx, path)
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
