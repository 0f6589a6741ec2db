package api

import (
	"net/http"
	"strings"

	v1 "caret/api/v1"
)

// operation is one thing that the API does. The routes and the OpenAPI
// document are both made from the table of them, and from nothing else.
type operation struct {
	noun    string // what it is about: its section in the document
	pattern string // method and path under v1.Prefix
	id      string // its name in the document, which stays
	summary string
	params  []param
	in      any // of the body's type in v1, a stream, or nil for none
	out     answer
	do      handler
}

func (o operation) method() string { m, _, _ := strings.Cut(o.pattern, " "); return m }
func (o operation) path() string   { _, p, _ := strings.Cut(o.pattern, " "); return p }

// param is a parameter in the query, or in a header if that is set.
type param struct {
	name, about string
	kind        string // integer, boolean or date-time; "" is a string
	required    bool
	header      bool
}

// answer is what a success looks like: of the body's type in v1, a stream,
// or nil for none.
type answer struct {
	body     any
	statuses []int
	fails    []int // besides those that all operations may fail with
}

// stream is a body that is not one JSON value; of are the types in v1 of the
// events in it, if it has such.
type stream struct {
	media string
	of    []any
}

func ok(v any) answer      { return answer{body: v, statuses: []int{http.StatusOK}} }
func created(v any) answer { return answer{body: v, statuses: []int{http.StatusCreated}} }

// deleted is the answer to a deletion: that it was done, or to a dry run what
// would go.
func deleted(v any) answer {
	return answer{body: v, statuses: []int{http.StatusOK, http.StatusNoContent}}
}

var (
	content  = stream{media: "application/octet-stream"}
	anything = stream{media: "*/*"}
)

// Parameters of several operations.
var (
	afterParam  = param{name: "after", about: "the `next` of the page before; absent for the first page"}
	limitParam  = param{name: "limit", about: "how many items at most; as many as fit in a page if absent", kind: "integer"}
	refParam    = param{name: "ref", about: "a version expression such as `master`, `HEAD^` or a commit id; the head of the default branch if absent"}
	prefixParam = param{name: "prefix", about: "only paths that begin with it"}
	pathParam   = param{name: "path", about: "of the file", required: true}
	dryRunParam = param{name: "dry_run", about: "`true` deletes nothing, and answers with what would go or with the error of the deletion", kind: "boolean"}
	ifHeadParam = param{name: "if_head", about: "a version expression, such as a commit id: refused with 412 unless it means the head of the branch"}
)

// paged are the parameters of a listing, with more of them.
func paged(more ...param) []param { return append(more, afterParam, limitParam) }

// inPath says what the names in patterns are.
var inPath = map[string]string{
	"repo":   "name of the repo",
	"branch": "name of the branch",
	"tag":    "name of the tag",
	"ref":    "a version expression; where an open commit is meant, its id",
	"user":   "name of the user",
	"key":    "the access key",
}

