package cors

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// What can be wrong with a configuration; each is one error of S3.
var (
	// ErrMalformed: a document that is no CORSConfiguration (MalformedXML).
	ErrMalformed = errors.New("the CORS configuration is not well-formed or not what is expected")
	// ErrTooMany: more rules than S3 takes (InvalidRequest).
	ErrTooMany = errors.New("the number of CORS rules should not exceed the allowed limit of 100 rules")
	// ErrMethod: a method that no rule may allow (InvalidRequest).
	ErrMethod = errors.New("found unsupported HTTP method in CORS config")
	// ErrWildcard: a * where it may not be (InvalidRequest).
	ErrWildcard = errors.New("too many wildcards in CORS config")
	// ErrID: an ID that is too long (InvalidRequest).
	ErrID = errors.New("the ID of a CORS rule has more than 255 characters")
)

const (
	xmlns = "http://s3.amazonaws.com/doc/2006-03-01/"
	root  = "CORSConfiguration"

	maxRules = 100
	maxID    = 255       // characters
	maxAge   = 1<<31 - 1 // seconds; an Integer of AWS
)

// methods are those that a rule may allow.
var methods = []string{"GET", "PUT", "POST", "DELETE", "HEAD"}

// Config is the CORS configuration of a bucket. As XML it is S3's document.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CORSConfiguration.html
type Config struct {
	Rules []Rule `xml:"CORSRule" json:"rules"`
}

// Rule says what pages of some origins may do. Its fields are as the client
// gave them. Origins and headers may have one * each, for any run of
// characters, or none.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CORSRule.html
type Rule struct {
	ID             string   `xml:"ID,omitempty" json:"id,omitempty"`
	AllowedOrigins []string `xml:"AllowedOrigin" json:"allowedOrigins"`
	AllowedMethods []string `xml:"AllowedMethod" json:"allowedMethods"`
	AllowedHeaders []string `xml:"AllowedHeader" json:"allowedHeaders,omitempty"` // of requests
	ExposeHeaders  []string `xml:"ExposeHeader" json:"exposeHeaders,omitempty"`   // of answers
	MaxAgeSeconds  *int64   `xml:"MaxAgeSeconds" json:"maxAgeSeconds,omitempty"`  // that a preflight stays good; nil leaves it to the browser
}

// MarshalXML writes c as S3's document, in its namespace.
func (c Config) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	start.Name = xml.Name{Space: xmlns, Local: root}
	type plain Config // without this method
	return e.EncodeElement(plain(c), start)
}

// Parse reads a CORSConfiguration document of at most limit bytes and checks
// it as AWS does, the form of all rules before what is in them. The error is
// ErrMalformed, ErrTooMany, ErrMethod, ErrWildcard, ErrID or r's.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html
func Parse(r io.Reader, limit int64) (*Config, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%w: it is larger than %d bytes", ErrMalformed, limit)
	}
	var doc struct {
		XMLName xml.Name
		Config
	}
	if err := xml.Unmarshal(b, &doc); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	c := &doc.Config
	switch {
	case doc.XMLName.Local != root:
		return nil, fmt.Errorf("%w: it is a %s, not a %s", ErrMalformed, doc.XMLName.Local, root)
	case len(c.Rules) == 0:
		return nil, fmt.Errorf("%w: it has no CORSRule", ErrMalformed)
	case len(c.Rules) > maxRules:
		return nil, ErrTooMany
	}
	for i := range c.Rules {
		if err := c.Rules[i].checkForm(); err != nil {
			return nil, err
		}
	}
	for i := range c.Rules {
		if err := c.Rules[i].checkValues(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (r *Rule) checkForm() error {
	switch {
	case len(r.AllowedOrigins) == 0:
		return fmt.Errorf("%w: a rule has no AllowedOrigin", ErrMalformed)
	case len(r.AllowedMethods) == 0:
		return fmt.Errorf("%w: a rule has no AllowedMethod", ErrMalformed)
	case r.MaxAgeSeconds != nil && (*r.MaxAgeSeconds < 0 || *r.MaxAgeSeconds > maxAge):
		return fmt.Errorf("%w: MaxAgeSeconds is %d", ErrMalformed, *r.MaxAgeSeconds)
	}
	return nil
}

func (r *Rule) checkValues() error {
	for _, m := range r.AllowedMethods {
		if !slices.Contains(methods, m) {
			return fmt.Errorf("%w: unsupported method is %q", ErrMethod, m)
		}
	}
	for _, list := range []struct {
		name   string
		values []string
		stars  int // that a value may have
	}{
		{"AllowedOrigin", r.AllowedOrigins, 1}, {"AllowedHeader", r.AllowedHeaders, 1}, {"ExposeHeader", r.ExposeHeaders, 0},
	} {
		for _, v := range list.values {
			if strings.Count(v, "*") > list.stars {
				return fmt.Errorf("%w: %s %q can have at most %d", ErrWildcard, list.name, v, list.stars)
			}
		}
	}
	if utf8.RuneCountInString(r.ID) > maxID {
		return ErrID
	}
	return nil
}
