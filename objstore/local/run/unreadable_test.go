package run

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"caret/objstore"
)

// TestUnreadable: a run that can't be read is not taken for one that is damaged.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w, err := Create(dir, [8]byte{1}, 0, 1, Options{})
	if err != nil {
		t.Fatal(err)
	}
	info, err := w.Close()
	if err == nil {
		err = os.Chmod(info.Path, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if os.Getuid() == 0 {
			// Root may read everything; this thread, which is somebody else and ends
			// with its goroutine, may not.
			runtime.LockOSThread()
			if err := unix.Setfsuid(65534); err != nil {
				t.Error(err)
			}
		}
		if _, _, damaged, err := List(dir); !errors.Is(err, fs.ErrPermission) || errors.Is(err, objstore.ErrCorrupt) {
			t.Errorf("damaged: %v, %v", damaged, err)
		}
	}()
	<-done
}
