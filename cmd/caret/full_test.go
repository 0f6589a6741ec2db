package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"caret/objstore/local"
	"caret/objstore/memory"
	"caret/pfs"
)

// TestKeysOnFullDisk: keys that are there are read on a full disk; those that are
// not cannot be made, which is said.
func TestKeysOnFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=12k", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("no file system of its own: %v, %s", err, out)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	filler, store := filepath.Join(dir, "filler"), memory.New()
	none := process{getenv: func(string) string { return "" }}
	fill := func() {
		err := os.WriteFile(filler, make([]byte, 64<<10), 0o600)
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("fill the disk: %v", err)
		}
	}
	fill()
	_, _, err := findRootKey(none, dir, storeID{})
	_, masterErr := findMasterKey(t.Context(), dir, storeID{}, store, false, slog.New(slog.DiscardHandler))
	for what, err := range map[string]error{"root key": err, "master key": masterErr} {
		if !errors.Is(err, syscall.ENOSPC) || hintFor(err) != "make room on that disk" {
			t.Errorf("%s on a full disk: %v, hint %q", what, err, hintFor(err))
		}
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
	key, made, err := findRootKey(none, dir, storeID{})
	if err != nil || !made {
		t.Fatal(err)
	}
	if _, err := findMasterKey(t.Context(), dir, storeID{}, store, false, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	fill()
	if again, made, err := findRootKey(none, dir, storeID{}); err != nil || made || again != key {
		t.Errorf("read again: %v, %v", made, err)
	}
	if _, err := findMasterKey(t.Context(), dir, storeID{}, store, false, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
}

// sendAll puts a file as clients do that look at the answer only when they have sent
// all, and returns the answer.
func sendAll(t *testing.T, url string, size int) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "PUT /master.sales/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", size)
	if n, err := conn.Write(make([]byte, size)); err != nil {
		t.Errorf("cut off after %d of %d bytes: %v", n, size, err)
	}
	b, err := io.ReadAll(conn)
	if err != nil {
		t.Error(err)
	}
	return strings.TrimPrefix(string(b), "HTTP/1.1 ")
}

// TestReadOnlyServer: a client that sends all of a large body before it looks is told
// why it was refused, and a server that takes no writes says so and stays ready.
func TestReadOnlyServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	serve := func(opts local.Options, use func(url string)) {
		store, err := local.Open(dir, opts)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		system, err := pfs.Open(t.Context(), store, pfs.Options{Exclusive: true})
		if err != nil {
			t.Fatal(err)
		}
		defer system.Close()
		if opts.Reserve < 0 {
			fs := system.As(pfs.Root)
			if _, err := fs.CreateRepo(t.Context(), pfs.Repo{Name: "sales", Owner: pfs.RootUser}); err != nil {
				t.Fatal(err)
			}
			if err := fs.ChangeSettings(t.Context(), pfs.Ref{Repo: "sales"}, pfs.ActOwn, func(set *pfs.Settings) error {
				set.ACL.Grants = append(set.ACL.Grants, pfs.Grant{Group: pfs.AllUsers, Permission: pfs.PermWrite})
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		srv := httptest.NewServer(handler(system, store, rootKey{"root", "secret"}, serveOptions{region: defaultRegion, stall: time.Minute}, newUnder(nil), nil, slog.New(slog.DiscardHandler)))
		defer srv.Close()
		use(srv.URL)
	}
	ask := func(method, url string, body io.Reader) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, url, body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Errorf("%s %s: %v", method, url, err)
			return ""
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Error(err)
		}
		return resp.Status + " " + string(b)
	}
	serve(local.Options{Reserve: -1}, func(url string) {
		if got := ask("GET", url+"/_caret/health/ready", nil); got != "200 OK ok\n" {
			t.Errorf("ready: %s", got)
		}
		if got := ask("PUT", url+"/master.sales/a", strings.NewReader("x")); !strings.HasPrefix(got, "200 ") {
			t.Errorf("put: %s", got)
		}
	})
	serve(local.Options{Reserve: 1 << 60}, func(url string) {
		if got := ask("GET", url+"/_caret/health/ready", nil); got != "200 OK ok, read-only: not enough free disk space\n" {
			t.Errorf("ready without room: %s", got)
		}
		if got := ask("GET", url+"/_caret/health/live", nil); got != "200 OK ok\n" {
			t.Errorf("live without room: %s", got)
		}
		for _, size := range []int{1, 15 << 20} {
			got := sendAll(t, url, size)
			if !strings.HasPrefix(got, "507 ") || !strings.Contains(got, "InsufficientStorage") {
				t.Errorf("put of %d bytes without room: %s", size, got)
			}
		}
	})
}
