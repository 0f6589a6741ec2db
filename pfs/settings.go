package pfs

import (
	"context"
	"errors"
	"fmt"

	"caret/objstore"
)

// Settings are what is said of a branch beside its history. They are not
// versioned: they hold for every state that is reached through the branch.
type Settings struct {
	ACL  ACL               `json:"acl"`
	Tags map[string]string `json:"tags,omitempty"`
	// CORS is the protocol's own document, kept as it is.
	CORS []byte `json:"cors,omitempty"`
}

// settingsRow is Settings as they are kept.
type settingsRow struct {
	Settings
	// FileACLs: some file of the branch has an ACL of its own.
	FileACLs bool `json:"file_acls,omitempty"`
}

func settingsKey(repo repoRow, branch string) []byte { return inRepo(keySettings, repo.ID, branch) }

// readSettings reads the settings of a branch. One without an owner of its
// own is its repo's owner's.
func readSettings(tx objstore.Reader, repo repoRow, branch string) (settingsRow, error) {
	var row settingsRow
	err := getJSON(tx, settingsKey(repo, branch), &row)
	if err != nil && !errors.Is(err, objstore.ErrNotFound) {
		return row, err
	}
	if row.ACL.Owner == "" {
		row.ACL.Owner = repo.Owner
	}
	row.ACL.complete()
	return row, nil
}

// branchOf is the branch whose settings govern what is reached through s.
func (s *Snapshot) branchOf() string {
	if s.Branch != "" {
		return s.Branch
	}
	return s.repo.DefaultBranch
}

// Settings reads the settings of the branch that the snapshot was reached
// through.
func (s *Snapshot) Settings(ctx context.Context) (Settings, error) {
	var row settingsRow
	err := s.fs.rows.View(ctx, func(tx objstore.Reader) (err error) {
		row, err = readSettings(tx, s.repo, s.branchOf())
		return err
	})
	return row.Settings, err
}

// ChangeSettings changes the settings of the branch that to means.
// ErrReadOnly if to is history.
func (fs *FS) ChangeSettings(ctx context.Context, to Ref, change func(*Settings) error) error {
	return translate(fs.rows.Update(ctx, func(tx objstore.Writer) error {
		s, err := fs.target(tx, to, "")
		if err != nil {
			return err
		}
		if s.Open {
			return fmt.Errorf("%w: settings are those of branch %s", ErrReadOnly, s.Branch)
		}
		row, err := readSettings(tx, s.repo, s.Branch)
		if err != nil {
			return err
		}
		if err := change(&row.Settings); err != nil {
			return err
		}
		return setJSON(tx, settingsKey(s.repo, s.Branch), row)
	}))
}

func fileACLKey(repo repoRow, branch, path string) []byte {
	return append(append(inRepo(keyFileACL, repo.ID, branch), 0), path...)
}

// FileACL is the ACL of a file, whatever its version.
func (s *Snapshot) FileACL(ctx context.Context, path string) (ACL, error) {
	var a ACL
	err := s.fs.rows.View(ctx, func(tx objstore.Reader) error {
		row, err := readSettings(tx, s.repo, s.branchOf())
		if err != nil {
			return err
		}
		a, err = s.fileACL(tx, row, path)
		return err
	})
	return a, err
}

func (s *Snapshot) fileACL(tx objstore.Reader, row settingsRow, path string) (ACL, error) {
	a := ACL{Owner: row.ACL.Owner}
	if row.FileACLs {
		err := getJSON(tx, fileACLKey(s.repo, s.branchOf(), path), &a)
		if err != nil && !errors.Is(err, objstore.ErrNotFound) {
			return a, err
		}
	}
	a.complete()
	return a, nil
}

// SetFileACL gives a file, all versions of it, another ACL.
func (fs *FS) SetFileACL(ctx context.Context, to Ref, path string, a ACL) error {
	if err := checkPath(path); err != nil {
		return err
	}
	return translate(fs.rows.Update(ctx, func(tx objstore.Writer) error {
		s, err := fs.target(tx, to, "")
		if err != nil {
			return err
		}
		if _, err := s.stat(tx, path); err != nil {
			return err
		}
		return s.setFileACL(tx, path, &a)
	}))
}

// setFileACL gives path an ACL, nil being the default.
func (s *Snapshot) setFileACL(tx objstore.Writer, path string, a *ACL) error {
	row, err := readSettings(tx, s.repo, s.branchOf())
	if err != nil {
		return err
	}
	key := fileACLKey(s.repo, s.branchOf(), path)
	if a == nil {
		if !row.FileACLs {
			return nil
		}
		if _, err := tx.Get(key); err != nil {
			if errors.Is(err, objstore.ErrNotFound) {
				return nil
			}
			return err
		}
		return tx.Delete(key)
	}
	if !row.FileACLs {
		row.FileACLs = true
		if err := setJSON(tx, settingsKey(s.repo, s.branchOf()), row); err != nil {
			return err
		}
	}
	return setJSON(tx, key, a)
}
