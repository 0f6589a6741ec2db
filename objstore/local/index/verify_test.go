package index

import (
	"errors"
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
