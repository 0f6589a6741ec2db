package local_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"caret/objstore"
	"caret/objstore/local"
)

// breaks waits until a store is broken, while write is called over and over, and checks
// that it says why.
func breaks(t *testing.T, s *local.Store, why string) {
	t.Helper()
	giveUp := time.After(patience)
	for {
		update(s, func(tx objstore.Writer) error { return tx.Set([]byte("a"), nil) })
		select {
		case <-s.Failed():
			if err := s.Failure(); !errors.Is(err, objstore.ErrFailed) || !strings.Contains(err.Error(), why) {
				t.Errorf("the store is broken because of %v", err)
			}
			if err := update(s, func(tx objstore.Writer) error { return tx.Set([]byte("a"), nil) }); !errors.Is(err, objstore.ErrFailed) {
				t.Errorf("a broken store is written to: %v", err)
			}
			return
		case <-giveUp:
			t.Fatal("the store goes on")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// TestBroken: a store that lasting errors of the disk keep from being written to says so,
// whatever they keep it from.
func TestBroken(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"log.sync", "log.write", "pack.sync", "index.commit", "log.allocate"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			var on atomic.Bool
			on.Store(point == "log.allocate") // there is room in the log from the beginning
			s := open(t, t.TempDir(), local.Options{Fault: func(at string) error {
				if on.Load() && at == point {
					return errDisk
				}
				return nil
			}})
			select {
			case <-s.Failed():
				t.Fatal("broken from the beginning")
			default:
			}
			if err := s.Failure(); err != nil {
				t.Fatal(err)
			}
			on.Store(true)
			if point == "pack.sync" {
				if _, err := s.Blobs().Put(t.Context(), make([]byte, 100_000)); err != nil {
					t.Fatal(err)
				}
			}
			breaks(t, s, errDisk.Error())
		})
	}
}

// TestTakenAway: a store whose directory, or the file it is locked by, somebody takes away
// is broken, as nobody would find what is written to it.
func TestTakenAway(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(dir string) error{
		"directory": func(dir string) error { return os.Rename(dir, dir+"-elsewhere") },
		"lock":      func(dir string) error { return os.Remove(filepath.Join(dir, "LOCK")) },
		"another lock": func(dir string) error {
			path := filepath.Join(dir, "LOCK")
			return errors.Join(os.WriteFile(path+"2", nil, 0o600), os.Rename(path+"2", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			s := open(t, dir, local.Options{})
			if err := take(dir); err != nil {
				t.Fatal(err)
			}
			breaks(t, s, "removed or replaced")
		})
	}
}

// TestFullIsNotBroken: on a full disk a store refuses writes, and waits for room.
func TestFullIsNotBroken(t *testing.T) {
	t.Parallel()
	s, err := local.Open(t.TempDir(), local.Options{Reserve: 1 << 60})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := update(s, func(tx objstore.Writer) error { return tx.Set([]byte("a"), nil) }); !errors.Is(err, objstore.ErrNoSpace) {
		t.Errorf("written: %v", err)
	}
	select {
	case <-s.Failed():
		t.Error(s.Failure())
	default:
	}
}
