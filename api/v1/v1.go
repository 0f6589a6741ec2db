// Package v1 is what the JSON API of caret says on the wire. Both its server
// and its client import it; it imports nothing of caret.
package v1

import "time"

// Prefix begins the path of every request.
const Prefix = "/_caret/v1/"

// Error is the body of every answer that is not a success.
type Error struct {
	Code    string `json:"code"`           // such as no_such_repo
	Message string `json:"message"`        // what is wrong
	Hint    string `json:"hint,omitempty"` // what to do about it
	// Paths and Conflicts are the first of those of a conflict.
	Paths     []string   `json:"paths,omitempty"`
	Conflicts []Conflict `json:"conflicts,omitempty"`
}

// Conflict is a path that both sides changed; what is missing is no file.
type Conflict struct {
	Path   string `json:"path"`
	Base   *File  `json:"base,omitempty"` // what the sides had in common
	Ours   *File  `json:"ours,omitempty"` // of the branch that is written to
	Theirs *File  `json:"theirs,omitempty"`
}

// Repo is a repo.
type Repo struct {
	Name          string    `json:"name"`
	Description   string    `json:"description,omitempty"`
	DefaultBranch string    `json:"default_branch"` // what the bare name means
	Created       time.Time `json:"created"`
	Owner         string    `json:"owner,omitempty"` // id of the user whose it is
	// Warning, in the answer to a creation: why S3 clients may refuse its buckets,
	// and which name would do.
	Warning string `json:"warning,omitempty"`
}

// CreateRepo asks for a repo.
type CreateRepo struct {
	Name          string `json:"name"`
	Description   string `json:"description,omitempty"`
	DefaultBranch string `json:"default_branch,omitempty"` // master if absent
}

// UpdateRepo asks for changes to a repo; what is absent stays as it is.
type UpdateRepo struct {
	Description   *string `json:"description,omitempty"`
	DefaultBranch *string `json:"default_branch,omitempty"` // must be there
}

// Branch is a branch; Head is empty while it has no commit.
type Branch struct {
	Name    string     `json:"name"`
	Repo    string     `json:"repo"`
	Head    string     `json:"head,omitempty"` // id of its newest commit
	N       uint64     `json:"n"`              // how many commits lead to the head, itself included
	Time    *time.Time `json:"time,omitempty"` // of the head
	Created time.Time  `json:"created"`
	Default bool       `json:"default,omitempty"` // it is what the repo's bare name means
	// Protected: it takes merges only.
	Protected bool `json:"protected,omitempty"`
	// Warning, in the answer to a creation: why S3 clients may refuse its bucket,
	// and which name would do.
	Warning string `json:"warning,omitempty"`
}

// ResetBranch asks for a branch to point at To, an expression.
type ResetBranch struct {
	To     string `json:"to"`
	DryRun bool   `json:"dry_run,omitempty"` // only say what would be left
}

// Reset is a branch after it was reset, or as a dry run says that it would be.
type Reset struct {
	Branch
	Left      []Commit `json:"left,omitempty"`       // of a dry run: the first commits that would no longer lead to the head
	LeftCount uint64   `json:"left_count,omitempty"` // of a dry run: how many these are
}

// Removal is what would go with a repo or a branch.
type Removal struct {
	Branches    []string `json:"branches"` // the first ones
	BranchCount int      `json:"branch_count"`
	Commits     uint64   `json:"commits"`        // that lead to these branches, one by one
	Repo        bool     `json:"repo,omitempty"` // the repo goes too
}

// ProtectBranch protects a branch, or does no longer.
type ProtectBranch struct {
	Protected bool `json:"protected"`
}

// Move is a time at which a branch was made to point elsewhere.
type Move struct {
	N      uint64    `json:"n"` // grows from one move to the next
	Time   time.Time `json:"time"`
	Action string    `json:"action"` // create, reset, delete, restore
	Author string    `json:"author,omitempty"`
	From   string    `json:"from,omitempty"` // the head before
	To     string    `json:"to,omitempty"`   // the head after
}

