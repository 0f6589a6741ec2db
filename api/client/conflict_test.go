package client_test

import (
	"errors"
	"strings"
	"testing"

	"caret/api/client"
	"caret/api/v1"
	"caret/pfs"
)

// Who may only write learns which paths are in conflict, and nothing of the
// files that a list would show.
func TestConflictPermissions(t *testing.T) {
	t.Parallel()
	c := newCopies(t)
	put := func(who, base, data string) {
		t.Helper()
		if _, err := c.as(who).Put(t.Context(), "r", base, "d/a", "text/x", "", strings.NewReader(data), int64(len(data))); err != nil {
			t.Fatal(err)
		}
	}
	c.grant("", pfs.PermWrite)
	open, err := c.as("alice").StartCommit(t.Context(), "r", "master", "")
	if err != nil {
		t.Fatal(err)
	}
	put("alice", open.ID, "hers")
	put("root", "", "what she may not list")
	try := func(may bool) {
		t.Helper()
		var conflict *client.Error
		_, err := c.as("alice").FinishCommit(t.Context(), "r", open.ID, v1.FinishCommit{})
		if !errors.As(err, &conflict) || len(conflict.Conflicts) != 1 {
			t.Fatalf("finish: %v", err)
		}
		x := conflict.Conflicts[0]
		if x.Path != "d/a" || may && x.Theirs.Size != 4 {
			t.Errorf("a conflict is %+v", x)
		}
		if told := x.Ours != nil || x.Base != nil || x.Theirs != nil; told != may {
			t.Errorf("may list: %v; told %+v", may, x)
		}
	}
	try(false)
	c.grant("", pfs.PermFullControl)
	try(true)
}
