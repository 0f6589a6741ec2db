package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"caret/api/v1"
)

// What an operation of the API needs, beside what matrix.go has.
const (
	makes        = "make a repo"
	administers  = "administer the repo"
	renames      = "administer the repo, and others"
	removesRepo  = "administer the repo, and change its branches"
	audits       = "read the repo's trail"
	oversees     = "be an administrator"
	grantsKeys   = "make keys of the owner"
	strangersOwn = "be the stranger, or an administrator"
	readsBranch  = "read a file that the owner has written"
	readsStaged  = "read what is staged"
	listsStaged  = "list what is staged"
	drops        = "drop an open commit of the owner"
	finishes     = "finish an open commit of the owner"
	stages       = "write to an open commit"
	merges       = "merge into the branch what everybody may read"
	takesOut     = "read all of the branch"
	readsOut     = "read a file of the branch, and write elsewhere"
	rewrites     = "read and write"
	reverts      = "list and write"
	releases     = "own the branch"
	readsOwn     = "read a branch that was granted to nobody"
	carries      = "read a file of the branch, and write to another repo"
)

// apiCallers are who tries: reader and writer were granted the branch by an ACL, viewer
// and editor by a grant of all its files. The others hold keys of the owner: that only
// reads, for the repo, for the branch, for another repo, and one that was deleted. Every
// user may write to the branch side.
var apiCallers = []string{
	"anonymous", "stranger", "reader", "writer", "viewer", "editor", "owner", "administrator", "root",
	"only-reads", "for-repo", "for-branch", "for-other", "deleted-key",
}

// entitled are the callers who may do what needs something; of a protected branch, the
// second list.
var entitled = func() map[string][2][]string {
	all := func(more ...string) []string { return append(more, "owner", "administrator", "root", "for-repo") }
	same := func(list []string) [2][]string { return [2][]string{list, list} }
	unprotected := func(list []string) [2][]string { return [2][]string{list, nil} }
	admins := []string{"administrator", "root"}
	readers := all("viewer", "editor", "only-reads", "for-branch")
	return map[string][2][]string{
		signedIn:     same(slices.DeleteFunc(slices.Clone(apiCallers), func(c string) bool { return c == "anonymous" || c == "deleted-key" })),
		makes:        same([]string{"stranger", "reader", "writer", "viewer", "editor", "owner", "administrator", "root"}),
		lists:        same(append([]string{"reader"}, readers...)),
		readsBranch:  same(readers),
		readsStaged:  same(all("writer", "editor", "only-reads", "for-branch")),
		listsStaged:  same(all("editor", "only-reads", "for-branch")),
		inspects:     same(all("only-reads", "for-branch")),
		readsACL:     same(all("only-reads", "for-branch")),
		writes:       unprotected(all("writer", "editor", "for-branch")),
		rewrites:     unprotected(all("editor", "for-branch")),
		reverts:      unprotected(all("editor", "for-branch")),
		stages:       same(all("writer", "editor", "for-branch")),
		drops:        same(all("for-branch")),
		finishes:     unprotected(all("for-branch")),
		merges:       {all("writer", "editor"), all()},
		takesOut:     same(all("viewer", "editor")),
		readsOut:     same(all("viewer", "editor")),
		releases:     same(all()),
		readsOwn:     same(all("only-reads")),
		carries:      same([]string{"viewer", "editor", "owner", "administrator", "root"}),
		changes:      unprotected(all()),
		administers:  same(all()),
		renames:      same([]string{"owner", "administrator", "root"}),
		removesRepo:  unprotected(all()),
		audits:       same(all("only-reads")),
		oversees:     same(admins),
		grantsKeys:   same([]string{"owner", "administrator", "root"}),
		strangersOwn: same(append([]string{"stranger"}, admins...)),
	}
}()