// AuditLine is one change of users, keys, grants, settings, branches or tags,
// or versions of files that were removed.
type AuditLine struct {
	Time    time.Time `json:"time"`              // no two lines have the same
	User    string    `json:"user,omitempty"`    // who made it; absent if nobody signed, or it was the server itself
	UserID  string    `json:"user_id,omitempty"` // names may be given to others, ids are not
	Key     string    `json:"key,omitempty"`     // the access key that it was signed with
	Address string    `json:"address,omitempty"` // where the request came from
	Request string    `json:"request,omitempty"` // id of the request, the answer's x-amz-request-id
	Action  string    `json:"action"`            // such as createKey
	Repo    string    `json:"repo,omitempty"`
	RepoID  uint64    `json:"repo_id,omitempty"` // names may be given to others, ids are not
	Ref     string    `json:"ref,omitempty"`     // branch, tag or open commit
	Path    string    `json:"path,omitempty"`    // of the file, or of the first one
	More    int       `json:"more,omitempty"`    // how many there are besides that one
	Name    string    `json:"name,omitempty"`    // of the user, or the access key, that was changed
	Before  string    `json:"before,omitempty"`  // what is no more, in short
	After   string    `json:"after,omitempty"`   // what is now, in short
}

// DeletedBranch is a branch that can be restored, unless there is another one
// of its name.
type DeletedBranch struct {
	Name    string    `json:"name"`
	Head    string    `json:"head,omitempty"` // absent if it had no commit
	N       uint64    `json:"n"`              // how many commits lead to the head
	Deleted time.Time `json:"deleted"`
}

// Tag is a name for a commit, which never moves.
type Tag struct {
	Name    string    `json:"name"`
	Repo    string    `json:"repo"`
	Commit  string    `json:"commit"`
	Created time.Time `json:"created"`
	Author  string    `json:"author,omitempty"` // who made it, if that was noted
	Message string    `json:"message,omitempty"`
	// Warning, in the answer to a creation: why S3 clients may refuse its bucket,
	// and which name would do.
	Warning string `json:"warning,omitempty"`
}

// CreateTag asks for a tag of the commit that At, an expression, means.
type CreateTag struct {
	Name    string `json:"name"`
	At      string `json:"at"`
	Message string `json:"message,omitempty"`
}

// DeletedTag is a tag that can be restored, unless something else has its name.
type DeletedTag struct {
	Tag
	Deleted time.Time `json:"deleted"`
}

// DeletedRepo is a repo that can be restored. Several may have had one name.
type DeletedRepo struct {
	Repo
	ID      uint64    `json:"id"`
	Deleted time.Time `json:"deleted"`
}

// RestoreRepo asks for a deleted repo.
type RestoreRepo struct {
	ID uint64 `json:"id,omitempty"` // the one that was deleted last if absent
	As string `json:"as,omitempty"` // its new name; the one that it had if absent
}

// RestoredRepo is a repo that was deleted and is there again.
type RestoredRepo struct {
	Repo
	BranchCount int `json:"branch_count"` // that came back with it
}

// Grant is what a user may do with a branch and all its files, besides what ACLs of S3
// grant.
type Grant struct {
	User string `json:"user,omitempty"` // its name; absent if it was deleted
	ID   string `json:"id"`
	May  string `json:"may"` // read or write, which is to read too
}

// SetGrant asks for a grant.
type SetGrant struct {
	May string `json:"may"` // read or write, which is to read too
}

// CreateBranch asks for a branch at From, an expression; empty makes an
// empty branch.
type CreateBranch struct {
	Name string `json:"name"`
	From string `json:"from,omitempty"`
}

// Commit is a commit.
type Commit struct {
	ID          string    `json:"id"`
	Parents     []string  `json:"parents"`
	N           uint64    `json:"n"` // how many commits lead to it, itself included
	Time        time.Time `json:"time"`
	Author      string    `json:"author,omitempty"`
	Message     string    `json:"message,omitempty"`
	Files       int       `json:"files"`                  // how many paths it changed
	Path        string    `json:"path,omitempty"`         // the first of them, if they are few
	Hash        string    `json:"hash,omitempty"`         // BLAKE3 of its record
	ParentHash  string    `json:"parent_hash,omitempty"`  // Hash of the commit before it
	ChangesHash string    `json:"changes_hash,omitempty"` // BLAKE3 of what it changed
	// Of an open commit, of which Files are staged and Time is when it was
	// started: its branch, when it was last written to, and when it is dropped
	// if nobody does.
	Open    bool       `json:"open,omitempty"`
	Branch  string     `json:"branch,omitempty"`
	Touched *time.Time `json:"touched,omitempty"`
	Expires *time.Time `json:"expires,omitempty"`
}

