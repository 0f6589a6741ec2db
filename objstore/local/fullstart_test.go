package local_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"caret/objstore"
	"caret/objstore/local"
)

// TestFullStart: a store that was killed with full segments in its log, and finds
// the disk full when it is opened, is written to again once there is room.
func TestFullStart(t *testing.T) {
	t.Parallel()
	from, stop := t.TempDir(), make(chan struct{})
	open(t, from, local.Options{}).Close() // so that there is an index to be read
	s := open(t, from, local.Options{SegmentSize: 1, Fault: func(at string) error {
		if at == "run.create" {
			<-stop
		}
		return nil
	}})
	t.Cleanup(func() { close(stop) })
	big := make([]byte, 900<<10)
	const rows = 17
	for i := range rows {
		if err := update(s, func(tx objstore.Writer) error { return tx.Set(fmt.Appendf(nil, "row %02d", i), big) }); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=95m"); errors.Is(err, unix.EPERM) {
		t.Skip("only root can mount a disk that is full")
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, 0) })
	for _, name := range []string{"FORMAT", "log", "packs", "index-1"} {
		copyAt(t, filepath.Join(from, name), filepath.Join(dir, name))
	}
	s, err := local.Open(dir, local.Options{SegmentSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	set := func(tx objstore.Writer) error { return tx.Set([]byte("k"), nil) }
	if err := update(s, set); !errors.Is(err, objstore.ErrNoSpace) {
		t.Fatalf("the disk is not full: %v", err)
	}
	check := func() {
		if err := s.Rows().View(t.Context(), func(tx objstore.Reader) error {
			page, err := tx.Page(objstore.Prefix([]byte("row ")), 100)
			if len(page) != rows {
				t.Errorf("%d rows", len(page))
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}
	check()
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=900m"); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); ; {
		err := update(s, set)
		if err == nil {
			break
		}
		if !errors.Is(err, objstore.ErrNoSpace) || time.Now().After(end) {
			t.Fatal(err)
		}
	}
	check()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// copyAt copies a file or a folder, without the zeros that files end with.
func copyAt(t *testing.T, from, to string) {
	t.Helper()
	if err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		at := filepath.Join(to, strings.TrimPrefix(path, from))
		if err != nil || d.IsDir() {
			return errors.Join(err, os.MkdirAll(at, 0o700))
		}
		b, err := os.ReadFile(path)
		return errors.Join(err, os.WriteFile(at, bytes.TrimRight(b, "\x00"), 0o600), os.Truncate(at, int64(len(b))))
	}); err != nil {
		t.Fatal(err)
	}
}
