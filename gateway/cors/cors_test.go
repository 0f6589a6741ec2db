package cors_test

import (
	"encoding/json"
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

	"caret/gateway/cors"
)

const limit = 1 << 16

const document = `<CORSConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` +
	`<CORSRule><ID>writers</ID><AllowedOrigin>http://www.example1.com</AllowedOrigin><AllowedOrigin>https://*.example.com</AllowedOrigin>` +
	`<AllowedMethod>PUT</AllowedMethod><AllowedMethod>POST</AllowedMethod><AllowedHeader>x-amz-*</AllowedHeader>` +
	`<ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>3000</MaxAgeSeconds></CORSRule>` +
	`<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>`

func sample() cors.Config {
	age := int64(3000)
	return cors.Config{Rules: []cors.Rule{
		{
			ID: "writers", AllowedOrigins: []string{"http://www.example1.com", "https://*.example.com"}, AllowedMethods: []string{"PUT", "POST"},
			AllowedHeaders: []string{"x-amz-*"}, ExposeHeaders: []string{"ETag"}, MaxAgeSeconds: &age,
		},
		{AllowedOrigins: []string{"*"}, AllowedMethods: []string{"GET"}},
	}}
}

func parse(s string) (*cors.Config, error) { return cors.Parse(strings.NewReader(s), limit) }

