package sigv2_test

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"caret/gateway/sigv4"
)

// resource is what AWS's page says is signed of the path and the query.
func resource(path string, query url.Values) string {
	separator := "?"
	for _, name := range slices.Sorted(maps.Keys(query)) {
		for _, value := range query[name] {
			path += separator + name
			if separator = "&"; value != "" {
				path += "=" + value
			}
		}
	}
	return path
}

// verifyGet verifies a GET of /bucket/k that was signed by a text.
func verifyGet(query url.Values, text string) error {
	in := httptest.NewRequest("GET", "/bucket/k?"+query.Encode(), nil)
	in.Host = "s3.local"
	const date = "Fri, 24 May 2013 00:00:00 GMT"
	in.Header.Set("Date", date)
	in.Header.Set("Authorization", "AWS "+accessKey+":"+sign("GET\n\n\n"+date+"\n"+text))
	_, err := verifier(now).Verify(in)
	return err
}

// TestRegroup: what was signed as one parameter is never taken for two, nor two for one.
func TestRegroup(t *testing.T) {
	t.Parallel()
	one := url.Values{"response-content-type": {"text/html&versionId=HEAD^"}}
	two := url.Values{"response-content-type": {"text/html"}, "versionId": {"HEAD^"}}
	text := resource("/bucket/k", one)
	if text != resource("/bucket/k", two) {
		t.Fatalf("%q, %q", text, resource("/bucket/k", two))
	}
	if err := verifyGet(two, text); err != nil {
		t.Errorf("two parameters: %v", err)
	}
	if err := verifyGet(one, text); !errors.Is(err, sigv4.ErrQueryMalformed) {
		t.Errorf("one parameter that looks like two: %v", err)
	}
	named := url.Values{"response-content-disposition": {`attachment; filename="a&b=c.txt"`}}
	if err := verifyGet(named, resource("/bucket/k", named)); err != nil {
		t.Errorf("a file's name with an ampersand: %v", err)
	}
}

// TestOneReading: of all queries that are signed by the same text one is accepted, if any.
func TestOneReading(t *testing.T) {
	t.Parallel()
	names := []string{"acl", "response-content-type", "tagging", "versionId", "versions"}
	piece := rapid.SampledFrom(append(names, "x", "", "acl=", "versionId=1", "tag"))
	readings := map[string]url.Values{}
	rapid.Check(t, func(rt *rapid.T) {
		query := url.Values{}
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 3, rapid.ID).Draw(rt, "names") {
			query.Set(name, strings.Join(rapid.SliceOfN(piece, 0, 3).Draw(rt, name), "&"))
		}
		text := resource("/bucket/k", query)
		if verifyGet(query, text) != nil {
			return
		}
		if was, ok := readings[text]; ok && !reflect.DeepEqual(was, query) {
			rt.Fatalf("%q was signed by %v and by %v", text, was, query)
		}
		readings[text] = query
	})
	if len(readings) == 0 {
		t.Error("nothing was accepted")
	}
}

// TestCaretHeaders: version 2 does not sign x-caret- headers, so anybody could add them.
func TestCaretHeaders(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]*http.Request{"in its header": signed(t), "presigned": presigned(t, now.Add(time.Hour))} {
		if _, err := verifier(now).Verify(in); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		in.Header.Set("X-Caret-Message", "x")
		if _, err := verifier(now).Verify(in); !errors.Is(err, sigv4.ErrUnsigned) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOneValue: what a parameter or header is taken for is what was signed: values that
// were signed as one are one, and what stands around it is not left out.
func TestOneValue(t *testing.T) {
	t.Parallel()
	const expires = "1369353660"
	verify := func(parameters url.Values) (string, error) {
		text := "PUT\n\n\n" + expires + "\nx-amz-copy-source:/b/k,x\n/bucket/k"
		for name, value := range map[string]string{"AWSAccessKeyId": accessKey, "Expires": expires, "Signature": sign(text)} {
			parameters.Set(name, value)
		}
		in := httptest.NewRequest(http.MethodPut, "/bucket/k?"+parameters.Encode(), nil)
		_, err := verifier(now).Verify(in)
		return in.Header.Get("X-Amz-Copy-Source"), err
	}
	for _, values := range [][]string{{"/b/k,x"}, {"/b/k", "x"}} {
		if got, err := verify(url.Values{"x-amz-copy-source": values}); err != nil || got != "/b/k,x" {
			t.Errorf("%q: %q, %v", values, got, err)
		}
	}
	for _, value := range []string{"/b/k,x ", "/b/k,x\u00a0", " /b/k,x"} {
		if _, err := verify(url.Values{"x-amz-copy-source": {value}}); !errors.Is(err, sigv4.ErrMismatch) {
			t.Errorf("%q: %v", value, err)
		}
	}
}
