package pfs

import (
	"archive/tar"
	"compress/gzip"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"caret/commits/revision"
	"caret/objstore/local"
)

// unpack makes a directory of a tar.
func unpack(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(to, 0o700)
		} else {
			var data []byte
			if data, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(to, data, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestFormat1: a data directory of format 1, as the first version wrote it,
// opens with all that is in it, and takes more.
func TestFormat1(t *testing.T) {
	t.Parallel()
	const (
		openID   = "bea0619361d044df9c055413e7c83b76"
		uploadID = "8f309e67bbd1c8457090f5c4b2e8bb51"
		access   = "CARETNXUQUKSLV5444NE"
		secret   = "ABHASVVGO5I5ASOJZFER2KXHLLRRGKWZUQNBSXAF"
	)
	ctx, dir := t.Context(), unpack(t, "testdata/format1.tgz")
	master, err := os.ReadFile(filepath.Join(dir, "master-key"))
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(master)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	store, err := local.Open(dir, local.Options{Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	fs, err := openRoot(ctx, store, Options{Sealer: sealer, Exclusive: true, manual: true})
	if err != nil {
		t.Fatal(err)
	}
	defer fs.sys.Close()
	if found, _ := checkAll(t, fs, CheckOptions{}); len(found) > 0 {
		t.Errorf("damaged: %+v", found)
	}
	work(t, fs)
	sales := Ref{Repo: "sales"}
	s, err := fs.Open(ctx, sales, ActList, "")
	if err != nil || s.N != 7 {
		t.Fatalf("%+v, %v", s, err)
	}
	for _, f := range []struct{ expr, path, want string }{
		{"", "june/1", "again\n"}, {"", "many/60", "60\n"}, {"", "done.txt", "june 2\n"}, {".3", "june/3", "june 3\n"}, {".1", "june/1", "june 1\n"},
		{"dev", "june/1", "again\n"}, {"v1", "june/3", "june 3\n"}, {openID, "staged.txt", "staged\n"},
	} {
		if got, err := read(fs, Ref{Repo: "sales", Base: expr(t, f.expr)}, f.path); err != nil || got != f.want {
			t.Errorf("%s at %q is %q, %v", f.path, f.expr, got, err)
		}
	}
	if got, err := fs.sys.Secret(ctx, access); err != nil || got != secret {
		t.Errorf("secret %q, %v", got, err)
	}
	if _, err := fs.sys.As(Holder(access)).Open(ctx, sales, ActList, ""); !errors.Is(err, ErrDenied) {
		t.Errorf("alice lists: %v", err)
	}
	if page, err := fs.Parts(ctx, sales, "up", uploadID, 0, 10); err != nil || len(page.Parts) != 1 {
		t.Errorf("parts %+v, %v", page, err)
	}
	if moves, err := fs.Moves(ctx, "sales", "dev", 0, 0); err != nil || len(moves) != 2 || moves[0].Action != "reset" {
		t.Errorf("moves %+v, %v", moves, err)
	}
	// What is numbered from now on is not what was numbered before.
	if _, err := fs.RestoreBranch(ctx, "sales", "gone"); err != nil {
		t.Error(err)
	}
	if _, err := fs.CreateBranch(ctx, "sales", "new", BranchOptions{From: &sales}); err != nil {
		t.Error(err)
	}
	mustRepo(t, fs, "fresh")
	mustPut(t, fs, Ref{Repo: "fresh"}, "june/1", "fresh")
	mustPut(t, fs, Ref{Repo: "sales", Branch: "new"}, "june/1", "new")
	if _, err := fs.FinishCommit(ctx, Ref{Repo: "sales", Base: revision.Expr{Base: openID}}, FinishOptions{}); err != nil {
		t.Error(err)
	}
	for branch, want := range map[string]string{"master": "again\n", "dev": "again\n", "gone": "again\n", "new": "new"} {
		if got, err := read(fs, Ref{Repo: "sales", Branch: branch}, "june/1"); err != nil || got != want {
			t.Errorf("june/1 on %s is %q, %v", branch, got, err)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "FORMAT")); err != nil || !strings.Contains(string(b), "3") {
		t.Errorf("FORMAT is %q, %v", b, err)
	}
}
