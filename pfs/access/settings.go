package access

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	"caret/commits"
	"caret/objstore"
	"caret/pfs/catalog"
	"caret/pfs/rows"
)

// Settings are what is said of a branch beside its history. They are not
// versioned: they hold for every state that is reached through the branch.
type Settings struct {
	ACL  ACL               `json:"acl"`
	Tags map[string]string `json:"tags,omitempty"`
	// Grants are of the branch with all its files, where the ACL is what S3 knows of.
	Grants []BranchGrant `json:"grants,omitempty"`
	// CORS is the protocol's own document, kept as it is. It has a row of its own, as it is
	// long and hardly ever wanted.
	CORS []byte `json:"cors,omitempty"` // in rows of older carets
}

// BranchSettings are the settings of a branch, as they are kept. They are kept
// by the branch's first lineage and not by its name: another branch that later
// gets the name has its own.
type BranchSettings struct {
	Settings
	// FileACLs: some version of a file has an ACL of its own.
	FileACLs bool `json:"file_acls,omitempty"`
	// HasCORS: the document is in its row; it is read by ReadCORS.
	HasCORS bool `json:"has_cors,omitempty"`

	home   commits.LineageID
	edited bool // CORS is what it is to be
}

func settingsKey(home commits.LineageID) []byte { return rows.Numbered(rows.Settings, uint64(home)) }

// ReadSettings reads the settings that govern what is reached through s, but for CORS. A
// branch without an owner of its own is its repo's owner's.
func ReadSettings(tx objstore.Reader, s *catalog.Snapshot) (*BranchSettings, error) {
	home := s.Home
	if home == 0 {
		row, err := catalog.ReadBranch(tx, s.Row, s.Governing())
		if err != nil && !errors.Is(err, catalog.ErrNoSuchBranch) {
			return nil, err
		}
		home = row.Home()
	}
	key := settingsKey(home)
	set := &BranchSettings{}
	if err := rows.Get(tx, key, set); err != nil && !errors.Is(err, objstore.ErrNotFound) {
		return nil, err
	}
	set.fill(s.Row, home)
	return set, nil
}

// fill fills in what a row, which may not be there, does not say.
func (b *BranchSettings) fill(repo catalog.RepoRow, home commits.LineageID) {
	b.home = home
	if b.ACL.Owner == "" {
		b.ACL.Owner = repo.Owner
	}
	b.ACL.complete()
}

// Edit is Settings as they may be changed, of which CORS was read.
func (b *BranchSettings) Edit() *Settings {
	b.ACL.Grants, b.Grants, b.Tags, b.edited = slices.Clone(b.ACL.Grants), slices.Clone(b.Grants), maps.Clone(b.Tags), true
	return &b.Settings
}

func corsKey(home commits.LineageID) []byte { return rows.Numbered(rows.CORS, uint64(home)) }

// ReadCORS fills in CORS.
func (b *BranchSettings) ReadCORS(tx objstore.Reader) (err error) {
	if b.HasCORS {
		b.CORS, err = tx.Get(corsKey(b.home))
	}
	if errors.Is(err, objstore.ErrNotFound) {
		err = fmt.Errorf("%w: the settings of lineage %d say that there is a CORS document, and there is no row", objstore.ErrCorrupt, b.home)
	}
	return err
}

// Within says that s gives nobody more than old does, and is the same otherwise: grants
// may be fewer, and pages of other origins may be allowed nothing any more.
func (s *Settings) Within(old *Settings) bool {
	return s.ACL.Within(&old.ACL) && s.grantsWithin(old) && maps.Equal(s.Tags, old.Tags) && (len(s.CORS) == 0 || bytes.Equal(s.CORS, old.CORS))
}

// Write writes the settings.
func (b *BranchSettings) Write(tx objstore.Writer) error {
	row := *b
	if b.edited || len(b.CORS) > 0 { // else it stays
		var err error
		switch row.HasCORS = len(b.CORS) > 0; {
		case row.HasCORS:
			err = tx.Set(corsKey(b.home), b.CORS)
		case b.HasCORS:
			err = tx.Delete(corsKey(b.home))
		}
		if err != nil {
			return err
		}
	}
	row.CORS = nil
	return rows.Set(tx, settingsKey(b.home), &row)
}

func fileACLKey(home commits.LineageID, path string, version commits.ID) []byte {
	return append(rows.WithPath(rows.Numbered(rows.FileACL, uint64(home)), path), version[:]...)
}

// DropFileACL removes the ACL of a version of a file that is no more.
func DropFileACL(tx objstore.Writer, home commits.LineageID, path string, version commits.ID) error {
	return tx.Delete(fileACLKey(home, path, version))
}

// FileACL is the ACL of the version of a file that file finds at path. A
// version has an ACL of its own, wherever the version shows; with another
// version, however it was written, begins another ACL. Without one, its writer
// owns it as [BranchSettings.Writer] says, or else the branch's owner.
func (b *BranchSettings) FileACL(tx objstore.Reader, path string, file func(path string) (commits.State, error)) (ACL, error) {
	a := ACL{Owner: b.ACL.Owner}
	st, err := file(path)
	if err == nil && !st.Deleted {
		if st.Writer.User != "" && st.Writer.Home == b.home {
			a.Owner = st.Writer.User
		}
		if b.FileACLs {
			err = rows.Get(tx, fileACLKey(b.home, path, st.Commit), &a)
		}
	}
	if err != nil && !errors.Is(err, objstore.ErrNotFound) && !errors.Is(err, commits.ErrNoPath) {
		return a, err
	}
	a.complete()
	return a, nil
}

// Writer is what is said of the versions that who writes without an ACL: who
// neither owns the branch nor is an administrator owns them.
func (b *BranchSettings) Writer(who Caller) commits.Writer {
	if who.Admin || who.IsAnonymous() || who.Owns(b.ACL.Owner) {
		return commits.Writer{}
	}
	return commits.Writer{User: who.ID, Home: b.home}
}

// SetFileACL gives a version of a file an ACL; nil is the default, that the
// branch's owner alone may read it.
func (b *BranchSettings) SetFileACL(tx objstore.Writer, path string, version commits.ID, a *ACL) error {
	if a == nil {
		if !b.FileACLs {
			return nil
		}
		return tx.Delete(fileACLKey(b.home, path, version))
	}
	if !b.FileACLs {
		b.FileACLs = true
		if err := b.Write(tx); err != nil {
			return err
		}
	}
	return rows.Set(tx, fileACLKey(b.home, path, version), a)
}