// apiTries are operations of the API, and some of S3 that touch on what it grants. A path
// that does not begin with a slash is one of the API; FIRST and LAST are commits of the
// branch, OPEN is an open one.
func apiTries() []try {
	get := func(need string, paths ...string) (list []try) {
		for _, p := range paths {
			list = append(list, try{"GET", p, need, "", nil})
		}
		return list
	}
	const r = "repos/REPO"
	list := slices.Concat(
		get(signedIn, "repos", "deleted", r+"/branches", r+"/open"),
		get(lists, r, r+"/branches/master", r+"/tags", r+"/tags/t", r+"/resolve?ref=master", r+"/resolve?ref=FIRST", r+"/commits", r+"/commits?ref=LAST",
			r+"/commits/LAST", r+"/commits/FIRST/changes", r+"/diff?from=FIRST&to=master", r+"/diff/stream?from=FIRST&to=LAST", r+"/files", r+"/files?ref=FIRST",
			"/master.REPO?list-type=2", "/master.REPO?versions"),
		get(readsBranch, r+"/stat?path=k", r+"/file?path=k", r+"/file?path=k&ref=FIRST", r+"/stat?path=k&ref=t", "/master.REPO/k", "/master.REPO/k?versionId=FIRST",
			"/FIRST.REPO/k", "/FIRST.master.REPO/k", "/OPEN.REPO/k", r+"/file?path=k&ref=OPEN"),
		get(readsStaged, r+"/stat?path=staged&ref=OPEN", "/OPEN.REPO/staged"),
		get(listsStaged, r+"/commits/OPEN", r+"/commits/OPEN/changes", r+"/files?ref=OPEN", r+"/diff?from=master&to=OPEN", "/OPEN.REPO?list-type=2"),
		get(inspects, r+"/branches/master/grants"),
		get(readsACL, "/master.REPO?acl", "/master.REPO/k?acl", "/master.REPO/k?acl&versionId=FIRST"),
		get(administers, r+"/deleted", r+"/branches/master/moves", r+"/deleted/tags"),
		get(readsOwn, r+"/commits?ref=dev", r+"/file?path=d&ref=dev", r+"/branches/dev", "/dev.REPO/d"),
		get(audits, "audit?repo=REPO"),
		get(oversees, "users", "keys", "audit", "status", "check?quick=true", "check?repo=REPO&quick=true", "/_caret/metrics"),
		get(strangersOwn, "users/stranger", "keys?user=stranger", "keys/STRANGERS"),
	)
	return append(list, apiWrites(r)...)
}

