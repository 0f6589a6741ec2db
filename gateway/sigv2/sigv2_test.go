package sigv2_test

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/signer"
	"pgregory.net/rapid"

	"caret/gateway/sigv2"
	"caret/gateway/sigv4"
)

const (
	accessKey = "AKIAIOSFODNN7EXAMPLE"
	secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

var now = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

// verifier knows one key; hosts are buckets, before ".s3." or up to a port.
func verifier(at time.Time) *sigv2.Verifier {
	return sigv2.New(sigv2.Options{
		Now: func() time.Time { return at },
		Secrets: func(_ context.Context, key string) (string, error) {
			if key != accessKey {
				return "", sigv4.ErrUnknownKey
			}
			return secretKey, nil
		},
		Bucket: func(r *http.Request) string {
			host, _, _ := strings.Cut(r.Host, ":")
			if bucket, _, ok := strings.Cut(host, ".s3."); ok {
				return bucket
			}
			if strings.HasPrefix(host, "static.") {
				return host
			}
			return ""
		},
	})
}

// read is a request as a server reads it.
func read(t testing.TB, lines ...string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.Join(lines, "\r\n") + "\r\n\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sign(text string) string {
	h := hmac.New(sha1.New, []byte(secretKey))
	h.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// TestHeaderVectors are the examples of
// https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
// with the bucket of its first edition, and where marked of the present one.
func TestHeaderVectors(t *testing.T) {
	t.Parallel()
	const upload = "X-Amz-Meta-FileChecksum: 0x02661779\r\nX-Amz-Meta-ChecksumAlgorithm: crc32\r\n" +
		"Content-Disposition: attachment; filename=database.dat\r\nContent-Encoding: gzip\r\nContent-Length: 5913339"
	for name, tt := range map[string]struct {
		signature string
		lines     []string
	}{
		"object GET": {"bWq2s1WEIj+Ydj0vQ697zp+IXMU=", []string{
			"GET /photos/puppy.jpg HTTP/1.1", "Host: johnsmith.s3.amazonaws.com", "Date: Tue, 27 Mar 2007 19:36:42 +0000",
		}},
		"object GET, present edition": {"qgk2+6Sv9/oM7G3qLEjTH1a1l1g=", []string{
			"GET /photos/puppy.jpg HTTP/1.1", "Host: awsexamplebucket1.s3.us-west-1.amazonaws.com", "Date: Tue, 27 Mar 2007 19:36:42 +0000",
		}},
		"object PUT": {"MyyxeRY7whkBe+bq8fHCL/2kKUg=", []string{
			"PUT /photos/puppy.jpg HTTP/1.1", "Content-Type: image/jpeg", "Content-Length: 94328",
			"Host: johnsmith.s3.amazonaws.com", "Date: Tue, 27 Mar 2007 21:15:45 +0000",
		}},
		"list": {"htDYFYduRNen8P9ZfE/s9SuKy0U=", []string{
			"GET /?prefix=photos&max-keys=50&marker=puppy HTTP/1.1", "User-Agent: Mozilla/5.0",
			"Host: johnsmith.s3.amazonaws.com", "Date: Tue, 27 Mar 2007 19:42:41 +0000",
		}},
		"fetch": {"c2WLPFtWHVgbEmeEG93a4cG37dM=", []string{
			"GET /?acl HTTP/1.1", "Host: johnsmith.s3.amazonaws.com", "Date: Tue, 27 Mar 2007 19:44:46 +0000",
		}},
		// What the page signs, without the x-amz-date that it also sends.
		"delete": {"lx3byBScXR6KzyMaifNkardMwNk=", []string{
			"DELETE /johnsmith/photos/puppy.jpg HTTP/1.1", "User-Agent: dotnet", "Host: s3.amazonaws.com", "Date: Tue, 27 Mar 2007 21:20:26 +0000",
		}},
		// What the page sends, signed by its rule for x-amz-date.
		"delete, by the rule": {"R4dJ53KECjStyBO5iTBJZ4XVOaI=", []string{
			"DELETE /johnsmith/photos/puppy.jpg HTTP/1.1", "User-Agent: dotnet", "Host: s3.amazonaws.com",
			"Date: Tue, 27 Mar 2007 21:20:27 +0000", "x-amz-date: Tue, 27 Mar 2007 21:20:26 +0000",
		}},
		"upload": {"ilyl83RwaSoYIEdixDQcA4OnAnc=", []string{
			"PUT /db-backup.dat.gz HTTP/1.1", "User-Agent: curl/7.15.5", "Host: static.johnsmith.net:8080",
			"Date: Tue, 27 Mar 2007 21:06:08 +0000", "x-amz-acl: public-read", "content-type: application/x-download",
			"Content-MD5: 4gJE4saaMU4BqNR0kLY+lw==", "X-Amz-Meta-ReviewedBy: joe@johnsmith.net",
			"X-Amz-Meta-ReviewedBy: jane@johnsmith.net", upload,
		}},
		"upload, present edition": {"dKZcB+bz2EPXgSdXZp9ozGeOM4I=", []string{
			"PUT /db-backup.dat.gz HTTP/1.1", "User-Agent: curl/7.15.5", "Host: static.awsexamplebucket1.net:8080",
			"Date: Tue, 27 Mar 2007 21:06:08 +0000", "x-amz-acl: public-read", "content-type: application/x-download",
			"Content-MD5: 4gJE4saaMU4BqNR0kLY+lw==", "X-Amz-Meta-ReviewedBy: joe@awsexamplebucket1.net",
			"X-Amz-Meta-ReviewedBy: jane@awsexamplebucket1.net", upload,
		}},
		"list all my buckets": {"qGdzdERIC03wnaRNKh6OqZehG9s=", []string{
			"GET / HTTP/1.1", "Host: s3.amazonaws.com", "Date: Wed, 28 Mar 2007 01:29:59 +0000",
		}},
		"unicode keys": {"DNEZGsoieTZ92F3bUfSPQcbGmlM=", []string{
			"GET /dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re HTTP/1.1", "Host: s3.amazonaws.com", "Date: Wed, 28 Mar 2007 01:49:49 +0000",
		}},
	} {
		r := read(t, append(tt.lines, "Authorization: AWS "+accessKey+":"+tt.signature)...)
		at, err := time.Parse(time.RFC1123Z, r.Header.Get("Date"))
		if err != nil {
			t.Fatal(err)
		}
		v := verifier(at)
		if key, err := v.Verify(r); err != nil || key != accessKey || !v.Matches(r) {
			t.Errorf("%s: %q, %v", name, key, err)
		}
	}
}

// TestBotocoreVectors are requests that botocore 1.43.11 made with its clock
// at now: objects and buckets, in both styles of addressing.
func TestBotocoreVectors(t *testing.T) {
	t.Parallel()
	const (
		key  = "AWSAccessKeyId=" + accessKey
		get  = "a%20b/%C3%A9%2Bc?versionId=HEAD%5E2&response-content-type=image%2Fsvg%2Bxml&response-content-disposition=attachment%3B%20filename%3D%22a%20b%22&" + key + "&Signature=ZVNcXPUqxhWjGv1URDHOyaCZKZM%3D&Expires=1369357200"
		put  = "k?" + key + "&Signature=MBn9fjZTtAojkRzLWdoeZ%2FHEYGw%3D&content-type=text%2Fplain&x-amz-acl=private&x-amz-meta-foo=bar%20baz&Expires=1369357200"
		list = "?list-type=2&prefix=x%2F&encoding-type=url&" + key + "&Signature=yKu3coAPevCxwTl5RaphIKOHyWY%3D&Expires=1369357200"
		acl  = "?acl&" + key + "&Signature=TomcGbmzDVu9GQBSqakjxOhFMQg%3D&Expires=1369357200"
		date = "Date: Fri, 24 May 2013 00:00:00 GMT"
		auth = "Authorization: AWS " + accessKey + ":"
		sdk  = "x-amz-sdk-checksum-algorithm: CRC32"
	)
	for _, lines := range [][]string{
		{"GET /bucket/" + get + " HTTP/1.1", "Host: s3.local"},
		{"GET /" + get + " HTTP/1.1", "Host: bucket.s3.local"},
		{"PUT /bucket/" + put + " HTTP/1.1", "Host: s3.local"},
		{"PUT /" + put + " HTTP/1.1", "Host: bucket.s3.local", "Content-Type: text/plain", "X-Amz-Meta-Foo: bar baz"},
		{"GET /bucket" + list + " HTTP/1.1", "Host: s3.local"},
		{"GET /" + list + " HTTP/1.1", "Host: bucket.s3.local"},
		{"GET /bucket" + acl + " HTTP/1.1", "Host: s3.local"},
		{"GET /bucket/" + acl + " HTTP/1.1", "Host: s3.local"},
		{"PUT /bucket/a%20b/~%28%C3%A9%29 HTTP/1.1", "Host: s3.local", "Content-Type: text/plain", "x-amz-meta-B: 2", "x-amz-meta-A: 1",
			"Expect: 100-continue", "x-amz-checksum-crc32: 2JMqrA==", sdk, date, auth + "0oCC1YIHOQbRNb0AgX+AvIGbGlE="},
		{"POST /bucket/k?uploads HTTP/1.1", "Host: s3.local", date, auth + "t/CHBAtgIJRzhdmjZvyJ3+IagvU="},
		{"PUT /bucket/k?uploadId=ab%2Bc%2Fd%3D&partNumber=3 HTTP/1.1", "Host: s3.local", "x-amz-checksum-crc32: jNwWgw==", sdk,
			date, auth + "NOHgdXznW3zp2MkJa4I/Kp6Jvog="},
		{"GET /k?versionId=HEAD~1 HTTP/1.1", "Host: bucket.s3.local", "x-amz-checksum-mode: ENABLED", date, auth + "gfcocqDCd9QBT9ahESzeM2yEhQ4="},
	} {
		v, r := verifier(now), read(t, lines...)
		if key, err := v.Verify(r); err != nil || key != accessKey || !v.Matches(r) {
			t.Errorf("%s: %q, %v", lines[0], key, err)
		}
	}
}

// TestParameterHeaders: what a presigned URL says of headers is a header once
// it is verified, and not before.
func TestParameterHeaders(t *testing.T) {
	t.Parallel()
	const url = "/bucket/k?AWSAccessKeyId=" + accessKey + "&Signature=MBn9fjZTtAojkRzLWdoeZ%2FHEYGw%3D&content-type=text%2Fplain" +
		"&x-amz-acl=private&x-amz-meta-foo=bar%20baz&Expires=1369357200"
	r := read(t, "PUT "+url+" HTTP/1.1", "Host: s3.local")
	if _, err := verifier(now).Verify(r); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"Content-Type": "text/plain", "X-Amz-Acl": "private", "X-Amz-Meta-Foo": "bar baz"} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	r = read(t, "PUT "+url+" HTTP/1.1", "Host: s3.local", "X-Amz-Acl: public-read")
	if _, err := verifier(now).Verify(r); !errors.Is(err, sigv4.ErrMismatch) || r.Header.Get("Content-Type") != "" {
		t.Errorf("another ACL: %v, %v", err, r.Header)
	}
	for _, more := range []string{"&x-amz-meta-a=b%0Ac", "&x-amz-a%3Ab=c", "&content-type=a%0D", "&content-type=a%00"} {
		r = read(t, "PUT "+url+more+" HTTP/1.1", "Host: s3.local")
		if _, err := verifier(now).Verify(r); !errors.Is(err, sigv4.ErrQueryMalformed) {
			t.Errorf("%s: %v", more, err)
		}
	}
}

// TestPresignedVector is the query string example of AWS's page.
func TestPresignedVector(t *testing.T) {
	t.Parallel()
	const line = "GET /photos/puppy.jpg?AWSAccessKeyId=" + accessKey + "&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620 HTTP/1.1"
	expires := time.Unix(1175139620, 0)
	for name, tt := range map[string]struct {
		at    time.Time
		lines []string
		want  error
	}{
		"good":         {expires, nil, nil},
		"much earlier": {expires.Add(-10000 * time.Hour), nil, nil},
		"with a date":  {expires, []string{"Date: Mon, 26 Mar 2007 19:37:58 +0000", "x-amz-date: Mon, 26 Mar 2007 19:37:58 +0000", "Range: bytes=0-1"}, nil},
		"expired":      {expires.Add(time.Second), nil, sigv4.ErrExpired},
		"with a type":  {expires, []string{"Content-Type: text/plain"}, sigv4.ErrMismatch},
		"with an ACL":  {expires, []string{"x-amz-acl: public-read"}, sigv4.ErrMismatch},
		"signed twice": {expires, []string{"Authorization: AWS a:b"}, sigv4.ErrTwoAuthorizations},
	} {
		r := read(t, append([]string{line, "Host: johnsmith.s3.amazonaws.com"}, tt.lines...)...)
		if _, err := verifier(tt.at).Verify(r); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// TestMinio: what minio-go signs verifies.
func TestMinio(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		key := rapid.StringN(1, 20, 60).Draw(rt, "key")
		q := url.Values{}
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{
			"acl", "versionId", "uploadId", "partNumber", "tagging", "response-content-type", "prefix", "x-id", "list-type",
		}), rapid.ID[string]).Draw(rt, "parameters") {
			q.Set(name, rapid.StringN(0, 10, 40).Draw(rt, "value"))
		}
		r, err := http.NewRequest("PUT", "http://s3.local/b/"+awsPath(key)+"?"+strings.ReplaceAll(q.Encode(), "+", "%20"), nil)
		if err != nil {
			rt.Skip(err)
		}
		r.Header.Set("Date", now.Format(http.TimeFormat))
		r.Header.Set("Content-Type", "text/plain")
		r.Header.Set("X-Amz-Meta-A-B", rapid.StringMatching(`[a-z]( {0,3}[a-z]){0,5}`).Draw(rt, "meta"))
		r.Header["X-Amz-Meta-A"] = []string{"1", "2"}
		r = signer.SignV2(*r, accessKey, secretKey, false)
		in := httptest.NewRequest(r.Method, r.URL.RequestURI(), nil)
		in.Host, in.Header = "s3.local", r.Header
		if got, err := verifier(now).Verify(in); err != nil || got != accessKey {
			rt.Fatalf("%s: %q, %v", r.URL, got, err)
		}
	})
}

