package pfs

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"caret/commits"
	"caret/objstore"
	"caret/pfs/access"
	"caret/pfs/audit"
	"caret/pfs/catalog"
)

// AuditQuery says which lines of the trail are wanted.
type AuditQuery struct {
	Since, Until time.Time // of this time or later, of this time or earlier; zero is no limit
	User         string    // only what the user of that name did
	Repo         string    // only what was done to the repo of that name
	Before       time.Time // only lines that are older; the time of the last line of the page before
	Limit        int       // at most so many; 0 is all
}

// Audit lists lines of the trail of changes, newest first: to administrators,
// and those of a repo to its owner too. To administrators a repo's name means
// all repos that ever had it.
func (fs *FS) Audit(ctx context.Context, q AuditQuery) (list []AuditLine, err error) {
	err = fs.View(ctx, func(v *View) error {
		of := audit.Query{Since: q.Since, Until: q.Until, User: q.User, Repo: q.Repo, Before: q.Before, Limit: q.Limit}
		_, everything := access.Decide(v.tx, access.Request{Caller: v.who, Action: access.Audit})
		if everything != nil && q.Repo == "" {
			return everything
		}
		if everything != nil {
			r, err := catalog.ReadRepo(v.tx, q.Repo)
			if err == nil {
				_, err = access.Decide(v.tx, access.Request{Caller: v.who, Action: access.Audit, At: &catalog.Snapshot{Row: r}})
			}
			if err != nil {
				return err
			}
			of.RepoID = r.ID
		}
		list, err = audit.List(ctx, v.tx, of)
		return err
	})
	return list, err
}

// record is update for what the trail of changes tells: fn returns the line, which
// the same transaction writes, or one without an action if nothing was changed.
func (fs *FS) record(ctx context.Context, about objstore.Subject, happened func(objstore.Reader) (bool, error), fn func(*change) (AuditLine, error)) error {
	return fs.update(ctx, about, happened, func(c *change) error {
		line, err := fn(c)
		if err != nil || line.Action == "" {
			return err
		}
		return c.audit(line)
	})
}

// audit adds a line about what the transaction changes.
func (c *change) audit(l AuditLine) error { return writeLine(c.tx, c.moment(), c.who, l) }

// writeLine adds a line about what a caller changes now, in this transaction.
func writeLine(tx objstore.Writer, now time.Time, who Caller, l AuditLine) error {
	l.User, l.UserID, l.Key, l.Address, l.Request = who.Name, who.ID, who.Via.Key, who.Via.Address, who.Via.Request
	return audit.Write(tx, now, l)
}

// inRepo is a line about something in a repo.
func inRepo(action string, r catalog.RepoRow, ref string) AuditLine {
	return AuditLine{Action: action, Repo: r.Name, RepoID: r.ID, Ref: ref}
}

// nameOf is a commit as lines have it; "" is none.
func nameOf(id CommitID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

// The following say in short what was changed.

func tellRepo(r Repo) string {
	s := "default branch " + r.DefaultBranch
	if r.Description != "" {
		s += fmt.Sprintf(", description %q", r.Description)
	}
	return s + ", owner " + cmp.Or(r.Owner, "nobody")
}

func tellUser(u User) string {
	s := "id " + u.ID
	if u.Admin {
		s += ", administrator"
	}
	return s
}

// tellKeys names the first of the keys of a user.
func tellKeys(list []Key) string {
	s := ""
	for _, k := range list[:min(len(list), 100)] {
		s += ", key " + k.AccessKey
	}
	if more := len(list) - 100; more > 0 {
		s += fmt.Sprintf(", and %d more", more)
	}
	return s
}

func tellKey(k Key) string {
	s := "of user " + k.User
	if k.ReadOnly {
		s += ", only reads"
	}
	if k.Repo != "" {
		s += ", for repo " + k.Repo
	}
	if k.Branch != "" {
		s += ", branch " + k.Branch
	}
	return s
}

func tellProtected(yes bool) string {
	if yes {
		return "protected"
	}
	return "not protected"
}

func tellACL(a ACL) string {
	list := []string{"owner " + cmp.Or(a.Owner, "nobody")}
	for _, g := range a.Grants {
		list = append(list, string(g.Permission)+" "+cmp.Or(string(g.Group), g.User))
	}
	return strings.Join(list, ", ")
}

func tellGrants(grants []access.BranchGrant) string {
	var list []string
	for _, g := range grants {
		list = append(list, string(g.May)+" "+g.User)
	}
	return strings.Join(list, ", ")
}

func tellTags(tags map[string]string) string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, url.QueryEscape(k)+"="+url.QueryEscape(tags[k]))
	}
	return strings.Join(list, "&")
}

func (r *Removal) tell() string {
	s := fmt.Sprintf("%d commits", r.Commits)
	if r.Count > 1 {
		s = fmt.Sprintf("%d branches with %s", r.Count, s)
	}
	if r.Repo {
		s += ", and the repo"
	}
	return s
}

// tellSettings is the line about settings that were changed.
func tellSettings(s *Snapshot, was, is *Settings) AuditLine {
	l := inRepo("", s.Row, s.Branch)
	var actions, before, after []string
	for _, part := range []struct{ action, was, is string }{
		{"setBranchACL", tellACL(was.ACL), tellACL(is.ACL)},
		{"setBranchGrants", tellGrants(was.Grants), tellGrants(is.Grants)},
		{"setBranchTags", tellTags(was.Tags), tellTags(is.Tags)},
		{"setBranchCORS", string(was.CORS), string(is.CORS)},
	} {
		if part.was != part.is {
			actions, before, after = append(actions, part.action), append(before, part.was), append(after, part.is)
		}
	}
	l.Action = strings.Join(actions, "+")
	l.Before, l.After = strings.Join(before, "; "), strings.Join(after, "; ")
	return l
}

// opensToOthers says whether an ACL that comes with a file grants anything to
// others than who gives it.
func opensToOthers(a *ACL) bool {
	return a != nil && slices.ContainsFunc(a.Grants, func(g Grant) bool { return g.User == "" || g.User != a.Owner })
}

// auditWritten adds a line about files that were written with an ACL which opens
// them to others.
func (s *System) auditWritten(tx objstore.Writer, by Caller, at *catalog.Snapshot, changes []commits.Change, a *ACL) error {
	l := inRepo("setFileACL", at.Row, at.Governing())
	if at.Open {
		l.Ref = at.ID.String()
	}
	files := 0
	for _, ch := range changes {
		if ch.Deleted {
			continue
		}
		if files++; files == 1 {
			l.Path = ch.Path
		}
	}
	if files == 0 {
		return nil
	}
	who, err := by.Current(tx)
	if err != nil {
		return err
	}
	l.More, l.After = files-1, tellACL(*a)
	return writeLine(tx, s.now(), who, l)
}

// auditRemoved adds a line about the versions that were removed.
func (d *deleting) auditRemoved(c *change, items []DeletedItem) error {
	l := inRepo("removeVersions", d.s.Row, d.s.Branch)
	var versions []string
	for i, it := range items {
		if d.list[i].Version == nil || !it.Existed {
			continue
		}
		if versions == nil {
			l.Path = d.list[i].Path
		} else {
			l.More++
		}
		versions = append(versions, it.Version.String())
	}
	if versions == nil {
		return nil
	}
	l.Before = strings.Join(versions, " ")
	return c.audit(l)
}