func format(t testing.TB, c cors.Config) string {
	t.Helper()
	b, err := xml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func config(rules ...string) string {
	return "<CORSConfiguration><CORSRule>" + strings.Join(rules, "</CORSRule><CORSRule>") + "</CORSRule></CORSConfiguration>"
}

func TestParse(t *testing.T) {
	t.Parallel()
	const origin, method = "<AllowedOrigin>a</AllowedOrigin>", "<AllowedMethod>GET</AllowedMethod>"
	many := func(n int) []string { return strings.Split(strings.Repeat(origin+method+"|", n), "|")[:n] }
	for name, in := range map[string]struct {
		in  string
		err error
	}{
		"sample":           {in: document},
		"declaration":      {in: xml.Header + document},
		"no namespace":     {in: config(origin + method)},
		"empty origin":     {in: config("<AllowedOrigin/>" + method)},
		"100 rules":        {in: config(many(100)...)},
		"101 rules":        {in: config(many(101)...), err: cors.ErrTooMany},
		"empty":            {err: cors.ErrMalformed},
		"no XML":           {in: "{}", err: cors.ErrMalformed},
		"not closed":       {in: "<CORSConfiguration><CORSRule>", err: cors.ErrMalformed},
		"other document":   {in: strings.ReplaceAll(document, "CORSConfiguration", "Tagging"), err: cors.ErrMalformed},
		"no rules":         {in: "<CORSConfiguration/>", err: cors.ErrMalformed},
		"empty rule":       {in: config(""), err: cors.ErrMalformed},
		"no origin":        {in: config(method), err: cors.ErrMalformed},
		"no method":        {in: config(origin), err: cors.ErrMalformed},
		"too large":        {in: config(origin + method + strings.Repeat(" ", limit)), err: cors.ErrMalformed},
		"other method":     {in: config(origin + "<AllowedMethod>PATCH</AllowedMethod>"), err: cors.ErrMethod},
		"OPTIONS":          {in: config(origin + method + "<AllowedMethod>OPTIONS</AllowedMethod>"), err: cors.ErrMethod},
		"lower method":     {in: config(origin + "<AllowedMethod>get</AllowedMethod>"), err: cors.ErrMethod},
		"empty method":     {in: config(origin + "<AllowedMethod/>"), err: cors.ErrMethod},
		"form before":      {in: config(origin+"<AllowedMethod/>", origin), err: cors.ErrMalformed},
		"origin wildcards": {in: config("<AllowedOrigin>*a*</AllowedOrigin>" + method), err: cors.ErrWildcard},
		"header wildcards": {in: config(origin + method + "<AllowedHeader>**</AllowedHeader>"), err: cors.ErrWildcard},
		"exposed wildcard": {in: config(origin + method + "<ExposeHeader>x-amz-*</ExposeHeader>"), err: cors.ErrWildcard},
		"ID":               {in: config("<ID>" + strings.Repeat("ä", 255) + "</ID>" + origin + method)},
		"long ID":          {in: config("<ID>" + strings.Repeat("a", 256) + "</ID>" + origin + method), err: cors.ErrID},
		"age 0":            {in: config(origin + method + "<MaxAgeSeconds>0</MaxAgeSeconds>")},
		"negative age":     {in: config(origin + method + "<MaxAgeSeconds>-1</MaxAgeSeconds>"), err: cors.ErrMalformed},
		"large age":        {in: config(origin + method + "<MaxAgeSeconds>2147483648</MaxAgeSeconds>"), err: cors.ErrMalformed},
		"no age":           {in: config(origin + method + "<MaxAgeSeconds>soon</MaxAgeSeconds>"), err: cors.ErrMalformed},
	} {
		if c, err := parse(in.in); !errors.Is(err, in.err) || (err == nil) != (in.err == nil) || (c == nil) != (err != nil) {
			t.Errorf("%s: %v, %v, want %v", name, c, err, in.err)
		}
	}
}

// TestParseReader: a body that fails, say for its digest, is not malformed.
func TestParseReader(t *testing.T) {
	t.Parallel()
	bad := errors.New("bad digest")
	if _, err := cors.Parse(io.MultiReader(strings.NewReader(document), iotest.ErrReader(bad)), int64(len(document))); !errors.Is(err, bad) {
		t.Errorf("at the end of the limit: %v", err)
	}
	if _, err := cors.Parse(strings.NewReader(document), int64(len(document))); err != nil {
		t.Errorf("as large as the limit: %v", err)
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	c := sample()
	if diff := cmp.Diff(document, format(t, c)); diff != "" {
		t.Error(diff)
	}
	if b, err := xml.Marshal(&c); string(b) != document || err != nil {
		t.Errorf("a pointer: %s, %v", b, err)
	}
	got, err := parse(document)
	if diff := cmp.Diff(&c, got); diff != "" || err != nil {
		t.Errorf("%v: %s", err, diff)
	}
	b, err := json.Marshal(c)
	const want = `{"rules":[{"id":"writers","allowedOrigins":["http://www.example1.com","https://*.example.com"],"allowedMethods":["PUT","POST"],` +
		`"allowedHeaders":["x-amz-*"],"exposeHeaders":["ETag"],"maxAgeSeconds":3000},{"allowedOrigins":["*"],"allowedMethods":["GET"]}]}`
	if string(b) != want || err != nil {
		t.Errorf("%s, %v, want %s", b, err, want)
	}
}

// roundTrip is c through XML and then through JSON.
func roundTrip(t testing.TB, c cors.Config) (cors.Config, error) {
	t.Helper()
	again, err := cors.Parse(strings.NewReader(format(t, c)), 1<<30)
	if err != nil {
		return cors.Config{}, err
	}
	b, err := json.Marshal(again)
	if err != nil {
		return cors.Config{}, err
	}
	var got cors.Config
	return got, json.Unmarshal(b, &got)
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.StringMatching("[ -)+-~äß日\t\r\n]{0,20}")
		wild := rapid.StringMatching(`[ -)+-~]{0,10}\*?[ -)+-~]{0,10}`)
		method := rapid.SampledFrom([]string{"GET", "PUT", "POST", "DELETE", "HEAD"})
		c := cors.Config{Rules: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) cors.Rule {
			r := cors.Rule{
				ID:             text.Draw(t, "ID"),
				AllowedOrigins: rapid.SliceOfN(wild, 1, 4).Draw(t, "origins"),
				AllowedMethods: rapid.SliceOfN(method, 1, 4).Draw(t, "methods"),
				AllowedHeaders: rapid.SliceOfN(wild, 0, 4).Draw(t, "headers"),
				ExposeHeaders:  rapid.SliceOfN(text, 0, 4).Draw(t, "exposed"),
			}
			if age := rapid.Int64Range(-1, 1<<31-1).Draw(t, "age"); age >= 0 {
				r.MaxAgeSeconds = &age
			}
			return r
		}), 1, 100).Draw(rt, "rules")}
		got, err := roundTrip(t, c)
		if diff := cmp.Diff(c, got, cmpopts.EquateEmpty()); diff != "" || err != nil {
			rt.Fatalf("%v: %s", err, diff)
		}
	})
}

