package local_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"caret/objstore"
	"caret/objstore/local"
)

// twoStores are two that were closed, with all kinds of files.
func twoStores(t *testing.T) (dirs, ids [2]string) {
	t.Helper()
	for i := range dirs {
		dirs[i] = filepath.Join(t.TempDir(), "data")
		s := open(t, dirs[i], small)
		fill(t, s, 0, 20)
		put(t, s, make([]byte, 100_000+i))
		ids[i] = fmt.Sprintf("%x", s.ID())
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return dirs, ids
}

// swap puts a part of another store in the place of one.
func swap(t *testing.T, part, from, to string) {
	t.Helper()
	to = filepath.Join(to, part)
	if err := errors.Join(os.RemoveAll(to), os.Rename(filepath.Join(from, part), to)); err != nil {
		t.Fatal(err)
	}
}

// TestForeignParts: a directory with parts of two stores is not opened; the error names
// the part that does not belong there, and nothing is changed.
func TestForeignParts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		parts, lose []string
		says        string // A and B are the ids of the stores
	}{
		"log":                   {[]string{"log"}, nil, "FORMAT and packs/ are of store A, log/ is not, it is of store B; restore the log/ of store A"},
		"packs":                 {[]string{"packs"}, nil, "FORMAT and log/ are of store A, packs/ is not, it is of store B; restore the packs/ of store A"},
		"log and packs":         {[]string{"log", "packs"}, nil, `log/ and packs/ are of store B, FORMAT is not, it is of store A; if the others are right write "caret 3\n" into FORMAT`},
		"log without FORMAT":    {[]string{"log"}, []string{"FORMAT"}, "log/ is of store B, packs/ of store A; restore both from one backup"},
		"log and unmarked":      {[]string{"log"}, []string{"packs/STORE"}, "FORMAT is of store A, log/ of store B; restore the log/ of store A"},
		"packs without a log":   {[]string{"packs"}, []string{"log", "index-1"}, "log is empty, and there is an index or packs"},
		"packs without FORMAT":  {[]string{"packs"}, []string{"FORMAT"}, "log/ is of store A, packs/ of store B; restore both from one backup"},
		"index, log and FORMAT": {[]string{"log", "index-1", "FORMAT"}, nil, "FORMAT and log/ are of store B, packs/ is not, it is of store A"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dirs, ids := twoStores(t)
			for _, part := range tt.parts {
				swap(t, part, dirs[1], dirs[0])
			}
			for _, part := range tt.lose {
				if err := os.RemoveAll(filepath.Join(dirs[0], part)); err != nil {
					t.Fatal(err)
				}
			}
			before := listFiles(t, dirs[0])
			for _, opts := range []local.Options{small, {Reserve: -1, Rebuild: true}} {
				_, err := local.Open(dirs[0], opts)
				says := strings.NewReplacer("store A", "store "+ids[0], "store B", "store "+ids[1]).Replace(tt.says)
				if err == nil || !strings.Contains(err.Error(), says) {
					t.Errorf("opened: %v\nit should say %s", err, says)
				}
			}
			if after := listFiles(t, dirs[0]); after != before {
				t.Errorf("there was\n%s\nand is\n%s", before, after)
			}
		})
	}
}

// listFiles are the names of all files, but for the one that says the version, which is
// made if it is missing.
func listFiles(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != "FORMAT" {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, "\n")
}

// TestAdopted: parts of an earlier caret, which do not say whose they are, do so once they
// were opened. What is damaged of that is made anew.
func TestAdopted(t *testing.T) {
	t.Parallel()
	dirs, ids := twoStores(t)
	format, mark := filepath.Join(dirs[0], "FORMAT"), filepath.Join(dirs[0], "packs", "STORE")
	for name, spoil := range map[string]func() error{
		"flipped":     func() error { return flip(format, 17) },
		"flipped too": func() error { return flip(mark, 9) },
		"earlier":     func() error { return errors.Join(os.WriteFile(format, []byte("caret 3\n"), 0o600), os.Remove(mark)) },
		"damaged":     func() error { return os.WriteFile(mark, []byte("stone"), 0o600) },
		"killed":      func() error { return os.WriteFile(mark+".new", []byte("store 123456789012345678901234567890"), 0o600) },
		"lost":        func() error { return os.Remove(mark) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		s := open(t, dirs[0], small)
		if err := filled(t, s, 0, 20); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for path, want := range map[string]string{format: "caret 3\nstore " + ids[0] + " ", mark: "store " + ids[0] + " "} {
			if b, err := os.ReadFile(path); !strings.HasPrefix(string(b), want) || err != nil {
				t.Errorf("%s: %s says %q, %v", name, path, b, err)
			}
		}
	}
	swap(t, "packs", dirs[1], dirs[0])
	if _, err := local.Open(dirs[0], small); !errors.Is(err, objstore.ErrForeign) {
		t.Errorf("opened with other packs: %v", err)
	}
}

func flip(path string, at int) error {
	b, err := os.ReadFile(path)
	if err == nil {
		b[at] ^= 1
		err = os.WriteFile(path, b, 0o600)
	}
	return err
}
