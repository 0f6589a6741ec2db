package gateway_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"

	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"caret/commits/revision"
	"caret/pfs"
)

// raw sends a signed request that no SDK would make. Headers are signed too.
func (s server) raw(t testing.TB, method, path, body string, header ...string) (int, string, http.Header) {
	t.Helper()
	u := s.URL + path
	r, err := http.NewRequest(method, u, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	payload := "UNSIGNED-PAYLOAD"
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if strings.EqualFold(header[i], "X-Amz-Content-Sha256") {
			payload = header[i+1]
		}
	}
	r.Header.Set("X-Amz-Content-Sha256", payload)
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err := signer.SignHTTP(context.Background(), aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, r, payload, "s3", "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	return s.send(t, r)
}

func (s server) send(t testing.TB, r *http.Request) (int, string, http.Header) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}

// errorCode reads the code of an error document, which must be well-formed.
func errorCode(t testing.TB, body string) string {
	t.Helper()
	var doc struct {
		XMLName                            xml.Name `xml:"Error"`
		Code, Message, Resource, RequestID string
	}
	if err := xml.Unmarshal([]byte(body), &doc); err != nil {
		return "not an error document: " + body
	}
	if doc.Message == "" || strings.Contains(body, "\n ") {
		t.Errorf("error document %q", body)
	}
	return doc.Code
}

func md5Of(s string) string {
	h := md5.Sum([]byte(s))
	return base64.StdEncoding.EncodeToString(h[:])
}

