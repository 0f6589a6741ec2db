package acl

import (
	"encoding/xml"
	"fmt"
	"io"

	"caret/pfs"
)

const (
	xmlns = "http://s3.amazonaws.com/doc/2006-03-01/"
	xsi   = "http://www.w3.org/2001/XMLSchema-instance"
	root  = "AccessControlPolicy"
)

// Values of xsi:type.
const (
	typeUser  = "CanonicalUser"
	typeGroup = "Group"
	typeEmail = "AmazonCustomerByEmail"
)

// policy is the document.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAcl.html#API_GetBucketAcl_ResponseSyntax
type policy struct {
	XMLName xml.Name
	Owner   owner
	List    *grantList `xml:"AccessControlList"` // may be empty, but not missing
}

type owner struct {
	ID          string
	DisplayName string `xml:",omitempty"`
}

type grantList struct {
	Grant []grant
}

type grant struct {
	Grantee    grantee
	Permission string
}

// grantee has its type twice: encoding/xml writes the prefix that it is told,
// and reads by the local name whatever the prefix.
type grantee struct {
	XSI         string `xml:"xmlns:xsi,attr"`
	Type        string `xml:"xsi:type,attr"`
	ReadType    string `xml:"type,attr,omitempty"`
	ID          string `xml:",omitempty"`
	DisplayName string `xml:",omitempty"`
	URI         string `xml:",omitempty"`
}

// Parse reads an AccessControlPolicy document of at most limit bytes. Names
// are not read: the IDs count. Whether they, and the owner, are the right ones
// is for the caller to check.
//
// The error is ErrMalformed, ErrPermission, ErrGroup, ErrUnsupported, ErrEmail
// or r's.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketAcl.html#API_PutBucketAcl_RequestSyntax
func Parse(r io.Reader, limit int64) (pfs.ACL, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return pfs.ACL{}, err
	}
	if int64(len(b)) > limit {
		return pfs.ACL{}, fmt.Errorf("%w: it is larger than %d bytes", ErrMalformed, limit)
	}
	var doc policy
	if err := xml.Unmarshal(b, &doc); err != nil {
		return pfs.ACL{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	switch {
	case doc.XMLName.Local != root:
		return pfs.ACL{}, fmt.Errorf("%w: it is a %s, not an %s", ErrMalformed, doc.XMLName.Local, root)
	case doc.Owner.ID == "":
		return pfs.ACL{}, fmt.Errorf("%w: it has no Owner with an ID", ErrMalformed)
	case doc.List == nil:
		return pfs.ACL{}, fmt.Errorf("%w: it has no AccessControlList", ErrMalformed)
	case len(doc.List.Grant) > maxGrants:
		return pfs.ACL{}, fmt.Errorf("%w: it has more than %d grants", ErrMalformed, maxGrants)
	}
	a := pfs.ACL{Owner: doc.Owner.ID}
	for i := range doc.List.Grant {
		g, err := doc.List.Grant[i].parse()
		if err != nil {
			return pfs.ACL{}, err
		}
		a.Grants = append(a.Grants, g)
	}
	return a, nil
}

func (g *grant) parse() (pfs.Grant, error) {
	p, err := parsePermission(g.Permission)
	if err != nil {
		return pfs.Grant{}, err
	}
	switch g.Grantee.ReadType {
	case typeUser:
		if g.Grantee.ID == "" {
			return pfs.Grant{}, fmt.Errorf("%w: a %s has no ID", ErrMalformed, typeUser)
		}
		return pfs.Grant{User: g.Grantee.ID, Permission: p}, nil
	case typeGroup:
		group, err := parseGroup(g.Grantee.URI)
		return pfs.Grant{Group: group, Permission: p}, err
	case typeEmail:
		return pfs.Grant{}, ErrEmail
	}
	return pfs.Grant{}, fmt.Errorf("%w: xsi:type of a Grantee is %q", ErrMalformed, g.Grantee.ReadType)
}

// Format returns a's AccessControlPolicy document for encoding/xml. display
// finds a user's name; without it, or where it finds "", none is written, as
// AWS has it since 2025.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAcl.html#API_GetBucketAcl_ResponseSyntax
func Format(a pfs.ACL, display func(userID string) string) any {
	if display == nil {
		display = func(string) string { return "" }
	}
	doc := policy{
		XMLName: xml.Name{Space: xmlns, Local: root},
		Owner:   owner{ID: a.Owner, DisplayName: display(a.Owner)},
		List:    &grantList{Grant: make([]grant, len(a.Grants))},
	}
	for i, g := range a.Grants {
		to := grantee{XSI: xsi, Type: typeGroup, URI: globalGroups + string(g.Group)}
		if g.Group == "" {
			to = grantee{XSI: xsi, Type: typeUser, ID: g.User, DisplayName: display(g.User)}
		}
		doc.List.Grant[i] = grant{Grantee: to, Permission: string(g.Permission)}
	}
	return doc
}