// awsPath encodes every byte that is not unreserved.
func awsPath(s string) string {
	return strings.NewReplacer("+", "%20", "%2F", "/", "%7E", "~").Replace(url.QueryEscape(s))
}

func TestMinioPresigned(t *testing.T) {
	t.Parallel()
	start := time.Now()
	r, err := http.NewRequest("GET", "http://b.s3.local/k%20k?versionId=HEAD%5E&response-expires=x", nil)
	if err != nil {
		t.Fatal(err)
	}
	in := httptest.NewRequest("GET", signer.PreSignV2(*r, accessKey, secretKey, 60, true).URL.RequestURI(), nil)
	in.Host = "b.s3.local"
	if key, err := verifier(start).Verify(in); err != nil || key != accessKey {
		t.Errorf("%q, %v", key, err)
	}
	if _, err := verifier(start.Add(time.Hour)).Verify(in); !errors.Is(err, sigv4.ErrExpired) {
		t.Errorf("an hour later: %v", err)
	}
}

func TestFolded(t *testing.T) {
	t.Parallel()
	const date = "Fri, 24 May 2013 00:00:00 GMT"
	text := "PUT\n\n\n" + date + "\nx-amz-meta-a:one two,three\nx-amz-meta-a-b:4\n/b/k"
	r := read(t, "PUT /b/k HTTP/1.1", "Host: s3.local", "Date: "+date, "X-Amz-Meta-A-B:4", "X-Amz-Meta-A:   one", "   two  ", "x-amz-meta-a: three",
		"Authorization: AWS "+accessKey+":"+sign(text))
	if _, err := verifier(now).Verify(r); err != nil {
		t.Error(err)
	}
}