func TestMatch(t *testing.T) {
	t.Parallel()
	c := &cors.Config{Rules: []cors.Rule{
		{ID: "suffix", AllowedOrigins: []string{"*suffix"}, AllowedMethods: []string{"GET"}, AllowedHeaders: []string{"x-AMZ-*", "Content-Type"}},
		{ID: "middle", AllowedOrigins: []string{"start*end", "aba*aba"}, AllowedMethods: []string{"GET", "HEAD"}},
		{ID: "prefix", AllowedOrigins: []string{"prefix*"}, AllowedMethods: []string{"GET"}, AllowedHeaders: []string{"*"}},
		{ID: "exact", AllowedOrigins: []string{"", "https://example.com"}, AllowedMethods: []string{"PUT"}},
	}}
	for _, tt := range []struct {
		origin, method, headers string
		want                    string // the rule's ID
	}{
		{"foo.suffix", "GET", "", "suffix"},
		{"suffix", "GET", "", "suffix"},
		{"foo.suffix.get", "GET", "", ""},
		{"foo.SUFFIX", "GET", "", ""},
		{"foo.suffix", "PUT", "", ""},
		{"foo.suffix", "get", "", ""},
		{"foo.suffix", "GET", "X-Amz-Date,content-TYPE", "suffix"},
		{"foo.suffix", "GET", "x-amz-", "suffix"},
		{"foo.suffix", "GET", "x-amz-date, authorization", ""},
		{"prefix.suffix", "GET", "authorization", "prefix"},
		{"prefix.suffix", "GET", "", "suffix"},
		{"startend", "GET", "", "middle"},
		{"start1end", "HEAD", "", "middle"},
		{"0start12end", "GET", "", ""},
		{"startend", "GET", "x-amz-date", ""},
		{"aba", "GET", "", ""},
		{"ababa", "GET", "", ""},
		{"abaaba", "GET", "", "middle"},
		{"https://example.com", "PUT", " , ", "exact"},
		{"https://example.com/", "PUT", "", ""},
		{"http://example.com", "PUT", "", ""},
		{"", "PUT", "", ""},
	} {
		h := http.Header{"Access-Control-Request-Headers": {tt.headers}}
		got := ""
		if r := c.Match(tt.origin, tt.method, cors.RequestHeaders(h)); r != nil {
			got = r.ID
		}
		if got != tt.want {
			t.Errorf("%s from %q with %q: rule %q, want %q", tt.method, tt.origin, tt.headers, got, tt.want)
		}
	}
	if (*cors.Config)(nil).Match("a", "GET", nil) != nil {
		t.Error("no configuration allows something")
	}
}

const vary = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"

