package local_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"caret/objstore"
	"caret/objstore/local"
)

// TestPackMissing: a start says that a pack is missing, everything else is there,
// and the pack can be put back later.
func TestPackMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, local.Options{})
	big := bytes.Repeat([]byte("big"), 50_000)
	h, err := s.Blobs().Put(t.Context(), big)
	if err != nil {
		t.Fatal(err)
	}
	set := func(s *local.Store, key string) {
		if err := s.Rows().Update(t.Context(), "", func(tx objstore.Writer) error { return tx.Set([]byte(key), nil) }); err != nil {
			t.Fatal(err)
		}
	}
	set(s, "a")
	s.Close()
	pack := filepath.Join(dir, "packs", "00000001.pack")
	if err := os.Rename(pack, dir+"/away"); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	s = open(t, dir, local.Options{Log: slog.New(slog.NewTextHandler(&said, nil))})
	if _, err := s.Blobs().Get(t.Context(), h, nil); !errors.Is(err, objstore.ErrCorrupt) {
		t.Errorf("read without its pack: %v", err)
	}
	other, err := s.Blobs().Put(t.Context(), bytes.Repeat([]byte("other"), 50_000))
	if err != nil {
		t.Fatal(err)
	}
	set(s, "b")
	s.Close()
	if !strings.Contains(said.String(), "missing=1 first="+pack) {
		t.Errorf("the log says %q", said.String())
	}
	if err := os.Rename(dir+"/away", pack); err != nil {
		t.Fatal(err)
	}
	said.Reset()
	s = open(t, dir, local.Options{Log: slog.New(slog.NewTextHandler(&said, nil))})
	for _, h := range []objstore.Hash{h, other} {
		if _, err := s.Blobs().Get(t.Context(), h, nil); err != nil {
			t.Error(err)
		}
	}
	if strings.Contains(said.String(), "missing") {
		t.Errorf("the log says %q", said.String())
	}
}