// signed is a request signed in its header, with something of everything.
func signed(t testing.TB) *http.Request {
	t.Helper()
	const date = "Fri, 24 May 2013 00:00:00 GMT"
	text := "PUT\nmd5\ntext/plain\n" + date + "\nx-amz-acl:private\nx-amz-meta-a:1,2\n/bucket/a%2fb?partNumber=1&uploadId=u v"
	return read(t, "PUT /a%2fb?uploadId=u%20v&partNumber=1&x-id=UploadPart HTTP/1.1", "Host: bucket.s3.local", "Content-MD5: md5",
		"Content-Type: text/plain", "Date: "+date, "X-Amz-Acl: private", "X-Amz-Meta-A: 1", "X-Amz-Meta-A: 2",
		"Authorization: AWS "+accessKey+":"+sign(text))
}

// presigned is the same in the query.
func presigned(t testing.TB, at time.Time) *http.Request {
	t.Helper()
	expires := strconv.FormatInt(at.Unix(), 10)
	text := "PUT\nmd5\ntext/plain\n" + expires + "\nx-amz-acl:private\nx-amz-meta-a:1,2\n/bucket/a%2fb?partNumber=1&uploadId=u v"
	return read(t, "PUT /a%2fb?uploadId=u%20v&partNumber=1&x-id=UploadPart&AWSAccessKeyId="+accessKey+"&Expires="+expires+
		"&Signature="+url.QueryEscape(sign(text))+" HTTP/1.1",
		"Host: bucket.s3.local", "Content-MD5: md5", "Content-Type: text/plain", "X-Amz-Acl: private", "X-Amz-Meta-A: 1", "X-Amz-Meta-A: 2")
}

