package postform_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"caret/gateway/postform"
)

var now = time.Date(2015, 12, 29, 0, 0, 0, 0, time.UTC)

func encode(policy string) string { return base64.StdEncoding.EncodeToString([]byte(policy)) }

// policyOf is a policy that is valid for a day, in JSON.
func policyOf(conditions ...string) string {
	return `{"expiration": "2015-12-30T00:00:00.000Z", "conditions": [` + strings.Join(conditions, ", ") + `]}`
}

func parse(t testing.TB, conditions ...string) *postform.Policy {
	t.Helper()
	p, err := postform.ParsePolicy(encode(policyOf(conditions...)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		conditions []string
		fields     postform.Fields
		want       error
	}{
		"nothing":               {nil, nil, nil},
		"simple":                {[]string{`{"acl": "private"}`}, postform.Fields{"acl": "private"}, nil},
		"simple, other value":   {[]string{`{"acl": "private"}`}, postform.Fields{"acl": "public-read"}, postform.ErrConditionFailed},
		"simple, other case":    {[]string{`{"acl": "private"}`}, postform.Fields{"acl": "Private"}, postform.ErrConditionFailed},
		"simple, missing":       {[]string{`{"acl": "private"}`}, nil, postform.ErrConditionFailed},
		"eq":                    {[]string{`["eq", "$acl", "private"]`}, postform.Fields{"acl": "private"}, nil},
		"eq, other value":       {[]string{`["eq", "$acl", "private"]`}, postform.Fields{"acl": "private "}, postform.ErrConditionFailed},
		"eq, missing":           {[]string{`["eq", "$acl", "private"]`}, nil, postform.ErrConditionFailed},
		"starts-with":           {[]string{`["starts-with", "$key", "user/"]`}, postform.Fields{"key": "user/x"}, nil},
		"starts-with, other":    {[]string{`["starts-with", "$key", "user/"]`}, postform.Fields{"key": "users/x"}, postform.ErrConditionFailed},
		"starts-with, missing":  {[]string{`["starts-with", "$key", "user/"]`}, nil, postform.ErrConditionFailed},
		"any":                   {[]string{`["starts-with", "$x-amz-meta-tag", ""]`}, postform.Fields{"x-amz-meta-tag": "x"}, nil},
		"any, missing":          {[]string{`["starts-with", "$x-amz-meta-tag", ""]`}, nil, nil},
		"names in any case":     {[]string{`["StArTs-WiTh", "$KeY", "user/"]`, `{"AcL": "a"}`}, postform.Fields{"key": "user/x", "acl": "a"}, nil},
		"two on a field":        {[]string{`["starts-with", "$key", "a"]`, `["starts-with", "$key", "ab"]`}, postform.Fields{"key": "abc"}, nil},
		"two, one fails":        {[]string{`["starts-with", "$key", "a"]`, `["starts-with", "$key", "b"]`}, postform.Fields{"key": "abc"}, postform.ErrConditionFailed},
		"bucket":                {[]string{`{"bucket": "b"}`}, nil, nil},
		"other bucket":          {[]string{`{"bucket": "c"}`}, nil, postform.ErrConditionFailed},
		"other bucket, claimed": {[]string{`{"bucket": "c"}`}, postform.Fields{"bucket": "c"}, postform.ErrConditionFailed},
		"bucket as a field":     {[]string{`["eq", "$bucket", "b"]`}, postform.Fields{"bucket": "b"}, nil},
		"type":                  {[]string{`["starts-with", "$Content-Type", "image/"]`}, postform.Fields{"content-type": "image/png"}, nil},
		"types":                 {[]string{`["starts-with", "$Content-Type", "image/"]`}, postform.Fields{"content-type": "image/jpg, image/png,image/gif"}, nil},
		"types, one fails":      {[]string{`["starts-with", "$Content-Type", "image/"]`}, postform.Fields{"content-type": "image/jpg,text/plain"}, postform.ErrConditionFailed},
		"commas elsewhere":      {[]string{`["starts-with", "$key", "a"]`}, postform.Fields{"key": "a,b"}, nil},
		"escapes":               {[]string{`["starts-with", "$key", "\\$foo\u00fc"]`}, postform.Fields{"key": `\$fooü.txt`}, nil},
		"uncovered":             {[]string{`{"acl": "a"}`}, postform.Fields{"acl": "a", "key": "k"}, postform.ErrExtraField},
		"covered otherwise":     {[]string{`["content-length-range", 0, 1]`}, postform.Fields{"key": "k"}, postform.ErrExtraField},
		"signature is covered?": {nil, postform.Fields{"x-amz-credential": "x"}, postform.ErrExtraField},
		"need no condition": {nil, postform.Fields{
			"policy": "p", "x-amz-signature": "s", "awsaccesskeyid": "a", "signature": "s", "x-ignore-me": "i", "file": "f",
		}, nil},
	} {
		err := parse(t, tt.conditions...).Check(&postform.Form{Fields: tt.fields}, "b", now)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// TestCheckNames: an error says what is wrong.
func TestCheckNames(t *testing.T) {
	t.Parallel()
	p := parse(t, `{"X-Amz-Meta-A": "<&\">"}`)
	err := p.Check(&postform.Form{Fields: postform.Fields{"key": "k"}}, "b", now)
	if want := `["eq", "$X-Amz-Meta-A", "<&\">"]`; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	err = p.Check(&postform.Form{Fields: postform.Fields{"x-amz-meta-a": `<&">`, "key": "k", "filename": "f"}}, "b", now)
	if want := ": filename, key"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestExpiration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Time{
		"2015-12-29T00:00:00Z":       now,
		"2015-12-29T00:00:00.000Z":   now,
		"2015-12-29T00:00:00.5Z":     now.Add(time.Second / 2),
		"2015-12-29T00:00:00.12345Z": now.Add(123450 * time.Microsecond),
	} {
		p, err := postform.ParsePolicy(encode(`{"expiration": "` + text + `", "conditions": []}`))
		if err != nil || !p.Expiration.Equal(want) {
			t.Errorf("%s: %+v, %v", text, p, err)
			continue
		}
		if err := p.Check(&postform.Form{}, "b", want); err != nil {
			t.Errorf("%s, in time: %v", text, err)
		}
		if err := p.Check(&postform.Form{}, "b", want.Add(1)); !errors.Is(err, postform.ErrPolicyExpired) {
			t.Errorf("%s, late: %v", text, err)
		}
	}
}

func TestParsePolicyRefused(t *testing.T) {
	t.Parallel()
	for name, doc := range map[string]string{
		"nothing":                  "",
		"no JSON":                  "x",
		"no UTF-8":                 "{\"expiration\": \"\xff\"}",
		"a list":                   "[]",
		"null":                     "null",
		"more behind":              policyOf() + "{}",
		"a comma too many":         policyOf(`{"a": "b"},`),
		"no expiration":            `{"conditions": []}`,
		"expiration is a number":   `{"expiration": 1, "conditions": []}`,
		"expiration is null":       `{"expiration": null, "conditions": []}`,
		"expiration has a space":   `{"expiration": "2015-12-30 00:00:00Z", "conditions": []}`,
		"expiration has a zone":    `{"expiration": "2015-12-30T00:00:00+01:00", "conditions": []}`,
		"EXPIRATION":               `{"EXPIRATION": "2015-12-30T00:00:00Z", "conditions": []}`,
		"no conditions":            `{"expiration": "2015-12-30T00:00:00Z"}`,
		"conditions are null":      `{"expiration": "2015-12-30T00:00:00Z", "conditions": null}`,
		"conditions are an object": `{"expiration": "2015-12-30T00:00:00Z", "conditions": {}}`,
		"CONDITIONS":               `{"expiration": "2015-12-30T00:00:00Z", "CONDITIONS": []}`,
		"another member":           `{"expiration": "2015-12-30T00:00:00Z", "conditions": [], "Statement": []}`,
		"condition is a string":    policyOf(`"eq"`),
		"condition is null":        policyOf(`null`),
		"no condition":             policyOf(`{}`),
		"two in one":               policyOf(`{"a": "b", "c": "d"}`),
		"value is a number":        policyOf(`{"a": 1}`),
		"value is null":            policyOf(`{"a": null}`),
		"an empty list":            policyOf(`[]`),
		"eq of two":                policyOf(`["eq", "$a"]`),
		"eq of four":               policyOf(`["eq", "$a", "b", "c"]`),
		"eq without $":             policyOf(`["eq", "a", "b"]`),
		"eq of a number":           policyOf(`["eq", "$a", 1]`),
		"eq on a number":           policyOf(`["eq", 1, "a"]`),
		"unknown operator":         policyOf(`["ends-with", "$a", "b"]`),
		"operator is a number":     policyOf(`[1, "$a", "b"]`),
		"range of one":             policyOf(`["content-length-range", 0]`),
		"negative range":           policyOf(`["content-length-range", -1, 0]`),
		"range of fractions":       policyOf(`["content-length-range", 0, 512.0]`),
		"range of words":           policyOf(`["content-length-range", "few", "many"]`),
		"range of null":            policyOf(`["content-length-range", 0, null]`),
		"range too large":          policyOf(`["content-length-range", 0, 9223372036854775808]`),
	} {
		if p, err := postform.ParsePolicy(encode(doc)); !errors.Is(err, postform.ErrInvalidPolicy) {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
	if _, err := postform.ParsePolicy("%"); !errors.Is(err, postform.ErrInvalidPolicy) {
		t.Errorf("no base64: %v", err)
	}
	if _, err := postform.ParsePolicy(strings.TrimRight(encode(policyOf()+" "), "=")); err != nil {
		t.Errorf("no padding: %v", err)
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		conditions []string
		n          int64
		want       error
	}{
		"no range":           {nil, 0, nil},
		"no range, large":    {nil, 1 << 40, nil},
		"too small":          {[]string{`["content-length-range", 5, 10]`}, 4, postform.ErrTooSmall},
		"smallest":           {[]string{`["content-length-range", 5, 10]`}, 5, nil},
		"largest":            {[]string{`["content-length-range", 5, 10]`}, 10, nil},
		"too large":          {[]string{`["content-length-range", 5, 10]`}, 11, postform.ErrTooLarge},
		"strings, too large": {[]string{`["Content-Length-Range", "5" , "10" ]`}, 11, postform.ErrTooLarge},
		"empty":              {[]string{`["content-length-range",  0 ,0]`}, 0, nil},
		"empty, too large":   {[]string{`["content-length-range", 0, 0]`}, 1, postform.ErrTooLarge},
		"two, too large":     {[]string{`["content-length-range", 0, 9]`, `["content-length-range", 5, 10]`}, 10, postform.ErrTooLarge},
		"two, too small":     {[]string{`["content-length-range", 0, 9]`, `["content-length-range", 5, 10]`}, 4, postform.ErrTooSmall},
		"turned around":      {[]string{`["content-length-range", 10, 5]`}, 7, postform.ErrTooSmall},
	} {
		p := parse(t, tt.conditions...)
		if err := p.Size(tt.n); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
		if tt.n > 100 {
			continue
		}
		for _, wrap := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.DataErrReader} {
			data, err := io.ReadAll(p.Reader(wrap(strings.NewReader(strings.Repeat("x", int(tt.n))))))
			if !errors.Is(err, tt.want) || err == nil && int64(len(data)) != tt.n {
				t.Errorf("%s, read: %d bytes, %v; want %v", name, len(data), err, tt.want)
			}
		}
	}
	// A file that is too large is not read to its end.
	n, err := io.Copy(io.Discard, parse(t, `["content-length-range", 0, 100000]`).Reader(zeros{}))
	if !errors.Is(err, postform.ErrTooLarge) || n > 100000 {
		t.Errorf("endless: %d bytes, %v", n, err)
	}
}

// FuzzPolicy: what a policy prints is the policy; a form that has what the
// conditions say passes, until it expires.
func FuzzPolicy(f *testing.F) {
	f.Add(policyOf(`{"acl": "<private>"}`, `["starts-with", "$key", "a"]`, `["content-length-range", 1, "2"]`), "k")
	f.Add(awsPolicy, "image/png,x")
	f.Fuzz(func(t *testing.T, doc, value string) {
		p, err := postform.ParsePolicy(encode(doc))
		if err != nil {
			if p != nil || !errors.Is(err, postform.ErrInvalidPolicy) {
				t.Fatalf("%v, %v", p, err)
			}
			return
		}
		again, err := postform.ParsePolicy(encode(p.String()))
		if err != nil || !reflect.DeepEqual(p, again) {
			t.Fatalf("%q gives %s, %v, and that %s", doc, p, err, again)
		}
		form := &postform.Form{Fields: postform.Fields{"x-other": value}}
		if err := p.Check(form, value, p.Expiration.Add(1)); !errors.Is(err, postform.ErrPolicyExpired) {
			t.Fatalf("expired: %v", err)
		}
		if err := p.Check(form, value, p.Expiration); err == nil && !strings.Contains(strings.ToLower(p.String()), `"$x-other"`) {
			t.Fatalf("a field that %s does not cover passes", p)
		}
	})
}

// FuzzConditions: eq and starts-with are what they are called.
func FuzzConditions(f *testing.F) {
	f.Add("user/", "user/x")
	f.Fuzz(func(t *testing.T, want, value string) {
		if !utf8.ValidString(want) || !utf8.ValidString(value) {
			t.Skip()
		}
		check := func(op string) error {
			doc := fmt.Sprintf(`[%q, "$key", %s]`, op, jsonString(want))
			return parse(t, doc).Check(&postform.Form{Fields: postform.Fields{"key": value}}, "b", now)
		}
		if err := check("eq"); (err == nil) != (value == want) {
			t.Fatalf("eq: %v", err)
		}
		if err := check("starts-with"); (err == nil) != strings.HasPrefix(value, want) {
			t.Fatalf("starts-with: %v", err)
		}
	})
}

// jsonString is s in JSON, every character escaped.
func jsonString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		if c > 0xffff {
			b.WriteRune(c)
		} else {
			fmt.Fprintf(&b, `\u%04x`, c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
