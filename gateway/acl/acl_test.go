package acl_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"caret/gateway/acl"
	"caret/pfs"
)

const (
	limit     = 1 << 20
	allUsers  = "http://acs.amazonaws.com/groups/global/AllUsers"
	authUsers = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
	logs      = "http://acs.amazonaws.com/groups/s3/LogDelivery"
)

func to(user string, p pfs.Permission) pfs.Grant      { return pfs.Grant{User: user, Permission: p} }
func toGroup(g pfs.Group, p pfs.Permission) pfs.Grant { return pfs.Grant{Group: g, Permission: p} }
func full(user string, more ...pfs.Grant) []pfs.Grant {
	return append([]pfs.Grant{to(user, pfs.PermFullControl)}, more...)
}
func everyone(p pfs.Permission) pfs.Grant { return toGroup(pfs.AllUsers, p) }
func display(id string) string            { return "name of " + id }
func fails(t *testing.T, name string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) || want == nil && got != nil {
		t.Errorf("%s: %v, want %v", name, got, want)
	}
}

func TestCanned(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name           string
		object, bucket []pfs.Grant // nil if refused
		err            error
	}{
		{name: "private", object: full("me"), bucket: full("me")},
		{name: "public-read", object: full("me", everyone(pfs.PermRead)), bucket: full("me", everyone(pfs.PermRead))},
		{
			name:   "public-read-write",
			object: full("me", everyone(pfs.PermRead), everyone(pfs.PermWrite)),
			bucket: full("me", everyone(pfs.PermRead), everyone(pfs.PermWrite)),
		},
		{
			name:   "authenticated-read",
			object: full("me", toGroup(pfs.AuthenticatedUsers, pfs.PermRead)),
			bucket: full("me", toGroup(pfs.AuthenticatedUsers, pfs.PermRead)),
		},
		{name: "bucket-owner-read", object: full("me", to("her", pfs.PermRead)), bucket: full("me")},
		{name: "bucket-owner-full-control", object: full("me", to("her", pfs.PermFullControl)), bucket: full("me")},
		{name: "log-delivery-write", err: acl.ErrUnsupported},
		{name: "aws-exec-read", err: acl.ErrUnsupported},
		{name: "", err: acl.ErrCanned},
		{name: "Private", err: acl.ErrCanned},
		{name: "private,private", err: acl.ErrCanned},
	} {
		for object, want := range map[bool][]pfs.Grant{true: tt.object, false: tt.bucket} {
			got, err := acl.Canned(tt.name, object, "me", "her")
			fails(t, tt.name, err, tt.err)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, object %t: %s", tt.name, object, diff)
			}
		}
	}
}

// TestCannedOwners: nobody is granted anything twice, or without an ID.
func TestCannedOwners(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, owner, bucketOwner string
		want                     []pfs.Grant
	}{
		{"bucket-owner-read", "me", "me", full("me")},
		{"bucket-owner-full-control", "me", "me", full("me")},
		{"bucket-owner-full-control", "me", "", full("me")},
		{"bucket-owner-full-control", "", "her", full("her")},
		{"private", "", "her", nil},
	} {
		got, err := acl.Canned(tt.name, true, tt.owner, tt.bucketOwner)
		fails(t, tt.name, err, nil)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s, owners %q and %q: %s", tt.name, tt.owner, tt.bucketOwner, diff)
		}
	}
}

func header(kv ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(kv); i += 2 {
		h.Add(kv[i], kv[i+1])
	}
	return h
}

