package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// What an operation needs, in the words of the table below.
const (
	signedIn = "any key"
	lists    = "list the bucket"
	reads    = "read the version"
	copies   = "read the version, with a key"
	readsNow = "read the current version"
	readsACL = "read the version's ACL"
	takes    = "take access to the version away"
	gives    = "give access to the version"
	writes   = "write"
	inspects = "read the bucket's settings"
	owns     = "own the bucket"
	changes  = "own the bucket, and change it"
	takesAll = "take access to the bucket away"
)

// try is an operation of S3 as somebody tries it: VERSION stands for the version's id, OWN
// for a bucket of the caller's own, NEW for the name of a repo that there is not.
type try struct {
	method, path string
	need         string
	body         string
	headers      []string
}

// tries are all operations of S3, some in several ways.
func tries() []try {
	const k, v = "/BUCKET/k", "/BUCKET/k?versionId=VERSION"
	const tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
	const rules = "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>"
	const upload = "uploadId=0123456789abcdef0123456789abcdef"
	list := []try{
		{"GET", "/", signedIn, "", nil}, {"PUT", "/master.NEW", signedIn, "", nil},
		{"GET", k, readsNow, "", nil}, {"HEAD", k, readsNow, "", nil}, {"GET", k + "?tagging", readsNow, "", nil},
		{"GET", v, reads, "", nil}, {"HEAD", v, reads, "", nil}, {"GET", v + "&tagging", reads, "", nil}, {"GET", v + "&partNumber=1", reads, "", nil},
		{"GET", v + "&attributes", reads, "", []string{"x-amz-object-attributes", "ETag"}},
		{"GET", "/VERSION.BUCKET/k", reads, "", nil}, {"GET", "/VERSION.REPO/k", reads, "", nil}, {"HEAD", "/VERSION.BUCKET/k", reads, "", nil},
		{"GET", "/old.REPO/k", reads, "", nil}, {"GET", k + "?versionId=old", reads, "", nil},
		{"PUT", "/OWN/copy", copies, "", []string{"x-amz-copy-source", "BUCKET/k?versionId=VERSION"}},
		{"PUT", "/OWN/copy", copies, "", []string{"x-amz-copy-source", "VERSION.BUCKET/k"}},
		{"GET", v + "&acl", readsACL, "", nil}, {"PUT", v + "&acl", takes, "", []string{"x-amz-acl", "private"}},
		{"PUT", v + "&acl", gives, "", []string{"x-amz-acl", "public-read-write"}},
		{"PUT", k, writes, "x", nil}, {"DELETE", k, writes, "", nil}, {"PUT", k + "?tagging", writes, tags, nil}, {"DELETE", k + "?tagging", writes, "", nil},
		{"POST", k + "?uploads", writes, "", nil}, {"PUT", k + "?partNumber=1&" + upload, writes, "x", nil}, {"GET", k + "?" + upload, writes, "", nil},
		{"POST", k + "?" + upload, writes, "<CompleteMultipartUpload/>", nil}, {"DELETE", k + "?" + upload, writes, "", nil},
		{"POST", "/BUCKET?delete", writes, "<Delete><Object><Key>k</Key></Object></Delete>", nil},
		{"PUT", k, writes, "x", []string{"x-amz-meta-snowball-auto-extract", "true"}},
		{"HEAD", "/BUCKET", lists, "", nil}, {"GET", "/BUCKET", lists, "", nil}, {"GET", "/BUCKET?list-type=2", lists, "", nil},
		{"GET", "/VERSION.BUCKET", lists, "", nil}, {"GET", "/old.REPO", lists, "", nil}, {"GET", "/VERSION.BUCKET?versions", lists, "", nil},
		{"GET", "/BUCKET?acl", owns, "", nil}, {"PUT", "/BUCKET?acl", takesAll, "", []string{"x-amz-acl", "private"}},
		{"PUT", "/BUCKET?acl", changes, "", []string{"x-amz-acl", "public-read-write"}},
		{"DELETE", "/BUCKET", changes, "", nil}, {"PUT", "/BUCKET?tagging", changes, tags, nil}, {"PUT", "/BUCKET?cors", changes, rules, nil},
	}
	for _, sub := range []string{"location", "versioning", "versions", "uploads", "requestPayment"} {
		list = append(list, try{"GET", "/BUCKET?" + sub, lists, "", nil})
	}
	for _, sub := range []string{
		"tagging", "cors", "policy", "policyStatus", "lifecycle", "encryption", "object-lock", "replication", "website", "logging", "notification",
		"accelerate", "publicAccessBlock", "ownershipControls",
	} {
		list = append(list, try{"GET", "/BUCKET?" + sub, inspects, "", nil})
	}
	return list
}

// The states of what they are tried on: a bucket with two public versions of a file, by
// an author who may not write there any more.
var states = []string{"present", "deleted", "removed", "protected"}

// callers are who tries: reader and writer were granted the bucket by name.
var callers = []string{"anonymous", "stranger", "reader", "writer", "author", "owner", "root"}