// TestTamper: nothing that is signed can be changed.
func TestTamper(t *testing.T) {
	t.Parallel()
	set := func(name string, values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header[http.CanonicalHeaderKey(name)] = values }
	}
	query := func(from, to string) func(*http.Request) {
		return func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, from, to, 1) }
	}
	changes := map[string]func(*http.Request){
		"nothing":             func(*http.Request) {},
		"method":              func(r *http.Request) { r.Method = "DELETE" },
		"bucket":              func(r *http.Request) { r.Host = "other.s3.local" },
		"path":                func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/a/c", "/a%2fc" },
		"case of an escape":   func(r *http.Request) { r.URL.RawPath = "/a%2Fb" },
		"path decoded":        func(r *http.Request) { r.URL.RawPath = "" },
		"slash behind":        func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/a/b/", "/a%2fb/" },
		"MD5":                 set("Content-MD5", "md6"),
		"no MD5":              set("Content-MD5"),
		"type":                set("Content-Type", "text/html"),
		"ACL":                 set("X-Amz-Acl", "public-read"),
		"no ACL":              set("X-Amz-Acl"),
		"order of values":     set("X-Amz-Meta-A", "2", "1"),
		"another value":       set("X-Amz-Meta-A", "1", "2", "3"),
		"another header":      set("X-Amz-Meta-B", ""),
		"part":                query("partNumber=1", "partNumber=2"),
		"part escaped":        query("partNumber=1", "p%61rtNumber=2"),
		"upload":              query("u%20v", "u"),
		"upload twice":        query("uploadId=", "uploadId=x&uploadId="),
		"no upload":           query("uploadId=", "x="),
		"another subresource": query("x-id=", "acl&x-id="),
		"an override":         query("x-id=", "response-content-type=text/html&x-id="),
		"signature":           query("Signature=", "Signature=x"),
		"no signature at all": query("Signature=", "S="),
		"expiry":              query("Expires=1", "Expires=2"),
	}
	onlyHeader := map[string]func(*http.Request){
		"date":         set("Date", "Fri, 24 May 2013 00:00:01 GMT"),
		"another date": set("X-Amz-Date", "Fri, 24 May 2013 00:00:00 GMT"),
		"an ACL that is a parameter": func(r *http.Request) {
			r.Header.Del("X-Amz-Acl")
			r.URL.RawQuery += "&x-amz-acl=private"
		},
		"signature": func(r *http.Request) { r.Header.Set("Authorization", "AWS "+accessKey+":"+sign("")) },
	}
	try := func(kind string, r *http.Request, name string, change func(*http.Request)) {
		before := r.Method + r.Host + r.URL.EscapedPath() + r.URL.RawQuery + headerText(r)
		change(r)
		same := before == r.Method+r.Host+r.URL.EscapedPath()+r.URL.RawQuery+headerText(r)
		if key, err := verifier(now).Verify(r); same != (err == nil) || err != nil && key != "" {
			t.Errorf("%s, changed %s: %q, %v", kind, name, key, err)
		}
	}
	for name, change := range changes {
		try("header", signed(t), name, change)
		try("presigned", presigned(t, now), name, change)
	}
	for name, change := range onlyHeader {
		try("header", signed(t), name, change)
	}
}