func TestFromHeaders(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		h     http.Header
		want  []pfs.Grant
		given bool
		err   error
	}{
		"none":   {h: header("x-amz-meta-grant-read", "id=a")},
		"empty":  {h: header("x-amz-acl", "", "x-amz-grant-read", " ")},
		"canned": {h: header("x-amz-acl", "bucket-owner-read"), want: full("me", to("her", pfs.PermRead)), given: true},
		"all headers": {
			h: header("x-amz-grant-full-control", `id="a"`, "x-amz-grant-write-acp", `id="b"`, "x-amz-grant-read-acp", `id="c"`,
				"x-amz-grant-write", `id="d"`, "x-amz-grant-read", `id="e"`),
			want: []pfs.Grant{
				to("e", pfs.PermRead), to("d", pfs.PermWrite), to("c", pfs.PermReadACP), to("b", pfs.PermWriteACP), to("a", pfs.PermFullControl),
			},
			given: true,
		},
		"list": {
			h:     header("x-amz-grant-read", `id="a, b=c" ,URI = "`+allUsers+`",uri=`+authUsers+`, ID=d`),
			want:  []pfs.Grant{to("a, b=c", pfs.PermRead), everyone(pfs.PermRead), toGroup(pfs.AuthenticatedUsers, pfs.PermRead), to("d", pfs.PermRead)},
			given: true,
		},
		"twice":        {h: header("x-amz-grant-read", "id=a", "x-amz-grant-read", `id="b"`), want: []pfs.Grant{to("a", pfs.PermRead), to("b", pfs.PermRead)}, given: true},
		"both":         {h: header("x-amz-acl", "private", "x-amz-grant-read", "id=a"), given: true, err: acl.ErrBoth},
		"both, wrong":  {h: header("x-amz-acl", "secret", "x-amz-grant-write-acp", "a"), given: true, err: acl.ErrBoth},
		"unknown":      {h: header("x-amz-acl", "secret"), given: true, err: acl.ErrCanned},
		"logs":         {h: header("x-amz-acl", "log-delivery-write"), given: true, err: acl.ErrUnsupported},
		"log group":    {h: header("x-amz-grant-write", `uri="`+logs+`"`), given: true, err: acl.ErrUnsupported},
		"group":        {h: header("x-amz-grant-read", `uri="AllUsers"`), given: true, err: acl.ErrGroup},
		"other group":  {h: header("x-amz-grant-read", `uri="http://acs.amazonaws.com/groups/global/Friends"`), given: true, err: acl.ErrGroup},
		"email":        {h: header("x-amz-grant-read", `emailAddress="a@example.com"`), given: true, err: acl.ErrEmail},
		"no type":      {h: header("x-amz-grant-read", "a"), given: true, err: acl.ErrHeader},
		"other type":   {h: header("x-amz-grant-read", "user=a"), given: true, err: acl.ErrHeader},
		"no ID":        {h: header("x-amz-grant-read", "id="), given: true, err: acl.ErrHeader},
		"empty ID":     {h: header("x-amz-grant-read", `id=""`), given: true, err: acl.ErrHeader},
		"open quote":   {h: header("x-amz-grant-read", `id="a`), given: true, err: acl.ErrHeader},
		"inner quote":  {h: header("x-amz-grant-read", `id=a"b`), given: true, err: acl.ErrHeader},
		"behind quote": {h: header("x-amz-grant-read", `id="a"b`), given: true, err: acl.ErrHeader},
		"too many":     {h: header("x-amz-grant-read", strings.Repeat("id=a,", 60), "x-amz-grant-write", strings.Repeat("id=a,", 41)), given: true, err: acl.ErrHeader},
	} {
		got, given, err := acl.FromHeaders(tt.h, true, "me", "her")
		fails(t, name, err, tt.err)
		if diff := cmp.Diff(tt.want, got); diff != "" || given != tt.given {
			t.Errorf("%s: given %t, %s", name, given, diff)
		}
	}
}

const document = `<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` +
	`<Owner><ID>me</ID><DisplayName>name of me</DisplayName></Owner><AccessControlList>` +
	`<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">` +
	`<ID>me</ID><DisplayName>name of me</DisplayName></Grantee><Permission>FULL_CONTROL</Permission></Grant>` +
	`<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group">` +
	`<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant>` +
	`</AccessControlList></AccessControlPolicy>`