// apiWrites are those that change something.
func apiWrites(r string) []try {
	post := func(need, path, body string) try { return try{"POST", path, need, body, nil} }
	const copied = `{"ref":"side","from":"master","from_path":"k","path":"x"}`
	return []try{
		post(makes, "repos", `{"name":"new-REPO"}`),
		{"PATCH", r, administers, `{"description":"d"}`, nil},
		{"DELETE", r + "?force=true", removesRepo, "", nil}, {"DELETE", r + "?force=true&dry_run=true", removesRepo, "", nil},
		post(administers, r+"/branches", `{"name":"new","from":"master"}`),
		{"DELETE", r + "/branches/dev", releases, "", nil}, {"DELETE", r + "/branches/master", changes, "", nil},
		{"DELETE", r + "/branches/master?dry_run=true", changes, "", nil}, {"DELETE", r + "/branches/side", releases, "", nil},
		post(changes, r+"/branches/master/reset", `{"to":"FIRST"}`), post(changes, r+"/branches/master/reset", `{"to":"FIRST","dry_run":true}`),
		post(releases, r+"/branches/side/reset", `{"to":"master"}`),
		post(releases, r+"/branches/master/protect", `{"protected":false}`),
		post(administers, r+"/branches/was/restore", ""), post(administers, r+"/tags/wast/restore", ""),
		{"PUT", r + "/branches/master/grants/stranger", changes, `{"may":"read"}`, nil},
		{"PUT", r + "/branches/side/grants/editor", releases, `{"may":"write"}`, nil},
		{"DELETE", r + "/branches/master/grants/viewer", releases, "", nil},
		post(administers, r+"/tags", `{"name":"t2","at":"master"}`),
		{"DELETE", r + "/tags/t", administers, "", nil}, {"DELETE", r + "/tags/t?dry_run=true", administers, "", nil},
		post(merges, r+"/merge", `{"into":"master","from":"side"}`), post(takesOut, r+"/merge", `{"into":"side","from":"master"}`),
		post(takesOut, r+"/merge", `{"into":"side","from":"FIRST"}`), post(releases, r+"/merge", `{"into":"side","from":"dev"}`),
		post(takesOut, r+"/merge", `{"into":"side","from":"master","dry_run":true}`), post(takesOut, r+"/merge", `{"into":"side","from":"master","squash":true}`),
		post(reverts, r+"/revert", `{"branch":"master","commit":"LAST"}`), post(reverts, r+"/revert", `{"branch":"master","commit":"LAST","dry_run":true}`),
		post(changes, r+"/restore", `{"branch":"master","from":"FIRST"}`), post(changes, r+"/restore", `{"branch":"master","from":"FIRST","dry_run":true}`),
		post(releases, r+"/restore", `{"branch":"side","from":"master"}`),
		post(writes, r+"/commits", `{"branch":"master"}`), post(finishes, r+"/commits/OPEN/finish", `{}`),
		{"DELETE", r + "/commits/OPEN", drops, "", nil}, {"PUT", r + "/file?path=more&ref=OPEN", stages, "x", nil}, {"PUT", "/OPEN.REPO/more", stages, "x", nil},
		{"PUT", r + "/file?path=k", writes, "x", nil}, {"PUT", r + "/file?path=new", writes, "x", nil}, post(writes, r+"/delete", `{"ref":"master","paths":["k"]}`),
		post(reverts, r+"/delete", `{"ref":"master","paths":["k"],"dry_run":true}`),
		post(readsOut, r+"/copy", copied), post(readsOut, r+"/copy", strings.Replace(copied, "master", "FIRST", 1)),
		post(readsOut, r+"/copy", `{"ref":"side","from":"master","from_path":"","path":"all/","recursive":true}`),
		post(carries, "repos/any/copy", `{"ref":"master","from_repo":"REPO","from":"master","from_path":"k","path":"x"}`),
		{"PUT", "/side.REPO/x", readsOut, "", []string{"x-amz-copy-source", "master.REPO/k"}},
		post(rewrites, r+"/move", `{"ref":"master","from":"k","to":"m"}`), post(rewrites, r+"/move", `{"ref":"master","from":"","to":"m/","recursive":true}`),
		post(grantsKeys, "keys", `{"user":"owner","repo":"REPO"}`), post(oversees, "keys", `{"user":"administrator"}`), post(oversees, "keys", `{"user":"root"}`),
		post(strangersOwn, "keys", `{"user":"stranger"}`), post(oversees, "users", `{"name":"u-REPO"}`), post(oversees, "users", `{"name":"a-REPO","admin":true}`),
		{"DELETE", "users/administrator?dry_run=true", oversees, "", nil}, {"DELETE", "keys/STRANGERS?dry_run=true", strangersOwn, "", nil},
		{"PUT", "/master.REPO?acl", releases, "", []string{"x-amz-acl", "private"}}, {"PUT", "/master.REPO?acl", changes, "", []string{"x-amz-acl", "public-read"}},
		{"DELETE", "/master.REPO/k?versionId=FIRST", changes, "", nil},
	}
}

// deletedTries are those on a repo that was deleted.
func deletedTries() []try {
	return []try{
		{"GET", "repos/REPO/deleted", administers, "", nil}, {"POST", "repos/REPO/branches/master/restore", administers, "", nil},
		{"POST", "deleted/REPO/restore", administers, `{}`, nil}, {"POST", "deleted/REPO/restore", renames, `{"as":"as-REPO"}`, nil},
	}
}

// apiMatrix tries every operation of the API as everybody, with limited keys too, and
// compares what is allowed with a table.
func apiMatrix(s *stage) error {
	v, err := s.start("")
	if err != nil {
		return err
	}
	t := &trial{stage: s, who: people{"anonymous": v.nobody(), "root": v.root}}
	if err := t.people(v); err != nil {
		return err
	}
	if err := t.complete(); err != nil {
		return err
	}
	for i, state := range []string{"open", "protected", "deleted"} {
		tries := apiTries()
		if state == "deleted" {
			tries = deletedTries()
		}
		for j, caller := range apiCallers {
			for k, one := range tries {
				if s.small && (i+j+k)%5 != 0 {
					continue
				}
				if err := t.one(one, caller, state); err != nil {
					return fmt.Errorf("%s, %s: %s %s: %w", caller, state, one.method, one.path, err)
				}
			}
		}
	}
	s.shown("operations tried, as everybody, in each state", fmt.Sprint(t.cases))
	s.is("done or refused against the table", t.wrong, 0)
	s.is("faults of the server", t.faults, 0)
	return v.stop()
}

