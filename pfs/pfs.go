// Package pfs is the versioned file system: this page has its nouns and verbs.
//
// A [Repo] has branches and tags. A [Branch] has a head, the newest of its
// commits; a [Commit] is a snapshot of all paths, and never changes. Every write
// makes a commit, all or nothing, durable when the call returns. An [OpenCommit]
// collects writes that become one commit; an [Upload] collects parts that become
// one file. A [Ref] names a state in any way there is; a [Snapshot] is what it
// means at one moment.
//
// A [System] is what one store holds. An [FS] is that as one caller sees it, and
// all verbs are the caller's:
//
//	system, err := pfs.Open(ctx, store, pfs.Options{})
//	fs := system.As(pfs.Holder(accessKey))
//
// What may be done is decided in the transaction that does it; package access
// says how. Reading is done in views, each a transaction that sees one moment:
//
//	err := fs.View(ctx, func(v *pfs.View) error {
//		s, err := v.Open(ref, pfs.ActRead, path)    resolves, and decides
//		info, err := s.Stat(ctx, path)
//	})
//
//	reading    [FS.View] [View.Open] [View.Target], or [FS.Open] and [FS.Target] for a view of one
//	           [Snapshot.Stat] [Snapshot.Read] [Snapshot.List] [Snapshot.All] [Snapshot.Versions] [Snapshot.Version]
//	           [Snapshot.Log] [Snapshot.History] [Snapshot.Settings] [Snapshot.FileACL]
//	           [FS.Diff] [FS.EachDifference] [FS.Changes] [FS.Commit] [FS.Watch]
//	writing    [FS.NewFile], then [FS.Put]; [FS.Copy] [FS.Delete] [FS.Deletable] [FS.SetTags]
//	           [FS.NewBatch] [FS.CopyFiles] [FS.MoveFile] [FS.MoveFiles] [FS.Merge] [FS.Revert] [FS.RestoreFiles]: many changes, one commit
//	           [FS.StartCommit] [FS.FinishCommit] [FS.AbortCommit] [FS.Abortable] [FS.OpenCommit] [FS.OpenCommits]
//	           [FS.CreateUpload] [FS.NewPart] [FS.PutPart] [FS.CompleteUpload] [FS.CompleteInto] [FS.AbortUpload]
//	           [FS.Upload] [FS.Uploads] [FS.Parts]
//	names      [FS.CreateRepo] [FS.Repo] [FS.Repos] [FS.UpdateRepo] [FS.DeleteRepo]
//	           [FS.CreateBranch] [FS.Branch] [FS.Branches] [FS.VisibleBranches] [FS.ResetBranch] [FS.ProtectBranch]
//	           [FS.DeleteBranch] [FS.RestoreBranch] [FS.DeletedBranches] [FS.Moves]
//	           [FS.CreateTag] [FS.Tag] [FS.Tags] [FS.DeleteTag]
//	access     [FS.ChangeSettings] [FS.SetFileACL]
//	           [FS.CreateUser] [FS.User] [FS.Users] [FS.DeleteUser]
//	           [FS.CreateKey] [FS.Key] [FS.Keys] [FS.DeleteKey]
//	trail      [FS.Audit]: of all that is under names and access, by time
//	damage     [FS.Check]: of all that is stored, by administrators
//
// Conditions (the branch's head, a file's hash) are decided in the transaction
// that makes the commit, so they hold against concurrent writers.
//
// Below it: rows (kinds of rows), lease (which process works on what), catalog
// (names and the resolver), access (who may), changeset (sets of changes that
// become visible), upload, and jobs (the background). pfs must not import gateway
// or api; S3's words (bucket, key, marker) stop there. Several processes may
// have one store open. All methods may be called concurrently.
package pfs

import (
	"caret/commits"
	"caret/commits/revision"
	"caret/objstore"
	"caret/objstore/content"
	"caret/pfs/access"
	"caret/pfs/audit"
	"caret/pfs/catalog"
	"caret/pfs/changeset"
	"caret/pfs/upload"
)

// Limits.
const (
	MaxPath  = 1024 // bytes in a path
	MaxParts = upload.MaxParts
	MinPart  = upload.MinPart
)