// Change is a path that a commit changed.
type Change struct {
	Path    string `json:"path"`
	Deleted bool   `json:"deleted,omitempty"`
	Size    int64  `json:"size"`           // in bytes
	Hash    string `json:"hash,omitempty"` // BLAKE3 of the content
}

// Difference is a file that two commits have in different states.
type Difference struct {
	Path   string `json:"path"`
	Change string `json:"change"` // added, removed or modified
	// Differs says what is not the same in a modified file: content, metadata,
	// tags.
	Differs []string `json:"differs,omitempty"`
	Old     *File    `json:"old,omitempty"`
	New     *File    `json:"new,omitempty"`
}

// OpenCommit is a commit that is still written to.
type OpenCommit struct {
	ID      string    `json:"id"`
	Repo    string    `json:"repo"`
	Branch  string    `json:"branch"`
	Parent  string    `json:"parent,omitempty"` // the branch's head when it was started
	Started time.Time `json:"started"`
	Author  string    `json:"author,omitempty"`
	Message string    `json:"message,omitempty"`
	// Touched is when it was last written to, some minutes more or less;
	// Expires when it is dropped if nobody does, or later if no server runs for a while.
	Touched   time.Time  `json:"touched"`
	Expires   *time.Time `json:"expires,omitempty"`
	Finishing bool       `json:"finishing,omitempty"` // it takes no more writes
}

// StartCommit opens a commit on a branch.
type StartCommit struct {
	Branch  string `json:"branch"`
	Message string `json:"message,omitempty"`
}

// FinishCommit ends it.
type FinishCommit struct {
	Message  string `json:"message,omitempty"`
	Strategy string `json:"strategy,omitempty"` // ours, theirs, or empty to fail on conflicts
}

// File is a file in a snapshot, or a common prefix of files if Prefix is set.
type File struct {
	Prefix      string            `json:"prefix,omitempty"`
	Path        string            `json:"path,omitempty"`
	Size        int64             `json:"size"`           // in bytes
	Hash        string            `json:"hash,omitempty"` // BLAKE3 of the content
	Modified    *time.Time        `json:"modified,omitempty"`
	Commit      string            `json:"commit,omitempty"` // that last changed it
	ContentType string            `json:"content_type,omitempty"`
	Meta        map[string]string `json:"meta,omitempty"`
}

// Page is one page of a listing; Next, if set, is the after of the next one.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"` // absent on the last page
}

// Snapshot is what a ref means at the moment.
type Snapshot struct {
	Repo     string `json:"repo"`
	Branch   string `json:"branch,omitempty"` // that it was reached through
	ID       string `json:"id,omitempty"`     // empty: no commit yet
	N        uint64 `json:"n"`                // how many commits lead to it
	Writable bool   `json:"writable"`         // what is written to the ref is accepted
	Open     bool   `json:"open,omitempty"`   // it is an open commit
}

// Merge asks for what From, an expression, has to become part of Into, a branch.
type Merge struct {
	From    string `json:"from"`
	Into    string `json:"into"`
	Message string `json:"message,omitempty"`
	// Rules decide about conflicts; the first whose pattern fits does. Without
	// one that fits the merge fails.
	Rules []MergeRule `json:"rules,omitempty"`
	// NoFastForward makes a merge commit also where the branch could simply be
	// moved on.
	NoFastForward bool `json:"no_ff,omitempty"`
	// Squash makes an ordinary commit, which does not remember where it is from.
	Squash bool `json:"squash,omitempty"`
	DryRun bool `json:"dry_run,omitempty"` // say what would be done
}

// MergeRule decides about conflicts at paths that Pattern fits: * is any part
// of a name, ** any folders, a slash at the end everything under it, and
// nothing every path.
type MergeRule struct {
	Pattern  string `json:"pattern,omitempty"`
	Strategy string `json:"strategy"` // ours (Into's) or theirs (From's)
}