// complete says that every operation that the server tells of is tried, but for the
// document, and the watch, which does not end.
func (t *trial) complete() error {
	a, err := t.who["anonymous"].ask(t.ctx, "GET", v1.Prefix+"openapi.json", nil)
	if err != nil {
		return err
	}
	var document struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(a.body, &document); err != nil {
		return err
	}
	missing := 0
	for path, methods := range document.Paths {
		path = strings.TrimPrefix(path, "/")
		fits, err := regexp.Compile("^" + inBraces.ReplaceAllString(path, "[^/?]+") + `(\?|$)`)
		if err != nil {
			return err
		}
		for method := range methods {
			tried := slices.ContainsFunc(append(apiTries(), deletedTries()...), func(one try) bool {
				return strings.EqualFold(one.method, method) && fits.MatchString(one.path)
			})
			if !tried && path != "openapi.json" && !strings.HasSuffix(path, "/events") {
				missing++
				t.shown("not tried", method+" "+path)
			}
		}
	}
	t.is("operations that are not tried", missing, 0)
	return nil
}

var inBraces = regexp.MustCompile(`\{[^}]*\}`)

// trial is an apiMatrix under way.
type trial struct {
	*stage
	who   people
	repos int
	// at is what a repo was made of, for refusals and reads to be tried on; "" is none.
	at                   map[string]string
	state                string
	cases, wrong, faults int
}

// people makes the users.
func (t *trial) people(v *server) (err error) {
	for _, name := range []string{"stranger", "reader", "writer", "viewer", "editor", "owner"} {
		if t.who[name], err = v.user(t.ctx, name); err != nil {
			return err
		}
	}
	if _, err := v.root.api.CreateUser(t.ctx, v1.User{Name: "administrator", Admin: true}); err != nil {
		return err
	}
	if err := t.key("administrator", v1.Key{User: "administrator"}); err != nil {
		return err
	}
	for _, name := range []string{"any", "other"} {
		if err := t.who["owner"].must(t.ctx, "PUT", "/master."+name, nil); err != nil {
			return err
		}
	}
	for _, name := range []string{"stranger", "reader", "writer", "viewer", "editor"} {
		if err := t.who["owner"].must(t.ctx, "PUT", v1.Prefix+"repos/any/branches/master/grants/"+name, []byte(`{"may":"write"}`)); err != nil {
			return err
		}
	}
	for name, k := range map[string]v1.Key{"only-reads": {ReadOnly: true}, "for-other": {Repo: "other"}, "deleted-key": {}} {
		k.User = "owner"
		if err := t.key(name, k); err != nil {
			return err
		}
	}
	return v.root.api.DeleteKey(t.ctx, t.who["deleted-key"].key)
}

// key gives a caller a key.
func (t *trial) key(name string, k v1.Key) error {
	made, err := t.who["root"].api.CreateKey(t.ctx, k)
	if err == nil {
		t.who[name] = newUser(t.who["root"].url, name, made.AccessKey, made.SecretKey)
	}
	return err
}

// one lets a caller try something.
func (t *trial) one(one try, caller, state string) error {
	if t.at == nil || t.state != state {
		if err := t.prepare(state); err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
	}
	var fill []string
	for name, is := range t.at {
		fill = append(fill, name, is)
	}
	filled := strings.NewReplacer(fill...)
	path := filled.Replace(one.path)
	if !strings.HasPrefix(path, "/") {
		path = v1.Prefix + path
	}
	headers := slices.Clone(one.headers)
	for i := range headers {
		headers[i] = filled.Replace(headers[i])
	}
	a, err := t.who[caller].ask(t.ctx, one.method, path, []byte(filled.Replace(one.body)), headers...)
	if err != nil {
		return err
	}
	t.cases++
	which := 0
	if state == "protected" {
		which = 1
	}
	want, done := slices.Contains(entitled[one.need][which], caller), a.status/100 == 2
	refused := a.status == http.StatusForbidden || state == "deleted" && a.status == http.StatusNotFound
	if a.status >= http.StatusInternalServerError {
		t.faults++
	}
	if done != want || !done && !refused {
		if t.wrong++; t.wrong <= 40 {
			t.shown("deviates", fmt.Sprintf("%s, %s: %s %s %s (%s) answers %d %s", caller, state, one.method, one.path, one.body, one.need, a.status, a.body[:min(len(a.body), 200)]))
		}
	}
	if done && one.method != "GET" {
		t.at = nil
	}
	return nil
}

