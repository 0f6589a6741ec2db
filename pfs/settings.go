package pfs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"caret/commits"
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
	// FileACLs: some version of a file has an ACL of its own.
	FileACLs bool `json:"file_acls,omitempty"`
}

// Settings are kept by the branch's first line and not by the name of the branch: another branch
// that later gets the name has its own.
func settingsKey(line commits.LineageID) []byte {
	return binary.BigEndian.AppendUint64([]byte{keySettings}, uint64(line))
}

// branchOf is the branch whose settings govern what is reached through s.
func (s *Snapshot) branchOf() string {
	if s.Branch != "" {
		return s.Branch
	}
	return s.repo.DefaultBranch
}

// governing is the line of that branch; 0 if there is none.
func (s *Snapshot) governing(tx objstore.Reader) (commits.LineageID, error) {
	if s.home != 0 {
		return s.home, nil
	}
	row, err := readBranchRow(tx, s.repo, s.branchOf())
	if errors.Is(err, ErrNoSuchBranch) {
		err = nil
	}
	return row.home(), err
}

// settings reads the settings that govern what is reached through s. A branch
// without an owner of its own is its repo's owner's.
func (s *Snapshot) settings(tx objstore.Reader) (row settingsRow, line commits.LineageID, err error) {
	if line, err = s.governing(tx); err != nil {
		return row, line, err
	}
	err = getJSON(tx, settingsKey(line), &row)
	if err != nil && !errors.Is(err, objstore.ErrNotFound) {
		return row, line, err
	}
	if row.ACL.Owner == "" {
		row.ACL.Owner = s.repo.Owner
	}
	row.ACL.complete()
	return row, line, nil
}

// Settings reads the settings of the branch that the snapshot was reached
// through.
func (s *Snapshot) Settings(ctx context.Context) (Settings, error) {
	var row settingsRow
	err := s.fs.rows.View(ctx, func(tx objstore.Reader) (err error) {
		row, _, err = s.settings(tx)
		return err
	})
	return row.Settings, err
}

// ChangeSettings changes the settings of the branch that to means.
// ErrReadOnly if to is history. on, if not nil, is the branch that was
// authorized.
func (fs *FS) ChangeSettings(ctx context.Context, to Ref, on *Snapshot, change func(*Settings) error) error {
	return fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		s, err := fs.target(tx, to, WriteOptions{On: on})
		if err != nil {
			return err
		}
		if s.Open {
			return fmt.Errorf("%w: settings are those of branch %s", ErrReadOnly, s.Branch)
		}
		row, line, err := s.settings(tx)
		if err != nil {
			return err
		}
		if err := change(&row.Settings); err != nil {
			return err
		}
		return setJSON(tx, settingsKey(line), row)
	})
}

func fileACLKey(home commits.LineageID, path string, version CommitID) []byte {
	scope := binary.BigEndian.AppendUint64([]byte{keyFileACL}, uint64(home))
	return append(pathKey(scope, path), version[:]...)
}

// FileACL is the ACL of the version of a file that the snapshot has.
func (s *Snapshot) FileACL(ctx context.Context, path string) (ACL, error) {
	var a ACL
	err := s.fs.rows.View(ctx, func(tx objstore.Reader) (err error) {
		a, err = s.fileACL(tx, path)
		return err
	})
	return a, err
}

// fileACL: a version has an ACL of its own, wherever the version shows; with
// another version, however it was written, begins another ACL.
func (s *Snapshot) fileACL(tx objstore.Reader, path string) (ACL, error) {
	row, home, err := s.settings(tx)
	if err != nil {
		return ACL{}, err
	}
	a := ACL{Owner: row.ACL.Owner}
	if row.FileACLs {
		st, err := s.stat(tx, path)
		if err == nil {
			err = getJSON(tx, fileACLKey(home, path, st.Commit), &a)
		}
		if err != nil && !errors.Is(err, objstore.ErrNotFound) && !errors.Is(err, ErrNoSuchPath) {
			return a, err
		}
	}
	a.complete()
	return a, nil
}

// SetFileACL gives a version of a file another ACL. on is the branch, or a
// state of it, that was authorized.
func (fs *FS) SetFileACL(ctx context.Context, to Ref, on *Snapshot, path string, version CommitID, a ACL) error {
	if err := checkPath(path); err != nil {
		return err
	}
	return fs.rows.Update(ctx, "", func(tx objstore.Writer) error {
		s, err := fs.target(tx, to, WriteOptions{On: on})
		if err != nil {
			return err
		}
		return s.setFileACL(tx, path, version, &a)
	})
}

// setFileACL gives a version an ACL, nil being the default.
func (s *Snapshot) setFileACL(tx objstore.Writer, path string, version CommitID, a *ACL) error {
	if a == nil && !s.Open {
		return nil // a version that is new has none
	}
	row, home, err := s.settings(tx)
	if err != nil {
		return err
	}
	if a == nil { // what is staged again is the same version
		if !row.FileACLs {
			return nil
		}
		return tx.Delete(fileACLKey(home, path, version))
	}
	if !row.FileACLs {
		row.FileACLs = true
		if err := setJSON(tx, settingsKey(home), row); err != nil {
			return err
		}
	}
	return setJSON(tx, fileACLKey(home, path, version), a)
}