// may is the table of what is allowed.
func may(caller, state, need string) bool {
	all := []string{"owner", "root"}
	switch need {
	case signedIn:
		return caller != "anonymous"
	case copies:
		return caller != "anonymous" && may(caller, state, reads)
	case reads:
		if state == "present" || state == "protected" {
			return true // as everybody may
		}
		all = append(all, "reader", "author")
	case readsNow:
		if state != "deleted" {
			return true
		}
		all = append(all, "reader") // who hears that it is not there
	case lists:
		all = append(all, "reader")
	case readsACL, takes:
		all = append(all, "author")
	case gives:
		if all = append(all, "author"); state == "protected" {
			all = nil
		}
	case writes:
		if all = append(all, "writer"); state == "protected" {
			all = nil
		}
	case changes:
		if state == "protected" {
			all = nil
		}
	}
	return slices.Contains(all, caller)
}

// stand is a bucket in one of the states.
type stand struct {
	repo, version string
}

// people are the callers, by name.
type people map[string]*user

// matrix tries every operation of S3 as everybody, on what is public, was deleted or
// removed, or is protected, and compares what is allowed with a table.
func matrix(s *stage) error {
	v, err := s.start("")
	if err != nil {
		return err
	}
	who := people{"anonymous": v.nobody(), "root": v.root}
	for _, name := range callers[1:6] { // with a key
		if who[name], err = v.user(s.ctx, name); err == nil {
			err = who[name].must(s.ctx, "PUT", "/master.own-"+name, nil)
		}
		if err != nil {
			return err
		}
	}
	if err := v.root.must(s.ctx, "PUT", "/master.own-root", nil); err != nil {
		return err
	}
	cases, wrong, faults := 0, 0, 0
	for i, state := range states {
		for j, caller := range callers {
			for k, t := range tries() {
				if s.small && (i+j+k)%5 != 0 {
					continue
				}
				cases++
				a, at, err := who.attempt(s.ctx, t, caller, state, cases)
				if err != nil {
					return fmt.Errorf("%s of a bucket that is %s: %w", caller, state, err)
				}
				allowed := a.status != http.StatusForbidden && a.status != http.StatusUnauthorized
				if a.status >= http.StatusInternalServerError {
					faults++
				}
				if want := may(caller, state, t.need); allowed != want || want && t.method == "GET" && t.need == reads && a.status/100 != 2 {
					wrong++
					if wrong <= 20 {
						s.shown("deviates", fmt.Sprintf("%s, %s: %s %s (%s) answers %d %s", caller, state, t.method, strings.ReplaceAll(t.path, "BUCKET", at.repo), t.need, a.status, a.code))
					}
				}
			}
		}
	}
	s.shown("operations tried, as everybody, in each state", fmt.Sprint(cases))
	s.is("allowed or refused against the table", wrong, 0)
	s.is("faults of the server", faults, 0)
	return v.stop()
}

// attempt lets a caller try something on a bucket made for that.
func (p people) attempt(ctx context.Context, t try, caller, state string, n int) (answer, stand, error) {
	at, err := p.prepare(ctx, fmt.Sprintf("r%d", n), state)
	if err != nil {
		return answer{}, at, err
	}
	own := strings.Replace(caller, "anonymous", "stranger", 1)
	fill := strings.NewReplacer("BUCKET", "master."+at.repo, "REPO", at.repo, "VERSION", at.version, "OWN", "master.own-"+own, "NEW", "new-"+at.repo)
	headers := slices.Clone(t.headers)
	for i := range headers {
		headers[i] = fill.Replace(headers[i])
	}
	a, err := p[caller].ask(ctx, t.method, fill.Replace(t.path), []byte(t.body), headers...)
	return a, at, err
}

// prepare makes a bucket in a state, in which version is the older one of the file k.
func (p people) prepare(ctx context.Context, repo, state string) (stand, error) {
	at := stand{repo: repo}
	bucket := "/master." + repo
	if err := p["owner"].must(ctx, "PUT", bucket, nil, "x-amz-grant-write", "id="+p["author"].id); err != nil {
		return at, err
	}
	for range 2 {
		a, err := p["author"].ask(ctx, "PUT", bucket+"/k", []byte("content"), "x-amz-acl", "public-read")
		if err != nil || a.status != http.StatusOK {
			return at, fmt.Errorf("put: %d %s, %w", a.status, a.body, err)
		}
		at.version = cmp.Or(at.version, a.header.Get("X-Amz-Version-Id"))
	}
	if err := p["owner"].must(ctx, "POST", "/_caret/v1/repos/"+repo+"/tags", []byte(`{"name":"old","at":"`+at.version+`"}`)); err != nil {
		return at, err
	}
	own := "id=" + p["owner"].id
	err := p["owner"].must(ctx, "PUT", bucket+"?acl", nil, "x-amz-grant-read", "id="+p["reader"].id, "x-amz-grant-write", "id="+p["writer"].id, "x-amz-grant-full-control", own)
	if err != nil {
		return at, err
	}
	switch state {
	case "deleted":
		err = p["owner"].must(ctx, "DELETE", bucket+"/k", nil)
	case "removed":
		err = p["owner"].must(ctx, "DELETE", bucket+"/k?versionId="+at.version, nil)
	case "protected":
		_, err = p["root"].api.ProtectBranch(ctx, repo, "master", true)
	}
	return at, err
}

// must asks and takes no refusal.
func (u *user) must(ctx context.Context, method, path string, body []byte, headers ...string) error {
	a, err := u.ask(ctx, method, path, body, headers...)
	if err == nil && a.status >= http.StatusMultipleChoices {
		err = fmt.Errorf("%s %s: %d %s", method, path, a.status, a.body)
	}
	return err
}