// step is a request of the owner that prepares a repo; as is what the commit in the answer
// is called afterwards, "" if nothing.
type step struct{ as, method, path, body string }

// prepare makes a repo in a state.
func (t *trial) prepare(state string) error {
	t.repos++
	repo := fmt.Sprintf("p%d", t.repos)
	t.at, t.state = map[string]string{"REPO": repo, "STRANGERS": t.who["stranger"].key}, state
	owner, r := t.who["owner"], "repos/"+repo
	grantTo := func(branch, user, may string) step {
		return step{"", "PUT", r + "/branches/" + branch + "/grants/" + user, `{"may":"` + may + `"}`}
	}
	steps := []step{
		{"", "PUT", "/master." + repo, ""},
		{"FIRST", "PUT", r + "/file?path=k", "1"}, {"", "PUT", r + "/file?path=k", "2"},
		{"", "POST", r + "/branches", `{"name":"dev","from":"master"}`}, {"", "PUT", r + "/file?path=d&ref=dev", "d"},
		{"", "POST", r + "/branches", `{"name":"side","from":"FIRST"}`}, {"", "PUT", r + "/file?path=s&ref=side", "s"},
		{"", "POST", r + "/branches", `{"name":"was","from":"master"}`}, {"", "DELETE", r + "/branches/was", ""},
		{"LAST", "PUT", r + "/file?path=k", "3"},
		{"", "POST", r + "/tags", `{"name":"t","at":"master"}`}, {"", "POST", r + "/tags", `{"name":"wast","at":"master"}`}, {"", "DELETE", r + "/tags/wast", ""},
		{"OPEN", "POST", r + "/commits", `{"branch":"master"}`}, {"", "PUT", r + "/file?path=staged&ref=OPEN", "x"},
		grantTo("side", "stranger", "write"), grantTo("side", "reader", "write"), grantTo("side", "writer", "write"), grantTo("side", "viewer", "write"),
		grantTo("side", "editor", "write"), grantTo("master", "viewer", "read"), grantTo("master", "editor", "write"),
	}
	for _, one := range steps {
		if err := t.step(owner, one); err != nil {
			return err
		}
	}
	err := owner.must(t.ctx, "PUT", "/master."+repo+"?acl", nil,
		"x-amz-grant-read", "id="+t.who["reader"].id, "x-amz-grant-write", "id="+t.who["writer"].id, "x-amz-grant-full-control", "id="+owner.id)
	if err == nil {
		err = t.key("for-repo", v1.Key{User: "owner", Repo: repo})
	}
	if err == nil {
		err = t.key("for-branch", v1.Key{User: "owner", Repo: repo, Branch: "master"})
	}
	switch {
	case err != nil:
		return err
	case state == "protected":
		return t.step(owner, step{"", "POST", r + "/branches/master/protect", `{"protected":true}`})
	case state == "deleted":
		return t.step(owner, step{"", "DELETE", r + "?force=true", ""})
	}
	return nil
}

func (t *trial) step(owner *user, one step) error {
	path, body := one.path, one.body
	for name, is := range t.at {
		path, body = strings.ReplaceAll(path, name, is), strings.ReplaceAll(body, name, is)
	}
	if !strings.HasPrefix(path, "/") {
		path = v1.Prefix + path
	}
	a, err := owner.ask(t.ctx, one.method, path, []byte(body))
	if err != nil || a.status/100 != 2 {
		return fmt.Errorf("%s %s: %d %s, %w", one.method, path, a.status, a.body, err)
	}
	if one.as == "" {
		return nil
	}
	var made struct{ ID, Commit string }
	err = json.Unmarshal(a.body, &made)
	t.at[one.as] = made.ID + made.Commit
	return err
}
