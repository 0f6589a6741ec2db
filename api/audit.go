package api

import (
	"strconv"
	"time"

	v1 "caret/api/v1"
	"caret/pfs"
)

func wireAudit(l pfs.AuditLine) v1.AuditLine {
	return v1.AuditLine{
		Time: l.Time, User: l.User, UserID: l.UserID, Key: l.Key, Address: l.Address, Request: l.Request,
		Action: l.Action, Repo: l.Repo, RepoID: l.RepoID, Ref: l.Ref, Path: l.Path, More: l.More, Name: l.Name, Before: l.Before, After: l.After,
	}
}

func (s *server) listAudit(c *call) error {
	after, limit, err := c.page()
	if err != nil {
		return err
	}
	q := pfs.AuditQuery{User: c.URL.Query().Get("user"), Repo: c.URL.Query().Get("repo"), Limit: limit + 1}
	if after != "" {
		n, err := strconv.ParseInt(after, 10, 64)
		if err != nil || n <= 0 {
			return badAfter(after)
		}
		q.Before = time.Unix(0, n)
	}
	if q.Since, err = c.time("since"); err != nil {
		return err
	}
	if q.Until, err = c.time("until"); err != nil {
		return err
	}
	list, err := c.fs.Audit(c.Context(), q)
	if err != nil {
		return err
	}
	return c.ok(wirePage(list, limit, wireAudit, func(l pfs.AuditLine) string { return strconv.FormatInt(l.Time.UnixNano(), 10) }))
}