func format(t testing.TB, a pfs.ACL) string {
	t.Helper()
	b, err := xml.Marshal(acl.Format(a, display))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFormat(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(document, format(t, pfs.ACL{Owner: "me", Grants: full("me", everyone(pfs.PermRead))})); diff != "" {
		t.Error(diff)
	}
	b, err := xml.Marshal(acl.Format(pfs.ACL{Owner: "me"}, nil))
	want := `<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>me</ID></Owner><AccessControlList></AccessControlList></AccessControlPolicy>`
	if string(b) != want || err != nil {
		t.Errorf("%s, %v, want %s", b, err, want)
	}
}

func policy(grants string) string {
	return "<AccessControlPolicy><Owner><ID>me</ID></Owner><AccessControlList>" + grants + "</AccessControlList></AccessControlPolicy>"
}

func grantXML(kind, who, permission string) string {
	return fmt.Sprintf(`<Grant><Grantee xmlns:x="http://www.w3.org/2001/XMLSchema-instance" x:type=%q>%s</Grantee><Permission>%s</Permission></Grant>`, kind, who, permission)
}

func TestParse(t *testing.T) {
	t.Parallel()
	good := grantXML("CanonicalUser", "<ID>a</ID>", "READ")
	for name, tt := range map[string]struct {
		in   string
		want []pfs.Grant
		err  error
	}{
		"sample":       {in: document, want: full("me", everyone(pfs.PermRead))},
		"declaration":  {in: xml.Header + document, want: full("me", everyone(pfs.PermRead))},
		"other prefix": {in: policy(good), want: []pfs.Grant{to("a", pfs.PermRead)}},
		"no grants":    {in: policy("")},
		"100 grants": {in: policy(strings.Repeat(good, 100)), want: func() (g []pfs.Grant) {
			for range 100 {
				g = append(g, to("a", pfs.PermRead))
			}
			return g
		}()},
		"101 grants":     {in: policy(strings.Repeat(good, 101)), err: acl.ErrMalformed},
		"empty":          {err: acl.ErrMalformed},
		"no XML":         {in: "{}", err: acl.ErrMalformed},
		"not closed":     {in: strings.TrimSuffix(document, "</AccessControlPolicy>"), err: acl.ErrMalformed},
		"other document": {in: strings.ReplaceAll(document, "AccessControlPolicy", "Tagging"), err: acl.ErrMalformed},
		"no owner":       {in: "<AccessControlPolicy><AccessControlList></AccessControlList></AccessControlPolicy>", err: acl.ErrMalformed},
		"no list":        {in: "<AccessControlPolicy><Owner><ID>me</ID></Owner></AccessControlPolicy>", err: acl.ErrMalformed},
		"too large":      {in: policy(strings.Repeat(" ", limit)), err: acl.ErrMalformed},
		"no type":        {in: policy("<Grant><Grantee><ID>a</ID></Grantee><Permission>READ</Permission></Grant>"), err: acl.ErrMalformed},
		"other type":     {in: policy(grantXML("User", "<ID>a</ID>", "READ")), err: acl.ErrMalformed},
		"no ID":          {in: policy(grantXML("CanonicalUser", "<URI>a</URI>", "READ")), err: acl.ErrMalformed},
		"no URI":         {in: policy(grantXML("Group", "<ID>a</ID>", "READ")), err: acl.ErrGroup},
		"other group":    {in: policy(grantXML("Group", "<URI>"+allUsers+"x</URI>", "READ")), err: acl.ErrGroup},
		"logs":           {in: policy(grantXML("Group", "<URI>"+logs+"</URI>", "WRITE")), err: acl.ErrUnsupported},
		"email":          {in: policy(grantXML("AmazonCustomerByEmail", "<EmailAddress>a@example.com</EmailAddress>", "READ")), err: acl.ErrEmail},
		"no permission":  {in: policy(grantXML("CanonicalUser", "<ID>a</ID>", "")), err: acl.ErrPermission},
		"permission":     {in: policy(grantXML("CanonicalUser", "<ID>a</ID>", "read")), err: acl.ErrPermission},
	} {
		want := pfs.ACL{Owner: "me", Grants: tt.want}
		if tt.err != nil {
			want = pfs.ACL{}
		}
		got, err := acl.Parse(strings.NewReader(tt.in), limit)
		fails(t, name, err, tt.err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestParseReader: a body that fails, say for its digest, is not malformed.
func TestParseReader(t *testing.T) {
	t.Parallel()
	bad := errors.New("bad digest")
	_, err := acl.Parse(io.MultiReader(strings.NewReader(document), iotest.ErrReader(bad)), int64(len(document)))
	fails(t, "at the end of the limit", err, bad)
	_, err = acl.Parse(strings.NewReader(document), int64(len(document)))
	fails(t, "as large as the limit", err, nil)
}

func permission() *rapid.Generator[pfs.Permission] {
	return rapid.SampledFrom([]pfs.Permission{pfs.PermRead, pfs.PermWrite, pfs.PermReadACP, pfs.PermWriteACP, pfs.PermFullControl})
}

func grants(id *rapid.Generator[string]) *rapid.Generator[[]pfs.Grant] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) pfs.Grant {
		p := permission().Draw(t, "permission")
		if rapid.Bool().Draw(t, "group") {
			return toGroup(rapid.SampledFrom([]pfs.Group{pfs.AllUsers, pfs.AuthenticatedUsers}).Draw(t, "of"), p)
		}
		return to(id.Draw(t, "user"), p)
	}), 0, 100)
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		id := rapid.StringMatching("[ -~äß日\t\r\n]{1,20}")
		a := pfs.ACL{Owner: id.Draw(rt, "owner"), Grants: grants(id).Draw(rt, "grants")}
		got, err := acl.Parse(strings.NewReader(format(t, a)), limit)
		if diff := cmp.Diff(a, got, cmpopts.EquateEmpty()); diff != "" || err != nil {
			rt.Fatalf("%v: %s", err, diff)
		}
	})
}

