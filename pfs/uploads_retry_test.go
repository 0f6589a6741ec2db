package pfs

import (
	"context"
	"errors"
	"io"
	"testing"

	"caret/objstore/memory"
)

// uploaded uploads a file in one part, but for its completion.
func uploaded(t testing.TB, fs *FS, to Ref, p, data string) string {
	t.Helper()
	ctx := context.Background()
	u, err := fs.CreateUpload(ctx, to, p, Attrs{}, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, w, err := fs.NewPart(ctx, to, p, u.ID, 1, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if _, err := io.WriteString(w, data); err != nil {
		t.Fatal(err)
	}
	part, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if _, err = fs.PutPart(ctx, to, p, u.ID, 1, part, Checksum{}); err != nil {
		t.Fatal(err)
	}
	return u.ID
}

// unpackOne makes one file of what was uploaded.
func unpackOne(fs *FS) func(io.Reader, *Batch) error {
	return func(r io.Reader, b *Batch) error {
		w := fs.NewFile(context.Background(), -1)
		defer w.Abort()
		if _, err := w.ReadFrom(r); err != nil {
			return err
		}
		part, err := w.Close()
		if err != nil {
			return err
		}
		return b.Add(context.Background(), "dir/x", part, Attrs{})
	}
}

// TestCompleteIntoUnknown: whichever transaction nobody knows of, completing again
// at once succeeds, and there is one commit.
func TestCompleteIntoUnknown(t *testing.T) {
	t.Parallel()
	for _, committed := range []bool{true, false} {
		for nth := 1; nth <= 4; nth++ {
			n, armed := 0, false
			shared := memory.NewWith(memory.Options{Outcome: func() (bool, error) {
				if n++; armed && n == nth {
					return committed, errors.New("the connection broke")
				}
				return true, nil
			}})
			fs, err := openRoot(t.Context(), shared, Options{manual: true})
			if err != nil {
				t.Fatal(err)
			}
			mustRepo(t, fs, "r")
			id := uploaded(t, fs, Ref{Repo: "r"}, "p", "data")
			n, armed = 0, true
			parts := []CompletedPart{{Number: 1}}
			_, err = fs.CompleteInto(t.Context(), Ref{Repo: "r"}, "p", id, parts, WriteOptions{}, unpackOne(fs))
			armed = false
			if err != nil {
				if _, again := fs.CompleteInto(t.Context(), Ref{Repo: "r"}, "p", id, parts, WriteOptions{}, unpackOne(fs)); again != nil {
					t.Errorf("update %d, committed %v: %v, and then %v", nth, committed, err, again)
				}
			}
			if s, err := fs.Open(t.Context(), Ref{Repo: "r"}, ActList, ""); err != nil || s.N != 1 {
				t.Errorf("update %d, committed %v: %v, want one commit", nth, committed, err)
			}
		}
	}
}

// TestCompleteIntoThatFailed can be done again, by way of a key's branch too.
func TestCompleteIntoThatFailed(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	mustRepo(t, fs, "r")
	if _, err := fs.CreateBranch(t.Context(), "r", "dev", BranchOptions{}); err != nil {
		t.Fatal(err)
	}
	who := Root
	who.Repo, who.Branch = "r", "dev"
	dev, to := fs.sys.As(who), Ref{Repo: "r", KeyBranch: true}
	id, parts := uploaded(t, dev, to, "p", "data"), []CompletedPart{{Number: 1}}
	bad := errors.New("no archive")
	if _, err := dev.CompleteInto(t.Context(), to, "p", id, parts, WriteOptions{}, func(io.Reader, *Batch) error { return bad }); !errors.Is(err, bad) {
		t.Fatal(err)
	}
	u, err := dev.Upload(t.Context(), to, "p", id)
	if err != nil || u.Owner != "" {
		t.Errorf("the upload is still %q's, %v", u.Owner, err)
	}
	if _, err := dev.CompleteInto(t.Context(), to, "p", id, parts, WriteOptions{}, unpackOne(dev)); err != nil {
		t.Errorf("completed again: %v", err)
	}
}
