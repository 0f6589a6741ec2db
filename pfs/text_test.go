package pfs

import (
	"errors"
	"strings"
	"testing"
)

// TestTexts: what people write is UTF-8 and of a length that a listing of a
// thousand can have.
func TestTexts(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	ctx, ref := t.Context(), Ref{Repo: "r"}
	mustRepo(t, fs, "r")
	mustPut(t, fs, ref, "f", "x")
	c := mustPutContent(t, fs, "y")
	for text, refused := range map[string]bool{
		strings.Repeat("ä", MaxText/2): false, strings.Repeat("x", MaxText+1): true, "\xff": true,
	} {
		opt := WriteOptions{Message: text}
		for what, do := range map[string]func() error{
			"Put":    func() error { _, err := fs.Put(ctx, ref, "f", c.Content, Attrs{}, opt); return err },
			"Delete": func() error { _, err := fs.Delete(ctx, ref, Files("f"), opt); return err },
			"Start":  func() error { _, err := fs.StartCommit(ctx, ref, opt); return err },
			"Upload": func() error { _, err := fs.CreateUpload(ctx, ref, "f", Attrs{}, opt); return err },
			"Merge": func() error {
				_, err := fs.Merge(ctx, ref, ref, MergeOptions{WriteOptions: opt})
				return err
			},
			"Finish": func() error {
				o, err := fs.StartCommit(ctx, ref, WriteOptions{})
				if err == nil {
					_, err = fs.FinishCommit(ctx, openRef("r", o.ID), FinishOptions{Message: text})
				}
				return err
			},
			"Update": func() error { _, err := fs.UpdateRepo(ctx, "r", RepoUpdate{Description: &text}); return err },
		} {
			if err := do(); refused != errors.Is(err, ErrInvalidArgument) || !refused && err != nil {
				t.Errorf("%s, %d bytes: %v", what, len(text), err)
			}
		}
		if !refused { // and what is made of such a message fits
			if _, err := fs.Revert(ctx, ref, ref, UndoOptions{}); err != nil {
				t.Error(err)
			}
		}
		if _, err := fs.CreateUser(ctx, User{Name: "ann", Display: text}); refused != errors.Is(err, ErrInvalidArgument) {
			t.Errorf("user: %v", err)
		}
		if _, err := fs.CreateRepo(ctx, Repo{Name: "s", Description: text}); refused != errors.Is(err, ErrInvalidArgument) {
			t.Errorf("repo: %v", err)
		}
	}
}