func TestAllows(t *testing.T) {
	t.Parallel()
	const r, w, ra, wa, fc = pfs.PermRead, pfs.PermWrite, pfs.PermReadACP, pfs.PermWriteACP, pfs.PermFullControl
	all := []pfs.Permission{r, w, ra, wa, fc}
	for name, tt := range map[string]struct {
		grants []pfs.Grant
		want   map[string][]pfs.Permission // by user; "me" owns it
	}{
		"no grants":     {nil, map[string][]pfs.Permission{"me": {ra, wa}}},
		"private":       {full("me"), map[string][]pfs.Permission{"me": all}},
		"given away":    {full("her"), map[string][]pfs.Permission{"me": {ra, wa}, "her": all}},
		"public":        {full("me", everyone(r)), map[string][]pfs.Permission{"me": all, "her": {r}, "": {r}}},
		"authenticated": {[]pfs.Grant{toGroup(pfs.AuthenticatedUsers, w)}, map[string][]pfs.Permission{"me": {w, ra, wa}, "her": {w}}},
		"everything":    {[]pfs.Grant{everyone(fc)}, map[string][]pfs.Permission{"me": all, "her": all, "": all}},
		"ACL":           {[]pfs.Grant{to("her", ra), to("her", wa)}, map[string][]pfs.Permission{"me": {ra, wa}, "her": {ra, wa}}},
		"one by one":    {[]pfs.Grant{to("her", r), to("her", w), everyone(ra), to("her", wa)}, map[string][]pfs.Permission{"me": {ra, wa}, "her": all, "": {ra}}},
		"with the ACL":  {[]pfs.Grant{to("me", r), to("me", w)}, map[string][]pfs.Permission{"me": all}},
		"to nobody":     {[]pfs.Grant{to("", fc)}, map[string][]pfs.Permission{"me": {ra, wa}}},
		"other group":   {[]pfs.Grant{{User: "her", Group: "Friends", Permission: fc}}, map[string][]pfs.Permission{"me": {ra, wa}}},
		"permission":    {[]pfs.Grant{everyone("EXECUTE")}, map[string][]pfs.Permission{"me": {ra, wa}}},
	} {
		for _, user := range []string{"me", "her", ""} {
			var got []pfs.Permission
			for _, p := range append(all, "", "EXECUTE") {
				if (&pfs.ACL{Owner: "me", Grants: tt.grants}).Allows(user, p) {
					got = append(got, p)
				}
			}
			if diff := cmp.Diff(tt.want[user], got); diff != "" {
				t.Errorf("%s, user %q: %s", name, user, diff)
			}
		}
	}
	if (&pfs.ACL{}).Allows("", ra) {
		t.Error("the anonymous own what nobody owns")
	}
}

