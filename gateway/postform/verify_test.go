package postform_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"mime/multipart"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/minio/minio-go/v7"
	miniocreds "github.com/minio/minio-go/v7/pkg/credentials"

	"caret/gateway/postform"
	"caret/gateway/sigv4"
)

const (
	accessKey = "AKIAIOSFODNN7EXAMPLE"
	secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

func secrets(_ context.Context, key string) (string, error) {
	if key != accessKey {
		return "", sigv4.ErrUnknownKey
	}
	return secretKey, nil
}

// The example of https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html
// whose lines end in CRLF.
var awsPolicy = strings.ReplaceAll(`{ "expiration": "2015-12-30T12:00:00.000Z",
  "conditions": [
    {"bucket": "sigv4examplebucket"},
    ["starts-with", "$key", "user/user1/"],
    {"acl": "public-read"},
    {"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},
    ["starts-with", "$Content-Type", "image/"],
    {"x-amz-meta-uuid": "14365123651274"},
    {"x-amz-server-side-encryption": "AES256"},
    ["starts-with", "$x-amz-meta-tag", ""],

    {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},
    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},
    {"x-amz-date": "20151229T000000Z" }
  ]
}`, "\n", "\r\n")

const awsSignature = "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"

// awsForm is the form of that page, with the names as it has them.
func awsForm() [][2]string {
	return [][2]string{
		{"key", "user/user1/${filename}"},
		{"acl", "public-read"},
		{"success_action_redirect", "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},
		{"Content-Type", "image/jpeg"},
		{"x-amz-meta-uuid", "14365123651274"},
		{"x-amz-server-side-encryption", "AES256"},
		{"X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},
		{"X-Amz-Algorithm", "AWS4-HMAC-SHA256"},
		{"X-Amz-Date", "20151229T000000Z"},
		{"x-amz-meta-tag", ""},
		{"Policy", encode(awsPolicy)},
		{"X-Amz-Signature", awsSignature},
	}
}

// sent is a form as a server reads it.
func sent(t testing.TB, fields [][2]string, content string) *postform.Form {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, f := range fields {
		w.WriteField(f[0], f[1])
	}
	file, err := w.CreateFormFile("file", "MyPhoto.jpg")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(file, content)
	w.WriteField("submit", "Upload to Amazon S3")
	w.Close()
	r := httptest.NewRequest("POST", "/", &body)
	r.Header.Set("Content-Type", w.FormDataContentType())
	f, err := postform.Read(r)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// accept is what the caller does with a form.
func accept(t testing.TB, f *postform.Form, bucket string, at time.Time) (key, content string, err error) {
	t.Helper()
	if key, err = postform.Verify(t.Context(), f, secrets, at); err != nil {
		return key, "", err
	}
	p, err := postform.ParsePolicy(f.Fields.Get("policy"))
	if err != nil {
		return "", "", err
	}
	if err := p.Check(f, bucket, at); err != nil {
		return "", "", err
	}
	data, err := io.ReadAll(p.Reader(f.File))
	return key, string(data), err
}

func TestAWSExample(t *testing.T) {
	t.Parallel()
	f := sent(t, awsForm(), "photo")
	if got := f.Fields.Get("key"); got != "user/user1/MyPhoto.jpg" {
		t.Errorf("key %q", got)
	}
	if key, content, err := accept(t, f, "sigv4examplebucket", now); key != accessKey || content != "photo" || err != nil {
		t.Errorf("%q, %q, %v", key, content, err)
	}
	if _, _, err := accept(t, sent(t, awsForm(), ""), "other", now); !errors.Is(err, postform.ErrConditionFailed) {
		t.Errorf("other bucket: %v", err)
	}
	if _, _, err := accept(t, sent(t, awsForm(), ""), "sigv4examplebucket", now.Add(37*time.Hour)); !errors.Is(err, postform.ErrPolicyExpired) {
		t.Errorf("late: %v", err)
	}
}

// TestTamper: whatever field is changed, added or taken away, the form is
// refused, but for what its policy leaves open.
func TestTamper(t *testing.T) {
	t.Parallel()
	open := map[string]bool{"key": true, "Content-Type": true, "x-amz-meta-tag": true}
	for i, field := range awsForm() {
		changed := awsForm()
		changed[i][1] += "x"
		_, _, err := accept(t, sent(t, changed, ""), "sigv4examplebucket", now)
		if open[field[0]] != (err == nil) {
			t.Errorf("changed %s: %v", field[0], err)
		}
		if field[0] == "key" || field[0] == "x-amz-meta-tag" {
			continue
		}
		without := append(awsForm()[:i:i], awsForm()[i+1:]...)
		key, _, err := accept(t, sent(t, without, ""), "sigv4examplebucket", now)
		if err == nil || key != "" {
			t.Errorf("without %s: %q, %v", field[0], key, err)
		}
	}
	for _, more := range []string{"x-amz-storage-class", "acl", "bucket", "X-Amz-Signature", "filename"} {
		_, _, err := accept(t, sent(t, append(awsForm(), [2]string{more, "x"}), ""), "sigv4examplebucket", now)
		if (err == nil) != (more == "bucket") { // which has a condition, on the bucket itself
			t.Errorf("with %s: %v", more, err)
		}
	}
}

// TestBotocore is a form of version 2 that botocore 1.43.11 made.
func TestBotocore(t *testing.T) {
	t.Parallel()
	f := sent(t, [][2]string{
		{"acl", "private"},
		{"key", "user/user1/${filename}"},
		{"AWSAccessKeyId", accessKey},
		{"policy", "eyJleHBpcmF0aW9uIjogIjIwMjYtMTEtMjFUMDk6MDU6NDFaIiwgImNvbmRpdGlvbnMiOiBbeyJhY2wiOiAicHJpdmF0ZSJ9LCBbImNvbnRlbnQtbGVuZ3RoLXJhbmdlIiwgMSwgMTBdLCB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwgWyJzdGFydHMtd2l0aCIsICIka2V5IiwgInVzZXIvdXNlcjEvIl1dfQ=="},
		{"signature", "iGMSfTa1JpLIbA2Bjtm/QKq2RG0="},
	}, "photo")
	at := time.Date(2026, 11, 21, 9, 5, 41, 0, time.UTC)
	if key, content, err := accept(t, f, "sigv4examplebucket", at); key != accessKey || content != "photo" || err != nil {
		t.Errorf("%q, %q, %v", key, content, err)
	}
}

// TestSDK: forms that AWS's SDK for Go makes are accepted.
func TestSDK(t *testing.T) {
	t.Parallel()
	client := s3.NewPresignClient(s3.New(s3.Options{
		Region: "eu-west-9", Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
		BaseEndpoint: aws.String("http://h"),
	}))
	form, err := client.PresignPostObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("k")}, func(o *s3.PresignPostOptions) {
		o.Expires = time.Minute
		o.Conditions = []any{[]any{"content-length-range", 1, 5}, []any{"starts-with", "$acl", "p"}}
	})
	if err != nil {
		t.Fatal(err)
	}
	fields := [][2]string{{"acl", "private"}}
	for name, value := range form.Values {
		fields = append(fields, [2]string{name, value})
	}
	if key, _, err := accept(t, sent(t, fields, "12345"), "b", time.Now()); key != accessKey || err != nil {
		t.Errorf("%q, %v", key, err)
	}
	if _, _, err := accept(t, sent(t, fields, "123456"), "b", time.Now()); !errors.Is(err, postform.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
}

// TestMinio: forms of version 2 and 4 that minio-go makes are accepted.
func TestMinio(t *testing.T) {
	t.Parallel()
	for name, creds := range map[string]*miniocreds.Credentials{
		"V2": miniocreds.NewStaticV2(accessKey, secretKey, ""), "V4": miniocreds.NewStaticV4(accessKey, secretKey, ""),
	} {
		client, err := minio.New("h", &minio.Options{Creds: creds, Region: "us-east-1"})
		if err != nil {
			t.Fatal(err)
		}
		p := minio.NewPostPolicy()
		for _, err := range []error{
			p.SetBucket("bucket"), p.SetKeyStartsWith("user/"), p.SetExpires(time.Now().Add(time.Minute)), p.SetContentType("image/png"),
			p.SetContentLengthRange(3, 5), p.SetUserMetadata("a", "b & <c>"), p.SetSuccessStatusAction("201"),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		_, form, err := client.PresignedPostPolicy(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		form["key"] = "user/${filename}"
		var fields [][2]string
		for name, value := range form {
			fields = append(fields, [2]string{name, value})
		}
		if key, content, err := accept(t, sent(t, fields, "1234"), "bucket", time.Now()); key != accessKey || content != "1234" || err != nil {
			t.Errorf("%s: %q, %q, %v", name, key, content, err)
		}
		if _, _, err := accept(t, sent(t, fields, "12"), "bucket", time.Now()); !errors.Is(err, postform.ErrTooSmall) {
			t.Errorf("%s, too small: %v", name, err)
		}
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	v4 := func() postform.Fields {
		f := postform.Fields{}
		for _, field := range awsForm() {
			f[strings.ToLower(field[0])] = field[1]
		}
		return f
	}
	v2 := func() postform.Fields {
		return postform.Fields{"policy": "p", "awsaccesskeyid": accessKey, "signature": "yRnM7UifzSAU2ccUEOaBkFfeE8w="}
	}
	set := func(name, value string) func(postform.Fields) { return func(f postform.Fields) { f[name] = value } }
	without := func(names ...string) func(postform.Fields) {
		return func(f postform.Fields) {
			for _, name := range names {
				delete(f, name)
			}
		}
	}
	for name, tt := range map[string]struct {
		fields postform.Fields
		change func(postform.Fields)
		at     time.Duration
		want   error
	}{
		"V4":                   {v4(), nil, 0, nil},
		"V4, seven days":       {v4(), nil, 7 * 24 * time.Hour, nil},
		"V4, too old":          {v4(), nil, 7*24*time.Hour + 1, sigv4.ErrExpired},
		"V4, early":            {v4(), nil, -15 * time.Minute, nil},
		"V4, too early":        {v4(), nil, -15*time.Minute - 1, sigv4.ErrExpired},
		"V4, upper case":       {v4(), set("x-amz-signature", strings.ToUpper(awsSignature)), 0, nil},
		"V4, other signature":  {v4(), set("x-amz-signature", strings.Repeat("0", 64)), 0, sigv4.ErrMismatch},
		"V4, no hex":           {v4(), set("x-amz-signature", "x"), 0, sigv4.ErrMismatch},
		"V4, other policy":     {v4(), set("policy", encode(awsPolicy+" ")), 0, sigv4.ErrMismatch},
		"V4, other region":     {v4(), set("x-amz-credential", accessKey+"/20151229/us-east-2/s3/aws4_request"), 0, sigv4.ErrMismatch},
		"V4, unknown key":      {v4(), set("x-amz-credential", "NOBODY/20151229/us-east-1/s3/aws4_request"), 0, sigv4.ErrUnknownKey},
		"V4, no key":           {v4(), set("x-amz-credential", "/20151229/us-east-1/s3/aws4_request"), 0, postform.ErrInvalidField},
		"V4, other service":    {v4(), set("x-amz-credential", accessKey+"/20151229/us-east-1/ec2/aws4_request"), 0, postform.ErrInvalidField},
		"V4, short credential": {v4(), set("x-amz-credential", accessKey), 0, postform.ErrInvalidField},
		"V4, other day":        {v4(), set("x-amz-credential", accessKey+"/20151228/us-east-1/s3/aws4_request"), 0, postform.ErrInvalidField},
		"V4, bad date":         {v4(), set("x-amz-date", "20151229"), 0, postform.ErrInvalidField},
		"V4, other algorithm":  {v4(), set("x-amz-algorithm", "AWS4-ECDSA-P256-SHA256"), 0, sigv4.ErrUnsupported},
		"V4, no algorithm":     {v4(), without("x-amz-algorithm"), 0, postform.ErrMissingField},
		"V4, no credential":    {v4(), without("x-amz-credential"), 0, postform.ErrMissingField},
		"V4, no date":          {v4(), without("x-amz-date"), 0, postform.ErrMissingField},
		"V4, no signature":     {v4(), without("x-amz-signature"), 0, postform.ErrMissingField},
		"V2":                   {v2(), nil, 0, nil},
		"V2, other signature":  {v2(), set("signature", "x"), 0, sigv4.ErrMismatch},
		"V2, other policy":     {v2(), set("policy", "q"), 0, sigv4.ErrMismatch},
		"V2, unknown key":      {v2(), set("awsaccesskeyid", "NOBODY"), 0, sigv4.ErrUnknownKey},
		"V2, no key":           {v2(), without("awsaccesskeyid"), 0, postform.ErrMissingField},
		"V2, no signature":     {v2(), without("signature"), 0, postform.ErrMissingField},
		"both":                 {v4(), set("signature", "x"), 0, postform.ErrInvalidField},
		"policy alone":         {v2(), without("awsaccesskeyid", "signature"), 0, postform.ErrMissingField},
	} {
		if tt.change != nil {
			tt.change(tt.fields)
		}
		key, err := postform.Verify(t.Context(), &postform.Form{Fields: tt.fields}, secrets, now.Add(tt.at))
		if !errors.Is(err, tt.want) || (err == nil) != (key == accessKey) || err != nil && key != "" {
			t.Errorf("%s: %q, %v; want %v", name, key, err, tt.want)
		}
	}
	for _, fields := range []postform.Fields{nil, {"key": "k"}, {"policy": ""}} {
		if key, err := postform.Verify(t.Context(), &postform.Form{Fields: fields}, secrets, now); key != "" || err != nil {
			t.Errorf("%v: %q, %v", fields, key, err)
		}
	}
}

// TestKeyWithSlashes: an access key may hold what stands between the parts of
// a credential.
func TestKeyWithSlashes(t *testing.T) {
	t.Parallel()
	key := []byte("AWS4s")
	for _, part := range []string{"20151229", "r", "s3", "aws4_request", "p"} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	f := &postform.Form{Fields: postform.Fields{
		"policy": "p", "x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-date": "20151229T000000Z",
		"x-amz-credential": "a/b/20151229/r/s3/aws4_request", "x-amz-signature": hex.EncodeToString(key),
	}}
	got, err := postform.Verify(t.Context(), f, func(context.Context, string) (string, error) { return "s", nil }, now)
	if got != "a/b" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// FuzzVerify: nobody gets in without the secret, and nothing panics.
func FuzzVerify(f *testing.F) {
	f.Add("cA==", "AWS4-HMAC-SHA256", accessKey+"/20151229/us-east-1/s3/aws4_request", "20151229T000000Z", awsSignature)
	f.Add("cA==", "", accessKey, "", "AAAA7UifzSAU2ccUEOaBkFfeE8w=")
	f.Fuzz(func(t *testing.T, policy, algorithm, credential, date, signature string) {
		for _, fields := range []postform.Fields{
			{"x-amz-algorithm": algorithm, "x-amz-credential": credential, "x-amz-date": date, "x-amz-signature": signature},
			{"awsaccesskeyid": credential, "signature": signature},
		} {
			fields["policy"] = policy
			key, err := postform.Verify(t.Context(), &postform.Form{Fields: fields}, secrets, now)
			if key != "" || (err == nil) != (policy == "") {
				t.Fatalf("%v: %q, %v", fields, key, err)
			}
		}
	})
}
