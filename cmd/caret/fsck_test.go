package main

import (
	"encoding/json"
	"strings"
	"testing"

	"caret/api/v1"
	"caret/objstore"
	"caret/objstore/memory"
	"caret/pfs"
)

// TestFsck: the command says what is damaged, exits with 1 then, and tells what to do
// about it; a check that breaks off is none that found nothing.
func TestFsck(t *testing.T) {
	var fault error
	at := ""
	s := newStoreOn(t, memory.NewWith(memory.Options{Fault: func(point string) error {
		if point == at {
			return fault
		}
		return nil
	}}))
	for _, name := range []string{"a.txt", "b.txt"} {
		s.must(strings.NewReader("content of "+name), "put", "r:"+name, "-")
	}
	fsck := func(want int, args ...string) (stdout, stderr string) {
		t.Helper()
		code, stdout, stderr := s.run(t.Context(), nil, append([]string{"fsck"}, args...)...)
		if code != want {
			t.Errorf("fsck %q: exit code %d, want %d: %s", args, code, want, stderr)
		}
		return stdout, stderr
	}
	if out, talk := fsck(exitOK); strings.Count(out, "\n") != 1 || talk != "checked 2 commits, 2 versions of files and 2 pieces of content (32 B)\n" {
		t.Errorf("healthy: %q, %q", out, talk)
	}
	at, fault = "blob.get", objstore.ErrCorrupt
	out, talk := fsck(exitError, "r")
	if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != 3 ||
		!strings.HasPrefix(lines[0], "KIND") || !strings.HasPrefix(lines[1], "damaged blob  r     master") || !strings.Contains(lines[1], "a.txt") {
		t.Errorf("damaged: %s", out)
	}
	if !strings.Contains(talk, "2 places are damaged") || !strings.Contains(talk, "hint: upload a file again") {
		t.Errorf("damaged: %s", talk)
	}
	out, _ = fsck(exitError, "-o", "json")
	var list []v1.Damage
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 2 || list[1].Path != "b.txt" || len(list[1].Version) != 32 || list[1].Kind != "damaged blob" {
		t.Errorf("as JSON: %s, %v", out, err)
	}
	if _, talk := fsck(exitOK, "--quick"); !strings.Contains(talk, "0 pieces") {
		t.Errorf("quick: %s", talk)
	}
	at, fault = "blob.get", objstore.ErrClosed
	if _, talk := fsck(exitError); strings.Contains(talk, "damaged") || strings.Contains(talk, "checked") {
		t.Errorf("a check that cannot go on: %s", talk)
	}
	at = ""
	fsck(exitNotFound, "absent")
	fsck(exitUsage, "r@master")
	fsck(exitUsage, "r", "r")
	if _, err := s.fs.CreateUser(t.Context(), pfs.User{Name: "ann"}); err != nil {
		t.Fatal(err)
	}
	key, err := s.fs.CreateKey(t.Context(), pfs.Key{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	s.who = pfs.Holder(key.AccessKey)
	if _, talk := fsck(exitError); !strings.Contains(talk, "only administrators") {
		t.Errorf("by a user: %s", talk)
	}
}