func headerText(r *http.Request) string {
	var b strings.Builder
	r.Header.Write(&b)
	return b.String()
}

func TestRefused(t *testing.T) {
	t.Parallel()
	auth := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", value) }
	}
	replace := func(from, to string) func(*http.Request) {
		return func(r *http.Request) { auth(strings.Replace(r.Header.Get("Authorization"), from, to, 1))(r) }
	}
	date := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("X-Amz-Date", value) }
	}
	query := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.URL.RawQuery = value }
	}
	for name, tt := range map[string]struct {
		change func(*http.Request)
		want   error
	}{
		"unknown key":       {replace(accessKey, "AKIANOBODY"), sigv4.ErrUnknownKey},
		"no signature":      {auth("AWS " + accessKey + ":"), sigv4.ErrMalformed},
		"no colon":          {auth("AWS " + accessKey), sigv4.ErrMalformed},
		"no key":            {auth("AWS :c2ln"), sigv4.ErrMalformed},
		"nothing":           {auth("AWS "), sigv4.ErrMalformed},
		"Basic":             {auth("Basic x:y"), sigv4.ErrMalformed},
		"none":              {func(r *http.Request) { r.Header.Del("Authorization") }, sigv4.ErrMalformed},
		"other signature":   {auth("AWS " + accessKey + ":c2ln"), sigv4.ErrMismatch},
		"no base64":         {auth("AWS " + accessKey + ":%%%"), sigv4.ErrMismatch},
		"no date":           {func(r *http.Request) { r.Header.Del("Date") }, sigv4.ErrMissingDate},
		"bad date":          {date("today"), sigv4.ErrMissingDate},
		"empty x-amz-date":  {date(""), sigv4.ErrMissingDate},
		"late":              {date("Fri, 24 May 2013 00:15:01 GMT"), sigv4.ErrTimeSkewed},
		"early":             {date("Thu, 23 May 2013 23:44:59 +0000"), sigv4.ErrTimeSkewed},
		"early, as in V4":   {date("20130523T234459Z"), sigv4.ErrTimeSkewed},
		"bad query":         {query("a=%zz"), sigv4.ErrQueryMalformed},
		"also in the query": {query("Signature=a"), sigv4.ErrTwoAuthorizations},
		"also V4":           {query("X-Amz-Algorithm=AWS4-HMAC-SHA256"), sigv4.ErrTwoAuthorizations},
	} {
		r := signed(t)
		tt.change(r)
		if _, err := verifier(now).Verify(r); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	for raw, want := range map[string]error{
		"AWSAccessKeyId=nobody&Expires=1369353600&Signature=a":                              sigv4.ErrUnknownKey,
		"AWSAccessKeyId=" + accessKey + "&Expires=1369353600&Signature=a":                   sigv4.ErrMismatch,
		"AWSAccessKeyId=" + accessKey + "&Expires=1369353599&Signature=a":                   sigv4.ErrExpired,
		"AWSAccessKeyId=" + accessKey + "&Expires=-1&Signature=a":                           sigv4.ErrExpired,
		"AWSAccessKeyId=" + accessKey + "&Expires=x&Signature=a":                            sigv4.ErrQueryMalformed,
		"AWSAccessKeyId=" + accessKey + "&Expires=99999999999999999999&Signature=a":         sigv4.ErrQueryMalformed,
		"AWSAccessKeyId=" + accessKey + "&Signature=a":                                      sigv4.ErrQueryMalformed,
		"AWSAccessKeyId=" + accessKey + "&Expires=1369353600":                               sigv4.ErrQueryMalformed,
		"Expires=1369353600&Signature=a":                                                    sigv4.ErrQueryMalformed,
		"AWSAccessKeyId=" + accessKey + "&Expires=1369353600&Expires=1369353601&Signature=": sigv4.ErrQueryMalformed,
		"Signature=a&X-Amz-Signature=a":                                                     sigv4.ErrTwoAuthorizations,
	} {
		r := httptest.NewRequest("GET", "/b/k?"+raw, nil)
		if _, err := verifier(now).Verify(r); !errors.Is(err, want) || !verifier(now).Matches(r) {
			t.Errorf("%s: %v, want %v", raw, err, want)
		}
	}
}