// TestBadInput: each has its own error, and nothing is stored.
func TestBadInput(t *testing.T) {
	t.Parallel()
	s, _ := newBucket(t)
	other := sha256.Sum256([]byte("other"))
	long := strings.Repeat("k", 1025)
	deleteDoc := "<Delete><Object><Key>k</Key></Object></Delete>"
	for name, tt := range map[string]struct {
		method, path, body string
		header             []string
		status             int
		code               string
	}{
		"bad bucket":              {"PUT", "/bad_.sales/k", "x", nil, 404, "NoSuchBucket"},
		"bucket of bad letters":   {"PUT", "/a%24b/k", "x", nil, 400, "InvalidBucketName"},
		"bucket of four labels":   {"PUT", "/a.b.c.d/k", "x", nil, 400, "InvalidBucketName"},
		"empty label":             {"PUT", "/.sales/k", "x", nil, 400, "InvalidBucketName"},
		"create beyond 63":        {"PUT", "/" + strings.Repeat("a", 64), "", nil, 400, "InvalidBucketName"},
		"malformed version":       {"GET", "/master.sales/k?versionId=HEAD%5E%5E3x", "", nil, 400, "InvalidArgument"},
		"empty version":           {"GET", "/master.sales/k?versionId=", "", nil, 400, "InvalidArgument"},
		"version out of range":    {"GET", "/master.sales/k?versionId=HEAD%5E4294967297", "", nil, 404, "NoSuchVersion"},
		"version zero":            {"GET", "/master.sales/k?versionId=.0", "", nil, 404, "NoSuchVersion"},
		"override with a NUL":     {"GET", "/master.sales/k?response-content-type=a%00b", "", nil, 400, "InvalidArgument"},
		"override of two lines":   {"GET", "/master.sales/k?response-expires=a%0D%0AX:%20b", "", nil, 400, "InvalidArgument"},
		"key too long":            {"PUT", "/master.sales/" + long, "x", nil, 400, "KeyTooLongError"},
		"key not UTF-8":           {"PUT", "/master.sales/a%FF", "x", nil, 400, "InvalidArgument"},
		"metadata too large":      {"PUT", "/master.sales/k", "x", []string{"X-Amz-Meta-A", strings.Repeat("v", 8192)}, 400, "MetadataTooLarge"},
		"wrong payload hash":      {"PUT", "/master.sales/k", "x", []string{"X-Amz-Content-Sha256", hex.EncodeToString(other[:])}, 400, "XAmzContentSHA256Mismatch"},
		"payload hash of garbage": {"PUT", "/master.sales/k", "x", []string{"X-Amz-Content-Sha256", "garbage"}, 400, "InvalidArgument"},
		"wrong MD5":               {"PUT", "/master.sales/k", "x", []string{"Content-MD5", md5Of("y")}, 400, "BadDigest"},
		"no MD5":                  {"PUT", "/master.sales/k", "x", []string{"Content-MD5", "garbage"}, 400, "InvalidDigest"},
		"wrong checksum":          {"PUT", "/master.sales/k", "x", []string{"x-amz-checksum-crc32", "AAAAAA=="}, 400, "BadDigest"},
		"unknown checksum":        {"PUT", "/master.sales/k", "x", []string{"x-amz-checksum-crc16", "AAA="}, 400, "InvalidRequest"},
		"two checksums":           {"PUT", "/master.sales/k", "x", []string{"x-amz-checksum-crc32", "AAAAAA==", "x-amz-checksum-crc32c", "AAAAAA=="}, 400, "InvalidRequest"},
		"framing that is none": {"PUT", "/master.sales/k", "hello", []string{"X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "X-Amz-Decoded-Content-Length", "5"},
			400, "IncompleteBody"},
		"framing without a length": {"PUT", "/master.sales/k", "0\r\n\r\n", []string{"X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}, 411, "MissingContentLength"},
		"framing undeclared":       {"PUT", "/master.sales/k", "0\r\n\r\n", []string{"Content-Encoding", "aws-chunked", "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"}, 400, "InvalidArgument"},
		"upload too short": {"PUT", "/master.sales/k", "3\r\nabc\r\n0\r\n\r\n", []string{"X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "X-Amz-Decoded-Content-Length", "5"},
			400, "IncompleteBody"},
		"write with a version":    {"PUT", "/master.sales/k?versionId=HEAD", "x", nil, 400, "InvalidArgument"},
		"history":                 {"PUT", "/HEAD-1.master.sales/k", "x", nil, 404, "NoSuchBucket"},
		"head condition":          {"PUT", "/master.sales/k", "x", []string{"x-caret-if-head", "4f1d0123456740aa8bcd0123456789ab"}, 412, "PreconditionFailed"},
		"bad head condition":      {"PUT", "/master.sales/k", "x", []string{"x-caret-if-head", "HEAD^^3x"}, 400, "InvalidArgument"},
		"malformed tags":          {"PUT", "/master.sales/k", "x", []string{"x-amz-tagging", "a=b;%zz"}, 400, "InvalidArgument"},
		"a tag twice":             {"PUT", "/master.sales/k", "x", []string{"x-amz-tagging", "a=b&a=c"}, 400, "InvalidTag"},
		"a reserved tag":          {"PUT", "/master.sales/k", "x", []string{"x-amz-tagging", "aws:a=b"}, 400, "InvalidTag"},
		"unknown canned ACL":      {"PUT", "/master.sales/k", "x", []string{"x-amz-acl", "publick"}, 400, "InvalidArgument"},
		"grant to nobody":         {"PUT", "/master.sales/k", "x", []string{"x-amz-grant-read", `id="nobody"`}, 400, "InvalidArgument"},
		"two kinds of ACL":        {"PUT", "/master.sales/k", "x", []string{"x-amz-acl", "private", "x-amz-grant-read", `id="root"`}, 400, "InvalidRequest"},
		"unknown storage class":   {"PUT", "/master.sales/k", "x", []string{"x-amz-storage-class", "NONSENSE"}, 400, "InvalidStorageClass"},
		"encryption":              {"PUT", "/master.sales/k", "x", []string{"x-amz-server-side-encryption", "aws:kms"}, 501, "NotImplemented"},
		"message not UTF-8":       {"PUT", "/master.sales/k", "x", []string{"x-caret-message", "\xff"}, 400, "InvalidArgument"},
		"content type not UTF-8":  {"PUT", "/master.sales/k", "x", []string{"Content-Type", "\xff"}, 400, "InvalidArgument"},
		"other bucket owner":      {"GET", "/master.sales", "", []string{"x-amz-expected-bucket-owner", "other"}, 403, "AccessDenied"},
		"other owner of a source": {"PUT", "/master.sales/k", "", []string{"x-amz-copy-source", "/master.sales/k", "x-amz-source-expected-bucket-owner", "other"}, 403, "AccessDenied"},
		"object lock":             {"PUT", "/dev.sales", "", []string{"x-amz-bucket-object-lock-enabled", "true"}, 501, "NotImplemented"},
		"object ownership":        {"PUT", "/dev.sales", "", []string{"x-amz-object-ownership", "ObjectWriter"}, 501, "NotImplemented"},
		"condition on size":       {"DELETE", "/master.sales/k", "", []string{"x-amz-if-match-size", "1"}, 501, "NotImplemented"},
		"part without upload":     {"PUT", "/master.sales/k?partNumber=1", "x", nil, 400, "InvalidArgument"},
		"not an archive":          {"PUT", "/master.sales/k", "x", []string{"x-amz-meta-snowball-auto-extract", "true"}, 400, "IncompleteBody"},
		"garbage behind XML":      {"POST", "/master.sales?delete", "<Delete><Object><Key>k</Key></Object></Delete>garbage", nil, 400, "MalformedXML"},
		"version marker alone":    {"GET", "/master.sales?versions&version-id-marker=0123456789ab4123a123456789abcdef", "", nil, 400, "InvalidArgument"},
		"bad version marker":      {"GET", "/master.sales?versions&key-marker=k&version-id-marker=x", "", nil, 400, "InvalidArgument"},
		"encryption neither":      {"PUT", "/master.sales/k", "x", []string{"x-amz-server-side-encryption-customer-algorithm", "AES256"}, 501, "NotImplemented"},
		"tagging is no put":       {"PUT", "/master.sales/k?tagging", "<Tagging/>", nil, 404, "NoSuchKey"},
		"tagging of other XML":    {"PUT", "/master.sales/k?tagging", "<Taggings/>", nil, 400, "MalformedXML"},
		"acl is no put":           {"PUT", "/master.sales/k?acl", "x", nil, 404, "NoSuchKey"},
		"malformed acl":           {"PUT", "/master.sales?acl", "x", nil, 400, "MalformedACLError"},
		"malformed cors":          {"PUT", "/master.sales?cors", "<CORSConfiguration/>", nil, 400, "MalformedXML"},
		"retention is no put":     {"PUT", "/master.sales/k?retention", "x", nil, 501, "NotImplemented"},
		"policy is no bucket":     {"PUT", "/new.sales?policy", "{}", nil, 501, "NotImplemented"},
		"lifecycle is no bucket":  {"DELETE", "/master.sales?lifecycle", "", nil, 501, "NotImplemented"},
		"restore is no upload":    {"POST", "/master.sales/k?restore", "", nil, 501, "NotImplemented"},
		"select neither":          {"POST", "/master.sales/k?select&select-type=2", "", nil, 501, "NotImplemented"},
		"post of a form":          {"POST", "/master.sales", "", nil, 501, "NotImplemented"},
		"unknown method":          {"PATCH", "/master.sales/k", "", nil, 405, "MethodNotAllowed"},
		"post to the service":     {"PUT", "/", "", nil, 405, "MethodNotAllowed"},
		"max-keys":                {"GET", "/master.sales?max-keys=-1", "", nil, 400, "InvalidArgument"},
		"max-keys of letters":     {"GET", "/master.sales?max-keys=x", "", nil, 400, "InvalidArgument"},
		"list-type":               {"GET", "/master.sales?list-type=3", "", nil, 400, "InvalidArgument"},
		"encoding-type":           {"GET", "/master.sales?encoding-type=base64", "", nil, 400, "InvalidArgument"},
		"continuation-token":      {"GET", "/master.sales?list-type=2&continuation-token=%21", "", nil, 400, "InvalidArgument"},
		"upload of nothing":       {"PUT", "/master.sales/k?partNumber=1&uploadId=00", "x", nil, 404, "NoSuchUpload"},
		"part number":             {"PUT", "/master.sales/k?partNumber=10001&uploadId=00", "x", nil, 400, "InvalidArgument"},
		"part number of letters":  {"PUT", "/master.sales/k?partNumber=x&uploadId=00", "x", nil, 400, "InvalidArgument"},
		"complete of nothing":     {"POST", "/master.sales/k?uploadId=00", "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>", nil, 404, "NoSuchUpload"},
		"complete of no parts":    {"POST", "/master.sales/k?uploadId=00", "<CompleteMultipartUpload/>", nil, 400, "MalformedXML"},
		"not XML":                 {"POST", "/master.sales?delete", "{}", nil, 400, "MalformedXML"},
		"other XML":               {"POST", "/master.sales?delete", "<X/>", nil, 400, "MalformedXML"},
		"delete of nothing":       {"POST", "/master.sales?delete", "<Delete/>", nil, 400, "MalformedXML"},
		"delete with wrong MD5":   {"POST", "/master.sales?delete", deleteDoc, []string{"Content-MD5", md5Of("y")}, 400, "BadDigest"},
		"huge XML":                {"POST", "/master.sales?delete", "<Delete>" + strings.Repeat(" ", 5<<20), nil, 400, "MalformedXML"},
		"versioning of garbage":   {"PUT", "/master.sales?versioning", "<X/>", nil, 400, "MalformedXML"},
		"location elsewhere": {"PUT", "/new.sales", "<CreateBucketConfiguration><LocationConstraint>mars</LocationConstraint></CreateBucketConfiguration>", nil,
			400, "InvalidLocationConstraint"},
		"copy of nothing":        {"PUT", "/master.sales/k", "", []string{"x-amz-copy-source", "/master.sales/nosuch"}, 404, "NoSuchKey"},
		"directive":              {"PUT", "/master.sales/k", "", []string{"x-amz-copy-source", "/master.sales/nosuch", "x-amz-metadata-directive", "MERGE"}, 404, "NoSuchKey"},
		"checksum type":          {"POST", "/master.sales/k?uploads", "", []string{"x-amz-checksum-algorithm", "SHA256", "x-amz-checksum-type", "FULL_OBJECT"}, 400, "InvalidRequest"},
		"checksum type alone":    {"POST", "/master.sales/k?uploads", "", []string{"x-amz-checksum-type", "FULL_OBJECT"}, 400, "InvalidRequest"},
		"checksum of an unknown": {"POST", "/master.sales/k?uploads", "", []string{"x-amz-checksum-algorithm", "ROT13"}, 400, "InvalidRequest"},
	} {
		status, body, h := s.raw(t, tt.method, tt.path, tt.body, tt.header...)
		if got := errorCode(t, body); status != tt.status || got != tt.code {
			t.Errorf("%s: %d %s, want %d %s", name, status, got, tt.status, tt.code)
		}
		if h.Get("X-Amz-Request-Id") == "" || h.Get("Date") == "" || h.Get("Content-Type") != "application/xml" {
			t.Errorf("%s: headers %v", name, h)
		}
	}
	s.checkEmpty(t)
}

// checkEmpty: no commit was made and no upload begun.
func (s server) checkEmpty(t *testing.T) {
	t.Helper()
	snap, err := s.fs.Open(t.Context(), pfs.Ref{Repo: "sales"}, pfs.ActList, "")
	if err != nil || snap.N != 0 {
		t.Errorf("%d commits were made, %v", snap.N, err)
	}
	ups, err := snap.Uploads(t.Context(), pfs.UploadsOptions{Limit: 10})
	if err != nil || len(ups.Items) > 0 {
		t.Errorf("uploads were begun: %+v, %v", ups, err)
	}
	repos, err := s.fs.Repos(t.Context(), "", 0)
	if err != nil || len(repos) != 1 {
		t.Errorf("repos were made: %+v, %v", repos, err)
	}
}

// TestUnsigned: nothing is done for somebody without a key.
func TestUnsigned(t *testing.T) {
	t.Parallel()
	s, _ := newBucket(t)
	for name, tt := range map[string]struct {
		change func(*http.Request)
		status int
		code   string
	}{
		"anonymous":    {func(*http.Request) {}, 403, "AccessDenied"},
		"garbage":      {func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 garbage") }, 400, "AuthorizationHeaderMalformed"},
		"V2":           {func(r *http.Request) { r.Header.Set("Authorization", "AWS a:b") }, 403, "AccessDenied"},
		"presigned":    {func(r *http.Request) { r.URL.RawQuery = "X-Amz-Signature=00" }, 400, "AuthorizationQueryParametersError"},
		"wrong secret": {func(r *http.Request) { sign(t, r, accessKey, "wrong", time.Now()) }, 403, "SignatureDoesNotMatch"},
		"unknown key":  {func(r *http.Request) { sign(t, r, "NOBODY", secretKey, time.Now()) }, 403, "InvalidAccessKeyId"},
		"old":          {func(r *http.Request) { sign(t, r, accessKey, secretKey, time.Now().Add(-time.Hour)) }, 403, "RequestTimeTooSkewed"},
	} {
		for _, method := range []string{"GET", "PUT", "DELETE", "POST"} {
			r, err := http.NewRequest(method, s.URL+"/master.sales/k", strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			tt.change(r)
			status, body, _ := s.send(t, r)
			if got := errorCode(t, body); status != tt.status || got != tt.code {
				t.Errorf("%s %s: %d %s, want %d %s", name, method, status, got, tt.status, tt.code)
			}
		}
	}
	s.checkEmpty(t)
}

func sign(t testing.TB, r *http.Request, key, secret string, at time.Time) {
	t.Helper()
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, r, "UNSIGNED-PAYLOAD", "s3", "us-east-1", at)
	if err != nil {
		t.Fatal(err)
	}
}

// TestShortBody: a connection that ends before the body does stores nothing.
func TestShortBody(t *testing.T) {
	t.Parallel()
	s, _ := newBucket(t)
	for _, size := range []int{1000, 3 << 20} {
		r, err := http.NewRequest("PUT", s.URL+"/master.sales/k", bytes.NewReader(make([]byte, size)))
		if err != nil {
			t.Fatal(err)
		}
		sign(t, r, accessKey, secretKey, time.Now())
		var head bytes.Buffer
		if err := r.Write(&head); err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(head.Bytes()[:head.Len()-10]); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if !bytes.Contains(answer, []byte("400 Bad Request")) || !bytes.Contains(answer, []byte("IncompleteBody")) {
			t.Errorf("%d bytes: %s", size, answer)
		}
	}
	s.checkEmpty(t)
}

// TestExpectContinue: a client that asks is told to go on, also if its body
// is empty; one whose request is refused beforehand is not.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	s, _ := newBucket(t)
	for _, tt := range []struct {
		path, body string
		status     []string
	}{
		{"/master.sales/empty", "", []string{"100 Continue", "200 OK"}},
		{"/master.sales/full", "data", []string{"100 Continue", "200 OK"}},
		{"/master.absent/full", "data", []string{"404 Not Found"}},
	} {
		r, err := http.NewRequest("PUT", s.URL+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Expect", "100-continue")
		r.Close = true
		sign(t, r, accessKey, secretKey, time.Now())
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Write(conn); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		var status []string
		for line := range strings.Lines(string(answer)) {
			if text, ok := strings.CutPrefix(strings.TrimSpace(line), "HTTP/1.1 "); ok {
				status = append(status, text)
			}
		}
		if !slices.Equal(status, tt.status) {
			t.Errorf("%s: %q, want %q", tt.path, status, tt.status)
		}
	}
}

// TestProbes: what clients ask a bucket about is answered as AWS would.
func TestProbes(t *testing.T) {
	t.Parallel()
	s, c := newBucket(t)
	put(t, c, bucket, "k", "x")
	for sub, want := range map[string]string{
		"policy": "NoSuchBucketPolicy", "cors": "NoSuchCORSConfiguration", "lifecycle": "NoSuchLifecycleConfiguration",
		"encryption": "ServerSideEncryptionConfigurationNotFoundError", "tagging": "NoSuchTagSet",
		"object-lock": "ObjectLockConfigurationNotFoundError", "replication": "ReplicationConfigurationNotFoundError",
		"website": "NoSuchWebsiteConfiguration", "publicAccessBlock": "NoSuchPublicAccessBlockConfiguration",
		"ownershipControls": "OwnershipControlsNotFoundError",
		"logging":           "", "notification": "", "accelerate": "", "requestPayment": "", "acl": "", "versioning": "", "location": "", "uploads": "",
	} {
		status, body, _ := s.raw(t, "GET", "/master.sales?"+sub, "")
		if want == "" {
			if status != 200 || xml.Unmarshal([]byte(body), new(struct{})) != nil {
				t.Errorf("?%s: %d %s", sub, status, body)
			}
		} else if got := errorCode(t, body); status != 404 || got != want {
			t.Errorf("?%s: %d %s, want 404 %s", sub, status, got, want)
		}
		if status, body, _ := s.raw(t, "GET", "/nosuch.sales?"+sub, ""); status != 404 || errorCode(t, body) != "NoSuchBucket" {
			t.Errorf("?%s of no bucket: %d %s", sub, status, body)
		}
	}
	for _, sub := range []string{"tagging", "acl"} {
		if status, body, _ := s.raw(t, "GET", "/master.sales/k?"+sub, ""); status != 200 {
			t.Errorf("object ?%s: %d %s", sub, status, body)
		}
	}
	if status, _, _ := s.raw(t, "PUT", "/master.sales/k?x-id=PutObject&unknown=1", "x"); status != 200 {
		t.Errorf("unknown parameters: %d", status)
	}
	if status, body, h := s.raw(t, "HEAD", "/master.sales/nosuch", ""); status != 404 || body != "" || h.Get("X-Amz-Request-Id") == "" {
		t.Errorf("HEAD of nothing: %d %q %v", status, body, h)
	}
}

// TestCommitHeaders: a write tells its commit, and takes a message.
func TestCommitHeaders(t *testing.T) {
	t.Parallel()
	s, _ := newBucket(t)
	status, _, h := s.raw(t, "PUT", "/master.sales/k", "x", "x-caret-message", "why")
	id := h.Get("X-Amz-Version-Id")
	if status != 200 || len(id) != 32 || h.Get("X-Caret-Commit") != id {
		t.Fatalf("%d %v", status, h)
	}
	snap, err := s.fs.Open(t.Context(), pfs.Ref{Repo: "sales"}, pfs.ActList, "")
	if err != nil {
		t.Fatal(err)
	}
	log, err := snap.Log(t.Context(), pfs.LogOptions{})
	if err != nil || len(log) != 1 || log[0].Message != "why" || log[0].ID.String() != id || log[0].Author != "root" {
		t.Errorf("log %+v, %v", log, err)
	}
	if status, _, _ := s.raw(t, "PUT", "/master.sales/j", "x", "x-caret-if-head", id); status != 200 {
		t.Errorf("write on the expected head: %d", status)
	}
	if status, body, _ := s.raw(t, "PUT", "/master.sales/j", "x", "x-caret-if-head", id); status != 412 {
		t.Errorf("write on a head that moved: %d %s", status, body)
	}
	_, _, h = s.raw(t, "GET", "/master.sales/k", "")
	if h.Get("X-Amz-Version-Id") != id || h.Get("X-Caret-Commit") == id || h.Get("X-Caret-Commit") == "" {
		t.Errorf("GET tells %v", h)
	}
	target := url.PathEscape("HEAD^") + ".master.sales"
	if _, body, _ := s.raw(t, "GET", "/"+target+"/k", ""); body != "x" {
		t.Errorf("GET %s: %s", target, body)
	}
}

// TestBucketWarning: a bucket that some clients refuse is made, and the answer
// says what is wrong with its name.
func TestBucketWarning(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for name, want := range map[string]string{
		"Dev_2.sales":  "some clients refuse this bucket: it has upper-case letters; dev-2.sales would work with all",
		"master.sales": "",
	} {
		status, body, h := s.raw(t, "PUT", "/"+name, "")
		if status != 200 || h.Get("X-Caret-Warning") != want {
			t.Errorf("%s: %d %s, %q", name, status, body, h.Get("X-Caret-Warning"))
		}
	}
}

// TestLowerCaseNames: every state has a bucket name that the strictest clients
// take, whatever its time.
func TestLowerCaseNames(t *testing.T) {
	t.Parallel()
	s, _ := newBucket(t)
	s.raw(t, "PUT", "/master.sales/k", "one")
	_, _, h := s.raw(t, "PUT", "/master.sales/k", "two")
	id := h.Get("X-Amz-Version-Id")
	for name, want := range map[string]string{
		"head-1.master.sales": "one", "head-0.master.sales": "two", "head.master.sales": "two", id + ".master.sales": "two", id + "-1.sales": "one",
		"at-21001120t120000z.master.sales": "two", "at-21001120t120000z.sales": "two",
	} {
		if why, _ := revision.CheckHost(name); why != "" {
			t.Errorf("%s: %s", name, why)
		}
		if status, body, _ := s.raw(t, "GET", "/"+name+"/k", ""); status != 200 || body != want {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}
