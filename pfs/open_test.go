package pfs

import (
	"context"
	"testing"

	"caret/commits"
	"caret/commits/revision"
	"caret/objstore"
	"caret/pfs/catalog"
)

// openRoot opens a store as root sees it.
func openRoot(ctx context.Context, store objstore.Store, opts Options) (*FS, error) {
	s, err := Open(ctx, store, opts)
	if err != nil {
		return nil, err
	}
	return s.As(Root), nil
}

// openRef is an open commit of a repo.
func openRef(repo string, id CommitID) Ref {
	return Ref{Repo: repo, Base: revision.Expr{Base: id.String()}}
}

// work does what goes on in the background, now.
func work(t testing.TB, fs *FS) {
	t.Helper()
	if err := fs.sys.jobs.Work(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// branchLineage is the lineage that a branch is on.
func branchLineage(t interface{ Fatal(...any) }, fs *FS, repo, branch string) (lineage commits.LineageID) {
	err := fs.sys.db.View(context.Background(), func(tx objstore.Reader) error {
		s, err := catalog.Resolve(tx, Ref{Repo: repo, Branch: branch})
		if err == nil {
			lineage = s.Lineage
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return lineage
}

func deleteBranch(ctx context.Context, fs *FS, repo, name string, opt BranchDeletion) error {
	_, err := fs.DeleteBranch(ctx, repo, name, opt)
	return err
}

func deleteRepo(ctx context.Context, fs *FS, name string, opt DeleteOptions) error {
	_, err := fs.DeleteRepo(ctx, name, opt)
	return err
}

func resetBranch(ctx context.Context, fs *FS, repo, name string, to Ref, opt WriteOptions) (Branch, error) {
	done, err := fs.ResetBranch(ctx, repo, name, to, opt, false)
	return done.Branch, err
}