func TestDates(t *testing.T) {
	t.Parallel()
	for _, date := range []string{
		"Fri, 24 May 2013 00:00:00 GMT", "Fri, 24 May 2013 02:00:00 +0200", "Friday, 24-May-13 00:00:00 GMT", "Fri May 24 00:00:00 2013", "20130524T000000Z",
	} {
		for name, text := range map[string]string{
			"Date":       "GET\n\n\n" + date + "\n/b/k",
			"x-amz-date": "GET\n\n\n\nx-amz-date:" + date + "\n/b/k",
		} {
			r := read(t, "GET /b/k HTTP/1.1", "Host: s3.local", name+": "+date, "Authorization: AWS "+accessKey+":"+sign(text))
			if _, err := verifier(now).Verify(r); err != nil {
				t.Errorf("%s: %s: %v", name, date, err)
			}
		}
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]bool{
		"/": false, "/?AWSAccessKeyId=a": true, "/?Signature=": true, "/?X-Amz-Signature=a": false, "/?Expires=1": false,
	} {
		if got := verifier(now).Matches(httptest.NewRequest("GET", target, nil)); got != want {
			t.Errorf("%s: %v", target, got)
		}
	}
	for auth, want := range map[string]bool{"AWS a:b": true, "AWS4-HMAC-SHA256 Credential=a": false, "Basic x": false, "": false} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", auth)
		if got := verifier(now).Matches(r); got != want {
			t.Errorf("%s: %v", auth, got)
		}
	}
}