// Merged is the outcome of a merge.
type Merged struct {
	Commit      string   `json:"commit,omitempty"` // the branch's head; of a dry run, as it is
	Bases       []string `json:"bases"`            // the newest commits that both had
	Files       int      `json:"files"`
	UpToDate    bool     `json:"up_to_date,omitempty"`   // there was nothing to merge
	FastForward bool     `json:"fast_forward,omitempty"` // the branch was moved on to From
	// Of a dry run: the first changes, how many conflicts there are, and the
	// first of those.
	Changes       []Difference `json:"changes,omitempty"`
	ConflictCount int          `json:"conflict_count,omitempty"`
	Conflicts     []Conflict   `json:"conflicts,omitempty"`
}

// Revert asks for a commit to be taken back on a branch.
type Revert struct {
	Branch  string `json:"branch"`
	Commit  string `json:"commit"`
	Message string `json:"message,omitempty"`
	DryRun  bool   `json:"dry_run,omitempty"` // only say what would change
}

// RestoreFiles asks for everything under Prefix on a branch to be what it is
// in From, an expression.
type RestoreFiles struct {
	Branch  string `json:"branch"`
	From    string `json:"from"`
	Prefix  string `json:"prefix,omitempty"`
	Message string `json:"message,omitempty"`
	DryRun  bool   `json:"dry_run,omitempty"` // only say what would change
}

// Copy asks for a file to be stored once more, which moves no content.
type Copy struct {
	FromRepo string `json:"from_repo,omitempty"` // empty: the one that is written to
	From     string `json:"from"`                // an expression, whose state is copied
	FromPath string `json:"from_path"`
	Ref      string `json:"ref"` // is written to
	Path     string `json:"path"`
	// Recursive copies all files whose paths begin with FromPath, in one
	// commit; Path takes its place.
	Recursive bool   `json:"recursive,omitempty"`
	Message   string `json:"message,omitempty"`
}

// MoveFiles asks for a file to have another path, in one commit.
type MoveFiles struct {
	Ref  string `json:"ref"` // is written to: a branch or an open commit
	From string `json:"from"`
	To   string `json:"to"`
	// Recursive moves all files whose paths begin with From; To takes its place.
	Recursive bool   `json:"recursive,omitempty"`
	Message   string `json:"message,omitempty"`
}

// Written is the outcome of a write.
type Written struct {
	Commit string `json:"commit,omitempty"` // empty if nothing was to be done
	Files  int    `json:"files"`
	// Changes are what a dry run would change, the first 20,000 of Files.
	Changes []Difference `json:"changes,omitempty"`
}

// Delete asks for the removal of files in one commit.
type Delete struct {
	Ref     string   `json:"ref"`
	Paths   []string `json:"paths,omitempty"`
	Message string   `json:"message,omitempty"`
	DryRun  bool     `json:"dry_run,omitempty"` // only say what would go
}

// User is somebody who has keys.
type User struct {
	Name    string    `json:"name"`
	ID      string    `json:"id,omitempty"` // what ACLs name
	Display string    `json:"display,omitempty"`
	Admin   bool      `json:"admin,omitempty"`
	Created time.Time `json:"created"`
}

// CreateUser asks for a user.
type CreateUser struct {
	Name    string `json:"name"`
	Display string `json:"display,omitempty"` // the name for people
	Admin   bool   `json:"admin,omitempty"`   // may do everything
}

// UserRemoval is what would go with a user.
type UserRemoval struct {
	Name string `json:"name"`
	Keys int    `json:"keys"` // how many
}

// Key is what requests are signed with. SecretKey is told once, when the key
// is made.
type Key struct {
	AccessKey string    `json:"access_key"`
	SecretKey string    `json:"secret_key,omitempty"`
	User      string    `json:"user"`
	ReadOnly  bool      `json:"read_only,omitempty"`
	Repo      string    `json:"repo,omitempty"`   // the only one, if set
	Branch    string    `json:"branch,omitempty"` // of Repo, the only one, if set
	Created   time.Time `json:"created"`
}

// CreateKey asks for a key of a user, with limits.
type CreateKey struct {
	User     string `json:"user"`
	ReadOnly bool   `json:"read_only,omitempty"`
	Repo     string `json:"repo,omitempty"`   // the only one, if set
	Branch   string `json:"branch,omitempty"` // of Repo, the only one, if set
}