// DefaultBranch is the default branch of a repo that does not say otherwise.
const DefaultBranch = "master"

type (
	// Repo is a set of branches that share a history.
	Repo = catalog.Repo
	// Branch is a lineage of commits under a name.
	Branch = catalog.Branch
	// DeletedBranch is one that can be restored.
	DeletedBranch = catalog.DroppedBranch
	// Tag is a name for a commit.
	Tag = catalog.Tag
	// Move is a time at which a branch was made to point elsewhere.
	Move = catalog.Move
	// Ref says which state of which repo.
	Ref = catalog.Ref
	// MissingError says which name means nothing.
	MissingError = catalog.MissingError
	// VersionError is about the version of a Ref.
	VersionError = catalog.VersionError
)

type (
	// Commit is the record of a commit.
	Commit = commits.Commit
	// CommitID names a commit.
	CommitID = revision.ID
	// Attrs is a file's content headers, metadata and tags.
	Attrs = commits.Attrs
	// Checksum is a file's verified checksum.
	Checksum = commits.Checksum
	// Hash is the BLAKE3-256 of content.
	Hash = objstore.Hash
	// FileWriter takes the content of a file; see FS.NewFile.
	FileWriter = content.Writer
	// FilePart is what its Close returns: content that was stored.
	FilePart = content.Part
	// Info is a file, or a deletion, with its path: its entry (content, time,
	// attributes) and the commit that made the version; an open commit's id when
	// it is only staged there.
	Info = commits.Change
)

type (
	// Caller is who asks.
	Caller = access.Caller
	// Action is what a caller asks for.
	Action = access.Action
	// ACL is what is granted on a branch, or a version of a file.
	ACL = access.ACL
	// Grant is of a permission to a user or a group.
	Grant = access.Grant
	// Group is a set of callers.
	Group = access.Group
	// Permission is what a grant allows.
	Permission = access.Permission
	// Settings is what is said of a branch beside its history.
	Settings = access.Settings
	// User is somebody who has keys.
	User = access.User
	// Key is what requests are signed with.
	Key = access.Key
	// Via says how a caller's request came.
	Via = access.Via
	// AuditLine is a line of the trail of changes.
	AuditLine = audit.Line
)

// Actions that a snapshot is opened for.
const (
	ActRead     = access.Read
	ActReadAll  = access.ReadAll
	ActList     = access.List
	ActWrite    = access.Write
	ActReadACP  = access.ReadACP
	ActWriteACP = access.WriteACP
	ActInspect  = access.Inspect
	ActOwn      = access.Own
)

// Permissions, and groups that they are granted to.
const (
	PermRead           = access.PermRead
	PermWrite          = access.PermWrite
	PermReadACP        = access.PermReadACP
	PermWriteACP       = access.PermWriteACP
	PermFullControl    = access.PermFullControl
	AllUsers           = access.AllUsers
	AuthenticatedUsers = access.AuthenticatedUsers
)

// RootUser is the user that the server's root key is of. It is always there.
const RootUser = access.RootUser

// Callers. Root is who has the server's own key, Anonymous who signed nothing,
// and Holder(accessKey) who holds a key, looked up anew in every transaction.
var (
	Root      = access.Root
	Anonymous = access.Anonymous
	Holder    = access.Holder
)

type (
	// Rule decides about conflicts at some paths.
	Rule = changeset.Rule
	// Conflict is a path that both sides changed.
	Conflict = changeset.Conflict
	// ConflictError lists such paths.
	ConflictError = changeset.ConflictError
)

// Strategies decide about a path that both sides changed.
const (
	Ours   = changeset.Ours
	Theirs = changeset.Theirs
)

type (
	// Upload collects parts that become a file.
	Upload = upload.Upload
	// UploadsOptions say which part of a list of uploads is wanted.
	UploadsOptions = upload.ListOptions
	// UploadItem is an item of a list of uploads.
	UploadItem = upload.Item
	// UploadsPage is a page of a list of uploads.
	UploadsPage = upload.Page
	// PartInfo describes a part.
	PartInfo = upload.PartInfo
	// CompletedPart names a part of the file to be.
	CompletedPart = upload.CompletedPart
)