// TestDefaults: no clock and no bucket function will do.
func TestDefaults(t *testing.T) {
	t.Parallel()
	v := sigv2.New(sigv2.Options{Secrets: func(context.Context, string) (string, error) { return secretKey, nil }})
	date := time.Now().UTC().Format(http.TimeFormat)
	r := read(t, "GET /b HTTP/1.1", "Host: b.s3.local", "Date: "+date, "Authorization: AWS tenant:user:"+sign("GET\n\n\n"+date+"\n/b/"))
	if key, err := v.Verify(r); key != "tenant:user" || err != nil {
		t.Errorf("%q, %v", key, err)
	}
}

// FuzzSigned: a request that is signed by the rules verifies, whatever it is.
func FuzzSigned(f *testing.F) {
	f.Add("/bucket/a%20b", "versionId", "HEAD^2", "text/plain", "value", true)
	f.Add("/bucket//%2F/..", "prefix", "a&acl", "", "", false)
	f.Fuzz(func(t *testing.T, path, name, value, contentType, meta string, inQuery bool) {
		u, err := url.ParseRequestURI(path)
		if err != nil || u.Path == "" || u.EscapedPath() != path {
			t.Skip()
		}
		u.RawQuery = url.Values{name: {value}}.Encode()
		r := &http.Request{Method: "PUT", Host: "s3.local", URL: u, Header: http.Header{"Content-Type": {contentType}, "X-Amz-Meta-A": {meta}}}
		if verifier(now).Matches(r) || strings.HasPrefix(name, "x-amz-") || strings.HasPrefix(name, "X-Amz-") || strings.HasPrefix(name, "content-") || name == "Expires" {
			t.Skip()
		}
		resource := path
		if strings.Contains(" acl versionId uploads response-content-type ", " "+name+" ") {
			resource += "?" + name
			if value != "" {
				resource += "=" + value
			}
		} else if name != "prefix" {
			t.Skip()
		}
		date := now.Format(http.TimeFormat)
		if inQuery {
			date = "1369353600"
		}
		signature := sign("PUT\n\n" + contentType + "\n" + date + "\nx-amz-meta-a:" + strings.TrimSpace(meta) + "\n" + resource)
		if inQuery {
			u.RawQuery += "&" + url.Values{"AWSAccessKeyId": {accessKey}, "Expires": {date}, "Signature": {signature}}.Encode()
		} else {
			r.Header.Set("Date", date)
			r.Header.Set("Authorization", "AWS "+accessKey+":"+signature)
		}
		if key, err := verifier(now).Verify(r); err != nil || key != accessKey {
			t.Fatalf("%q, %v", key, err)
		}
		r.Method = "GET"
		if _, err := verifier(now).Verify(r); !errors.Is(err, sigv4.ErrMismatch) {
			t.Fatalf("another method: %v", err)
		}
	})
}

// FuzzForged: nobody gets in without the secret, and nothing panics.
func FuzzForged(f *testing.F) {
	f.Add("AWS AKIAIOSFODNN7EXAMPLE:bWq2s1WEIj+Ydj0vQ697zp+IXMU=", "", "Fri, 24 May 2013 00:00:00 GMT", "/b")
	f.Add("", "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=9999999999&Signature=a&x-amz-acl=private", "", "/")
	f.Fuzz(func(t *testing.T, auth, query, date, path string) {
		r := &http.Request{Method: "GET", Host: "b.s3.local", URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{"Date": {date}}}
		if auth != "" {
			r.Header.Set("Authorization", auth)
		}
		v := verifier(now)
		v.Matches(r)
		if key, err := v.Verify(r); err == nil || key != "" {
			t.Fatalf("somebody forged a signature: %q", key)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	r, v := signed(b), verifier(now)
	for b.Loop() {
		if _, err := v.Verify(r); err != nil {
			b.Fatal(err)
		}
	}
}
