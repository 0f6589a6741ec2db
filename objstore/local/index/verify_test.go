package index

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"caret/objstore"
)

// TestUnreadable: a table that can't be read is not taken for one that is damaged.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "000001.sst")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := verifyTables([]string{path}); err == nil || errors.Is(err, objstore.ErrCorrupt) {
		t.Errorf("verified: %v", err)
	}
}

// TestTableOfAnother: a table that is whole, and not the one that was there, is damage.
func TestTableOfAnother(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for n := range 2 {
		x := openIndex(t, dir, Options{})
		if err := errors.Join(x.Apply(one(fmt.Sprint("r", n), []byte("value")), State{LSN: uint64(n + 1)}), x.Seal(), x.Close()); err != nil {
			t.Fatal(err)
		}
	}
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(tables) != 2 {
		t.Fatal(tables, err)
	}
	b, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(tables[1], b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{Log: slog.New(slog.DiscardHandler)}); !errors.Is(err, objstore.ErrCorrupt) {
		t.Errorf("opened: %v", err)
	}
}