// operations are all of them. To add one, add a row here, its types with
// their comments to package v1, and what it takes and refuses to the steps in
// operations_test.go.
var operations = []operation{
	{"repos", "GET repos", "listRepos", "Lists the repos that the caller sees, by name", paged(), nil, ok(v1.Page[v1.Repo]{}), (*server).listRepos},
	{"repos", "POST repos", "createRepo", "Makes a repo with an empty default branch", nil, v1.CreateRepo{}, created(v1.Repo{}), (*server).createRepo},
	{"repos", "GET repos/{repo}", "inspectRepo", "Describes a repo", nil, nil, ok(v1.Repo{}), (*server).inspectRepo},
	{"repos", "PATCH repos/{repo}", "updateRepo", "Changes the description or the default branch of a repo", nil, v1.UpdateRepo{}, ok(v1.Repo{}), (*server).updateRepo},
	{
		"repos", "DELETE repos/{repo}", "deleteRepo", "Deletes a repo with its branches",
		[]param{{name: "force", about: "`true` deletes a repo that has commits too", kind: "boolean"}, dryRunParam}, nil, deleted(v1.Removal{}), (*server).deleteRepo,
	},

	{"repos", "GET deleted", "listDeletedRepos", "Lists the deleted repos that the caller may restore, by name and time of deletion", paged(), nil, ok(v1.Page[v1.DeletedRepo]{}), (*server).listDeletedRepos},
	{
		"repos", "POST deleted/{repo}/restore", "restoreRepo", "Brings a deleted repo back with its branches, tags and grants",
		nil, v1.RestoreRepo{}, ok(v1.RestoredRepo{}), (*server).restoreRepo,
	},

	{"branches", "GET repos/{repo}/branches", "listBranches", "Lists the branches that the caller sees, by name", paged(), nil, ok(v1.Page[v1.Branch]{}), (*server).listBranches},
	{"branches", "POST repos/{repo}/branches", "createBranch", "Makes a branch in constant time", nil, v1.CreateBranch{}, created(v1.Branch{}), (*server).createBranch},
	{"branches", "GET repos/{repo}/branches/{branch}", "inspectBranch", "Describes a branch", nil, nil, ok(v1.Branch{}), (*server).inspectBranch},
	{
		"branches", "DELETE repos/{repo}/branches/{branch}", "deleteBranch", "Deletes a branch; the last one takes its repo with it",
		[]param{dryRunParam, ifHeadParam}, nil, deleted(v1.Removal{}), (*server).deleteBranch,
	},
	{
		"branches", "POST repos/{repo}/branches/{branch}/reset", "resetBranch", "Makes another commit the head of a branch",
		[]param{ifHeadParam}, v1.ResetBranch{}, ok(v1.Reset{}), (*server).resetBranch,
	},
	{
		"branches", "POST repos/{repo}/branches/{branch}/protect", "protectBranch", "Protects a branch from writes, resets and deletion, or does no longer",
		nil, v1.ProtectBranch{}, ok(v1.Branch{}), (*server).protectBranch,
	},
	{"branches", "POST repos/{repo}/branches/{branch}/restore", "restoreBranch", "Brings a deleted branch back, and its repo with it", nil, nil, ok(v1.Branch{}), (*server).restoreBranch},
	{"branches", "GET repos/{repo}/deleted", "listDeletedBranches", "Lists the deleted branches that can be restored, by name", paged(), nil, ok(v1.Page[v1.DeletedBranch]{}), (*server).listDeleted},
	{"branches", "GET repos/{repo}/branches/{branch}/moves", "listMoves", "Lists where a branch was made to point, newest first", paged(), nil, ok(v1.Page[v1.Move]{}), (*server).listMoves},
	{
		"branches", "GET repos/{repo}/branches/{branch}/events", "watchBranch", "Streams the commits of a branch as server-sent events, as they are made",
		[]param{
			{name: "after", about: "goes on behind the state that this version expression means, `.0` being the one before the first commit; the head if absent"},
			{name: "Last-Event-ID", about: "the id of the event that was read last; goes before `after`", header: true},
			{name: "path", about: "only commits that changed it, or anything under it if it ends in a slash"},
		},
		nil, answer{stream{"text/event-stream", []any{v1.Commit{}, v1.StreamError{}}}, []int{http.StatusOK}, []int{http.StatusConflict}}, (*server).watch,
	},

	{"branches", "GET repos/{repo}/branches/{branch}/grants", "listGrants", "Lists who was granted the branch with all its files; for its owner", nil, nil, ok(v1.Page[v1.Grant]{}), (*server).listGrants},
	{
		"branches", "PUT repos/{repo}/branches/{branch}/grants/{user}", "grant", "Grants a user the branch with all its files, in place of what it was granted before",
		nil, v1.SetGrant{}, ok(v1.Grant{}), (*server).grant,
	},
	{"branches", "DELETE repos/{repo}/branches/{branch}/grants/{user}", "revoke", "Takes the grant of a user away", nil, nil, deleted(nil), (*server).revoke},

	{"tags", "GET repos/{repo}/tags", "listTags", "Lists the tags of a repo, by name", paged(), nil, ok(v1.Page[v1.Tag]{}), (*server).listTags},
	{"tags", "POST repos/{repo}/tags", "createTag", "Names a commit", nil, v1.CreateTag{}, created(v1.Tag{}), (*server).createTag},
	{"tags", "GET repos/{repo}/tags/{tag}", "inspectTag", "Describes a tag", nil, nil, ok(v1.Tag{}), (*server).inspectTag},
	{"tags", "DELETE repos/{repo}/tags/{tag}", "deleteTag", "Deletes a tag; the commit stays", []param{dryRunParam}, nil, deleted(v1.Tag{}), (*server).deleteTag},

	{"tags", "GET repos/{repo}/deleted/tags", "listDeletedTags", "Lists the deleted tags that can be restored, by name", paged(), nil, ok(v1.Page[v1.DeletedTag]{}), (*server).listDeletedTags},
	{"tags", "POST repos/{repo}/tags/{tag}/restore", "restoreTag", "Brings a deleted tag back", nil, nil, ok(v1.Tag{}), (*server).restoreTag},

	{"commits", "GET repos/{repo}/resolve", "resolve", "Says what a version expression means at the moment", []param{refParam}, nil, ok(v1.Snapshot{}), (*server).resolve},
	{
		"commits", "GET repos/{repo}/commits", "listCommits", "Lists the commits that lead to ref, newest first",
		paged(
			refParam, param{name: "path", about: "only commits that changed it, or anything under it if it ends in a slash"},
			param{name: "since", about: "only commits of this time or later", kind: "date-time"},
			param{name: "until", about: "only commits of this time or earlier", kind: "date-time"},
			param{name: "author", about: "only commits whose author has this text, whatever its case"},
			param{name: "message", about: "only commits whose message has this text, whatever its case"},
		),
		nil, ok(v1.Page[v1.Commit]{}), (*server).log,
	},
	{"commits", "GET repos/{repo}/commits/{ref}", "inspectCommit", "Describes a commit", nil, nil, ok(v1.Commit{}), (*server).inspectCommit},
	{"commits", "GET repos/{repo}/commits/{ref}/changes", "listChanges", "Lists the paths that a commit changed", paged(), nil, ok(v1.Page[v1.Change]{}), (*server).changes},
	{
		"commits", "GET repos/{repo}/diff", "diff", "Lists the files that differ between two commits, by path",
		paged(
			param{name: "from", about: "a version expression: the old state"}, param{name: "to", about: "a version expression: the new state"}, prefixParam,
		), nil, ok(v1.Page[v1.Difference]{}), (*server).diff,
	},
	{
		"commits", "GET repos/{repo}/diff/stream", "streamDiff", "Streams all files that differ between two commits, by path, as they are found",
		[]param{{name: "from", about: "a version expression: the old state"}, {name: "to", about: "a version expression: the new state"}, prefixParam},
		nil, answer{body: stream{"application/x-ndjson", []any{v1.Difference{}}}, statuses: []int{http.StatusOK}}, (*server).streamDiff,
	},
	{
		"commits", "POST repos/{repo}/merge", "merge", "Makes what a version expression means part of a branch, or says what that would do",
		[]param{ifHeadParam}, v1.Merge{}, ok(v1.Merged{}), (*server).merge,
	},
	{
		"commits", "POST repos/{repo}/revert", "revert", "Takes back on a branch what a commit changed, in a commit of its own",
		[]param{ifHeadParam}, v1.Revert{}, ok(v1.Written{}), (*server).revert,
	},

	{"open commits", "GET repos/{repo}/open", "listOpenCommits", "Lists the open commits of branches that the caller may write to, by id", paged(), nil, ok(v1.Page[v1.OpenCommit]{}), (*server).listOpen},
	{
		"open commits", "POST repos/{repo}/commits", "startCommit", "Opens a commit on a branch: what is written to its id is staged in it",
		[]param{ifHeadParam}, v1.StartCommit{}, created(v1.OpenCommit{}), (*server).startCommit,
	},
	{
		"open commits", "POST repos/{repo}/commits/{ref}/finish", "finishCommit", "Makes all that is staged in an open commit one commit of its branch, or nothing of it",
		[]param{ifHeadParam}, v1.FinishCommit{}, ok(v1.Commit{}), (*server).finishCommit,
	},
	{"open commits", "DELETE repos/{repo}/commits/{ref}", "abortCommit", "Drops an open commit", []param{dryRunParam}, nil, deleted(v1.Commit{}), (*server).abortCommit},

	{
		"files", "GET repos/{repo}/files", "listFiles", "Lists files, by path",
		paged(refParam, prefixParam, param{name: "delimiter", about: "puts paths that have it behind the prefix into one item each, as a slash does with folders"}),
		nil, ok(v1.Page[v1.File]{}), (*server).listFiles,
	},
	{"files", "GET repos/{repo}/stat", "statFile", "Describes a file", []param{refParam, pathParam}, nil, ok(v1.File{}), (*server).statFile},
	{
		"files", "GET repos/{repo}/file", "getFile", "Streams a file; X-Caret-Hash in the answer is its BLAKE3, X-Caret-Commit the commit that last changed it",
		[]param{refParam, pathParam, {name: "Range", about: "one range of bytes, such as `bytes=0-99`", header: true}},
		nil, answer{content, []int{http.StatusOK, http.StatusPartialContent}, []int{http.StatusRequestedRangeNotSatisfiable}}, (*server).getFile,
	},
	{
		"files", "PUT repos/{repo}/file", "putFile", "Stores the body as a file, in a commit of its own or staged in an open one",
		[]param{refParam, pathParam, {name: "message", about: "of the commit"}, ifHeadParam}, anything, ok(v1.Written{}), (*server).putFile,
	},
	{"files", "POST repos/{repo}/delete", "deleteFiles", "Deletes files in one commit", []param{ifHeadParam}, v1.Delete{}, ok(v1.Written{}), (*server).deleteFiles},
	{"files", "POST repos/{repo}/copy", "copyFiles", "Copies a file, or all under a prefix in one commit, without moving content", []param{ifHeadParam}, v1.Copy{}, ok(v1.Written{}), (*server).copyFiles},
	{"files", "POST repos/{repo}/move", "moveFiles", "Gives a file another path, or all under a prefix, in one commit", []param{ifHeadParam}, v1.MoveFiles{}, ok(v1.Written{}), (*server).moveFiles},
	{
		"files", "POST repos/{repo}/restore", "restoreFiles", "Makes everything under a prefix of a branch what it was, in one commit",
		[]param{ifHeadParam}, v1.RestoreFiles{}, ok(v1.Written{}), (*server).restoreFiles,
	},

	{"users", "GET users", "listUsers", "Lists users, by name; for administrators", paged(), nil, ok(v1.Page[v1.User]{}), (*server).listUsers},
	{"users", "POST users", "createUser", "Makes a user, who then needs a key; for administrators", nil, v1.CreateUser{}, created(v1.User{}), (*server).createUser},
	{"users", "GET users/{user}", "inspectUser", "Describes a user", nil, nil, ok(v1.User{}), (*server).inspectUser},
	{"users", "DELETE users/{user}", "deleteUser", "Deletes a user and its keys; for administrators", []param{dryRunParam}, nil, deleted(v1.UserRemoval{}), (*server).deleteUser},
	{
		"users", "GET keys", "listKeys", "Lists keys without their secrets",
		paged(param{name: "user", about: "only the keys of this user; absent: of all, for administrators"}),
		nil, ok(v1.Page[v1.Key]{}), (*server).listKeys,
	},
	{"users", "POST keys", "createKey", "Makes a key; its secret is told here alone", nil, v1.CreateKey{}, created(v1.Key{}), (*server).createKey},
	{"users", "GET keys/{key}", "inspectKey", "Describes a key, without its secret", nil, nil, ok(v1.Key{}), (*server).inspectKey},
	{"users", "DELETE keys/{key}", "deleteKey", "Deletes a key", []param{dryRunParam}, nil, deleted(v1.Key{}), (*server).deleteKey},

	{
		"store", "GET check", "check", "Reads all that is stored, verifies it, and streams what is damaged as it is found; for administrators",
		[]param{{name: "repo", about: "only this repo"}, {name: "quick", about: "reads no content: rows and the chain of commits alone", kind: "boolean"}},
		nil, answer{body: stream{"application/x-ndjson", []any{v1.CheckLine{}}}, statuses: []int{http.StatusOK}}, (*server).check,
	},

	{
		"store", "GET audit", "listAudit", "Lists changes of users, keys, grants, settings, branches and tags, newest first; for administrators, and with `repo` for its owner",
		paged(
			param{name: "since", about: "only what was done at this time or later", kind: "date-time"},
			param{name: "until", about: "only what was done at this time or earlier", kind: "date-time"},
			param{name: "user", about: "only what the user of this name did"},
			param{name: "repo", about: "only what was done to the repo of this name"},
		),
		nil, ok(v1.Page[v1.AuditLine]{}), (*server).listAudit,
	},

	{"store", "GET status", "status", "Says how the server is: its health, disk, limits, and what goes on; for administrators", nil, nil, ok(v1.Status{}), (*server).status},

	{"document", "GET openapi.json", openDocument, "This document; needs no signature", nil, nil, ok(document{}), (*server).openapi},
}