func TestWrite(t *testing.T) {
	t.Parallel()
	c := sample()
	both := &cors.Rule{AllowedOrigins: []string{"http://a", "*"}, AllowedMethods: []string{"GET"}}
	for name, tt := range map[string]struct {
		rule      *cors.Rule
		origin    string
		headers   []string
		preflight bool
		want      http.Header
	}{
		"preflight": {&c.Rules[0], "https://www.example.com", []string{"X-Amz-Date", "x-amz-acl"}, true, http.Header{
			"Access-Control-Allow-Origin": {"https://www.example.com"}, "Access-Control-Allow-Credentials": {"true"},
			"Access-Control-Allow-Methods": {"PUT, POST"}, "Access-Control-Allow-Headers": {"x-amz-date, x-amz-acl"},
			"Access-Control-Expose-Headers": {"ETag"}, "Access-Control-Max-Age": {"3000"}, "Vary": {vary},
		}},
		"preflight without headers": {&c.Rules[1], "https://www.example.com", nil, true, http.Header{
			"Access-Control-Allow-Origin": {"*"}, "Access-Control-Allow-Methods": {"GET"}, "Vary": {vary},
		}},
		"simple": {&c.Rules[0], "http://www.example1.com", []string{"x-amz-date"}, false, http.Header{
			"Access-Control-Allow-Origin": {"http://www.example1.com"}, "Access-Control-Allow-Credentials": {"true"},
			"Access-Control-Allow-Methods": {"PUT, POST"}, "Access-Control-Expose-Headers": {"ETag"},
			"Access-Control-Max-Age": {"3000"}, "Vary": {vary},
		}},
		"listed before *": {both, "http://a", nil, false, http.Header{
			"Access-Control-Allow-Origin": {"http://a"}, "Access-Control-Allow-Credentials": {"true"},
			"Access-Control-Allow-Methods": {"GET"}, "Vary": {vary},
		}},
		"not listed": {both, "http://b", nil, false, http.Header{
			"Access-Control-Allow-Origin": {"*"}, "Access-Control-Allow-Methods": {"GET"}, "Vary": {vary},
		}},
	} {
		h := http.Header{}
		tt.rule.Write(h, tt.origin, tt.headers, tt.preflight)
		if diff := cmp.Diff(tt.want, h); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	h := http.Header{"Vary": {"Accept-Encoding"}}
	both.Write(h, "http://a", nil, false)
	if diff := cmp.Diff([]string{"Accept-Encoding", vary}, h["Vary"]); diff != "" {
		t.Error(diff)
	}
}

// TestSDK: the SDK's documents are read, and ours by the SDK.
func TestSDK(t *testing.T) {
	t.Parallel()
	want := sample()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			io.WriteString(w, format(t, want))
			return
		}
		got, err := cors.Parse(r.Body, limit)
		if diff := cmp.Diff(&want, got); diff != "" || err != nil {
			t.Errorf("%v: %s", err, diff)
		}
	}))
	t.Cleanup(s.Close)
	c := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(s.URL), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})
	got, err := c.GetBucketCors(t.Context(), &s3.GetBucketCorsInput{Bucket: aws.String("b")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutBucketCors(t.Context(), &s3.PutBucketCorsInput{
		Bucket: aws.String("b"), CORSConfiguration: &types.CORSConfiguration{CORSRules: got.CORSRules},
	}); err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(document)
	f.Add(config("<AllowedOrigin/><AllowedMethod>HEAD</AllowedMethod><ID>&#xD; &lt;</ID>"))
	f.Fuzz(func(t *testing.T, s string) {
		c, err := parse(s)
		if err != nil {
			return
		}
		got, err := roundTrip(t, *c)
		if diff := cmp.Diff(*c, got, cmpopts.EquateEmpty()); diff != "" || err != nil {
			t.Errorf("%v: %s", err, diff)
		}
	})
}

// FuzzMatch: an origin matches itself, and a pattern whatever its wildcard
// stands for; what matches has the pattern's ends.
func FuzzMatch(f *testing.F) {
	f.Add("https://*.example.com", "www", "https://example.com")
	f.Add("aba*aba", "", "ababa")
	f.Add("", "*", "*")
	f.Fuzz(func(t *testing.T, pattern, middle, origin string) {
		allows := func(pattern, origin string) bool {
			c := cors.Config{Rules: []cors.Rule{{AllowedOrigins: []string{pattern}, AllowedMethods: []string{"GET"}, AllowedHeaders: []string{pattern}}}}
			r := c.Match(origin, "GET", nil)
			if r != nil {
				r.Write(http.Header{}, origin, []string{middle}, true)
			}
			c.Match("*", "GET", []string{origin, middle})
			return r != nil
		}
		if origin != "" && !allows(origin, origin) {
			t.Errorf("%q does not match itself", origin)
		}
		if filled := strings.Replace(pattern, "*", middle, 1); filled != "" && !allows(pattern, filled) {
			t.Errorf("%q does not match %q", pattern, filled)
		}
		if !allows(pattern, origin) {
			return
		}
		before, after, wild := strings.Cut(pattern, "*")
		if !wild && pattern != origin || wild && fmt.Sprint(before, origin[len(before):len(origin)-len(after)], after) != origin {
			t.Errorf("%q matches %q", pattern, origin)
		}
	})
}
