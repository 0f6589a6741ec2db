package acl

import (
	"fmt"
	"net/http"
	"strings"

	"caret/pfs"
)

// grantHeaders are the headers that grant, in the order of their grants.
var grantHeaders = []struct {
	name       string
	permission pfs.Permission
}{
	{"X-Amz-Grant-Read", pfs.PermRead},
	{"X-Amz-Grant-Write", pfs.PermWrite},
	{"X-Amz-Grant-Read-Acp", pfs.PermReadACP},
	{"X-Amz-Grant-Write-Acp", pfs.PermWriteACP},
	{"X-Amz-Grant-Full-Control", pfs.PermFullControl},
}

// FromHeaders reads x-amz-acl, as Canned does, or x-amz-grant-*. given is
// false if there is neither; an empty header is none. Explicit grants are all
// there is: as in AWS the owner's FULL_CONTROL is not added to them.
//
// The error is ErrBoth, one of Canned, or ErrHeader, ErrGroup, ErrUnsupported
// or ErrEmail for an explicit grant.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectAcl.html#API_PutObjectAcl_RequestSyntax
func FromHeaders(h http.Header, object bool, owner, bucketOwner string) (grants []pfs.Grant, given bool, err error) {
	if name := list(h, "X-Amz-Acl"); name != "" {
		for _, header := range grantHeaders {
			if list(h, header.name) != "" {
				return nil, true, ErrBoth
			}
		}
		grants, err = Canned(name, object, owner, bucketOwner)
		return grants, true, err
	}
	for _, header := range grantHeaders {
		value := list(h, header.name)
		if value == "" {
			continue
		}
		given = true
		if grants, err = appendGrants(grants, value, header.permission); err != nil {
			return nil, true, fmt.Errorf("%s: %w", strings.ToLower(header.name), err)
		}
	}
	return grants, given, nil
}

// list is a header given once or, as HTTP allows for lists, several times.
func list(h http.Header, name string) string {
	return strings.TrimSpace(strings.Join(h.Values(name), ","))
}

// appendGrants appends the grants of p that a header's value, TYPE="VALUE",
// ..., says. Quotes are optional, since some clients leave them out.
func appendGrants(grants []pfs.Grant, value string, p pfs.Permission) ([]pfs.Grant, error) {
	for value != "" {
		kind, rest, ok := strings.Cut(value, "=")
		if !ok {
			return nil, fmt.Errorf("%w, not %q", ErrHeader, value)
		}
		var id string
		if id, value, ok = cutValue(strings.TrimSpace(rest)); !ok {
			return nil, fmt.Errorf("%w, not %q", ErrHeader, rest)
		}
		g := pfs.Grant{Permission: p}
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case "id":
			g.User = id
		case "uri":
			var err error
			if g.Group, err = parseGroup(id); err != nil {
				return nil, err
			}
		case "emailaddress":
			return nil, ErrEmail
		default:
			return nil, fmt.Errorf("%w, not %q", ErrHeader, kind)
		}
		if len(grants) == maxGrants {
			return nil, fmt.Errorf("%w, at most %d of them", ErrHeader, maxGrants)
		}
		grants = append(grants, g)
	}
	return grants, nil
}

// cutValue cuts a value, with or without quotes, and the comma behind it off.
func cutValue(s string) (value, rest string, ok bool) {
	if s, ok = strings.CutPrefix(s, `"`); !ok {
		value, rest, _ = strings.Cut(s, ",")
		value = strings.TrimSpace(value)
		return value, strings.TrimSpace(rest), value != "" && !strings.Contains(value, `"`)
	}
	value, rest, ok = strings.Cut(s, `"`)
	if rest = strings.TrimSpace(rest); rest != "" && ok {
		rest, ok = strings.CutPrefix(rest, ",")
	}
	return value, strings.TrimSpace(rest), ok && value != ""
}