// TestSDK: the SDK's documents and headers are read, and ours by the SDK.
func TestSDK(t *testing.T) {
	t.Parallel()
	want := pfs.ACL{Owner: "me", Grants: full("me", to("her", pfs.PermReadACP), toGroup(pfs.AuthenticatedUsers, pfs.PermWrite))}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			io.WriteString(w, format(t, want))
			return
		}
		grants, given, err := acl.FromHeaders(r.Header, false, "me", "")
		got := pfs.ACL{Owner: "me", Grants: grants}
		if !given && err == nil {
			got, err = acl.Parse(r.Body, limit)
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v: %s", err, diff)
		}
	}))
	t.Cleanup(s.Close)
	c := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(s.URL), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})
	got, err := c.GetBucketAcl(t.Context(), &s3.GetBucketAclInput{Bucket: aws.String("b")})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Grants) != 3 || *got.Owner.DisplayName != "name of me" || got.Grants[1].Grantee.Type != types.TypeCanonicalUser ||
		*got.Grants[1].Grantee.ID != "her" || got.Grants[2].Grantee.Type != types.TypeGroup || *got.Grants[2].Grantee.URI != authUsers {
		t.Errorf("%+v", got)
	}
	if _, err := c.PutBucketAcl(t.Context(), &s3.PutBucketAclInput{
		Bucket: aws.String("b"), AccessControlPolicy: &types.AccessControlPolicy{Owner: got.Owner, Grants: got.Grants},
	}); err != nil {
		t.Error(err)
	}
	want.Grants = []pfs.Grant{everyone(pfs.PermRead), to("her", pfs.PermFullControl)}
	if _, err := c.PutBucketAcl(t.Context(), &s3.PutBucketAclInput{
		Bucket: aws.String("b"), GrantRead: aws.String(`uri="` + allUsers + `"`), GrantFullControl: aws.String("id=her"),
	}); err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(document))
	f.Add([]byte(policy(grantXML("CanonicalUser", "<ID>a&#xD; &lt;</ID>", "WRITE_ACP"))))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := acl.Parse(strings.NewReader(string(b)), limit)
		if err != nil {
			return
		}
		again, err := acl.Parse(strings.NewReader(format(t, a)), limit)
		if diff := cmp.Diff(a, again); diff != "" || err != nil {
			t.Errorf("%v: %s", err, diff)
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add(`id="a, b", uri="`+allUsers+`"`, "id=a")
	f.Add(`ID=a,uri = "`+authUsers+`",`, `emailAddress="a@example.com"`)
	f.Fuzz(func(t *testing.T, read, write string) {
		grants, given, err := acl.FromHeaders(header("x-amz-grant-read", read, "x-amz-grant-write", write), true, "me", "me")
		if err != nil {
			return
		}
		again := http.Header{}
		for _, g := range grants {
			name := map[pfs.Permission]string{pfs.PermRead: "X-Amz-Grant-Read", pfs.PermWrite: "X-Amz-Grant-Write"}[g.Permission]
			if g.Group != "" {
				again.Add(name, `uri="http://acs.amazonaws.com/groups/global/`+string(g.Group)+`"`)
			} else {
				again.Add(name, `id="`+g.User+`"`)
			}
		}
		got, ok, err := acl.FromHeaders(again, true, "me", "me")
		if diff := cmp.Diff(grants, got); diff != "" || err != nil || ok != given {
			t.Errorf("%v, given %t and %t: %s", err, given, ok, diff)
		}
	})
}
