package api

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"caret/api/nearest"
	"caret/pfs"
)

// checkQuery refuses a query that the operation does not have: a misspelt
// parameter is not to be left out in silence. Those of a presigned URL are
// its signature's.
func (o operation) checkQuery(raw string) error {
	given, err := url.ParseQuery(raw)
	if err != nil {
		return fmt.Errorf("%w: the query cannot be read: %w", pfs.ErrInvalidArgument, err)
	}
	var known []string
	for _, p := range o.params {
		if !p.header {
			known = append(known, p.name)
		}
	}
	for name, values := range given {
		switch {
		case strings.HasPrefix(name, "X-Amz-"):
		case !slices.Contains(known, name):
			return o.unknownParameter(name, known)
		case len(values) > 1:
			return fmt.Errorf("%w: %s is given %d times", pfs.ErrInvalidArgument, name, len(values))
		}
	}
	return nil
}

func (o operation) unknownParameter(name string, known []string) error {
	err := fmt.Errorf("%w: %s has no %q", errParameter, o.id, name)
	if best := nearest.Of(name, known); best != "" {
		return &hinted{err, "did you mean " + best + "?"}
	}
	if len(known) == 0 {
		return &hinted{err, "it takes none"}
	}
	return &hinted{err, "it takes " + strings.Join(known, ", ")}
}

// flag reads a parameter that is true or false; absent is false.
func (c *call) flag(name string) (bool, error) {
	switch s := c.URL.Query().Get(name); s {
	case "true":
		return true, nil
	case "", "false":
		return false, nil
	default:
		return false, &hinted{fmt.Errorf("%w: %s %q", pfs.ErrInvalidArgument, name, s), name + " is true or false"}
	}
}

// dryRun says whether a deletion is only to say what would go.
func (c *call) dryRun() (bool, error) { return c.flag("dry_run") }

// time reads a parameter that is a time; absent is the zero time.
func (c *call) time(name string) (t time.Time, err error) {
	text := c.URL.Query().Get(name)
	if text == "" {
		return t, nil
	}
	if t, err = time.Parse(time.RFC3339Nano, text); err != nil {
		err = &hinted{fmt.Errorf("%w: %s %q is no time", pfs.ErrInvalidArgument, name, text), "write it as 2026-11-20T12:00:00Z"}
	}
	return t, err
}

// listed is about how many bytes one item of a page takes, once found and once written.
const listed = 2 << 10

// maxPage is the default and the ceiling of a page.
const maxPage = 1000

// page reads after and limit.
func (c *call) page() (after string, limit int, err error) {
	return c.pageOf(maxPage)
}

// badAfter refuses what no page had as its next.
func badAfter(after string) error {
	err := fmt.Errorf("%w: after %q", pfs.ErrInvalidArgument, after)
	return &hinted{err, "give the next of the page before, or no after for the first one"}
}

// pageOf is page with another ceiling.
func (c *call) pageOf(most int) (after string, limit int, err error) {
	limit = most
	if s := c.URL.Query().Get("limit"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 {
			return "", 0, &hinted{fmt.Errorf("%w: limit %q", pfs.ErrInvalidArgument, s), "limit is a number of at least 1"}
		}
	}
	limit = min(limit, most)
	return c.URL.Query().Get("after"), limit, c.reserve(int64(limit) * listed)
}
