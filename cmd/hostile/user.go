package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"caret/api/client"
	"caret/api/v1"
)

// user is somebody with a key, or nobody: anonymous.
type user struct {
	url         string
	name, id    string
	key, secret string
	api         *client.Client
	s3          *s3.Client
	http        *http.Client
}

// newUser is who has the key; "" is nobody.
func newUser(url, name, key, secret string) *user {
	u := &user{url: url, name: name, key: key, secret: secret, api: client.New(url, key, secret)}
	u.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var who aws.CredentialsProvider = credentials.NewStaticCredentialsProvider(key, secret, "")
	if key == "" {
		who = aws.AnonymousCredentials{}
	}
	u.s3 = s3.New(s3.Options{BaseEndpoint: &url, Region: "us-east-1", UsePathStyle: true, RetryMaxAttempts: 1, HTTPClient: u.http, Credentials: who})
	return u
}

// nobody has no key.
func (v *server) nobody() *user { return newUser(v.url, "anonymous", "", "") }

// user makes a user with a key.
func (v *server) user(ctx context.Context, name string) (*user, error) {
	made, err := v.root.api.CreateUser(ctx, v1.User{Name: name})
	if err != nil {
		return nil, err
	}
	k, err := v.root.api.CreateKey(ctx, v1.Key{User: name})
	if err != nil {
		return nil, err
	}
	u := newUser(v.url, name, k.AccessKey, k.SecretKey)
	u.id = made.ID
	return u, nil
}

// answer is what a server said.
type answer struct {
	status int
	code   string // of the error in the body, of S3 or of the API
	header http.Header
	body   []byte
}

// ask sends one request as the user: path begins with a slash, may have a query, and is
// escaped; headers are pairs of name and value. It is an error if there is no answer.
func (u *user) ask(ctx context.Context, method, path string, body []byte, headers ...string) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, u.url+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if u.key != "" {
		sum := sha256.Sum256(body)
		hash := hex.EncodeToString(sum[:])
		r.Header.Set("X-Amz-Content-Sha256", hash)
		signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
		who := aws.Credentials{AccessKeyID: u.key, SecretAccessKey: u.secret}
		if err := signer.SignHTTP(ctx, who, r, hash, "s3", "us-east-1", time.Now()); err != nil {
			return answer{}, err
		}
	}
	resp, err := u.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	a.body, err = io.ReadAll(resp.Body)
	if _, rest, ok := strings.Cut(string(a.body), "<Code>"); ok {
		a.code, _, _ = strings.Cut(rest, "</Code>")
	} else if _, rest, ok := strings.Cut(string(a.body), `"code":"`); ok && a.status >= http.StatusBadRequest {
		a.code, _, _ = strings.Cut(rest, `"`)
	}
	return a, err
}

// raw sends bytes on a connection of their own and returns what comes back until the
// server closes it or nothing comes for the time.
func raw(ctx context.Context, server, text string, patience time.Duration) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", err
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return "", err
	}
	defer c.Close() //nolint:errcheck // it was for this alone
	if _, err := io.WriteString(c, text); err != nil {
		return "", err
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(c, 1<<20))
	if len(b) > 0 || errors.Is(err, io.EOF) {
		err = nil
	}
	return string(b), err
}
