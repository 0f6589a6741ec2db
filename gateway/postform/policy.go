package postform

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Policy is what the maker of a form allows.
type Policy struct {
	Expiration time.Time
	conditions []condition
	min, max   int64 // size of the file in bytes
}

// condition is one on a field; its name is spelled as in the policy.
type condition struct {
	op          operator
	name, value string
}

type operator string

const (
	opEqual     operator = "eq"
	opStarts    operator = "starts-with"
	opSizeRange operator = "content-length-range"
)

// expiryFmt is ISO 8601 in GMT; S3 takes no other zone. Fractions of seconds
// are read besides.
const expiryFmt = "2006-01-02T15:04:05Z"

// ParsePolicy reads a policy as it stands in a form: JSON in base64.
//
//	{"expiration": "2015-12-30T12:00:00.000Z", "conditions": [
//	  {"bucket": "b"}, ["eq", "$acl", "private"], ["starts-with", "$key", "user/"],
//	  ["content-length-range", 1, 1048576]]}
func ParsePolicy(text string) (*Policy, error) {
	doc, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || !utf8.Valid(doc) {
		return nil, fmt.Errorf("%w: it is not UTF-8 in base64", ErrInvalidPolicy)
	}
	// Decoded as a map, since names are case-sensitive, unlike json's.
	var members map[string]json.RawMessage
	if err := json.Unmarshal(doc, &members); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidPolicy, err)
	}
	for name := range members {
		if name != "expiration" && name != "conditions" {
			return nil, fmt.Errorf("%w: unexpected %q", ErrInvalidPolicy, name)
		}
	}
	p := &Policy{max: math.MaxInt64}
	expiration, _ := str(members["expiration"])
	if p.Expiration, err = time.Parse(expiryFmt, expiration); err != nil {
		return nil, fmt.Errorf("%w: its expiration %q is not like 2015-12-30T12:00:00.000Z", ErrInvalidPolicy, expiration)
	}
	conditions, ok := list(members["conditions"])
	if !ok {
		return nil, fmt.Errorf("%w: its conditions are not a list", ErrInvalidPolicy)
	}
	for _, raw := range conditions {
		if err := p.add(raw); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// add adds a condition.
func (p *Policy) add(raw json.RawMessage) error {
	malformed := fmt.Errorf("%w: the condition %.200s", ErrInvalidPolicy, raw)
	args, ok := list(raw)
	if !ok {
		var pair map[string]json.RawMessage
		if err := json.Unmarshal(raw, &pair); err != nil || len(pair) != 1 {
			return fmt.Errorf("%w must have one name and value", malformed)
		}
		for name, raw := range pair {
			value, ok := str(raw)
			if !ok {
				return fmt.Errorf("%w must have a string as value", malformed)
			}
			p.conditions = append(p.conditions, condition{opEqual, name, value})
		}
		return nil
	}
	if len(args) != 3 {
		return fmt.Errorf("%w must have three items", malformed)
	}
	name, _ := str(args[0])
	op := operator(strings.ToLower(name))
	switch op {
	case opEqual, opStarts:
		field, isText := str(args[1])
		value, ok := str(args[2])
		field, isField := strings.CutPrefix(field, "$")
		if !isText || !isField || !ok {
			return fmt.Errorf("%w must have a $field and a value", malformed)
		}
		p.conditions = append(p.conditions, condition{op, field, value})
		return nil
	case opSizeRange:
		least, err1 := size(args[1])
		most, err2 := size(args[2])
		if err1 != nil || err2 != nil {
			return fmt.Errorf("%w must have two sizes", malformed)
		}
		p.min, p.max = max(p.min, least), min(p.max, most)
		return nil
	}
	return fmt.Errorf("%w begins with none of %s, %s, %s", malformed, opEqual, opStarts, opSizeRange)
}

// list is raw as an array.
func list(raw json.RawMessage) (items []json.RawMessage, ok bool) {
	if !bytes.HasPrefix(raw, []byte("[")) {
		return nil, false // null would do for json
	}
	return items, json.Unmarshal(raw, &items) == nil
}

// str is raw as a string.
func str(raw json.RawMessage) (s string, ok bool) {
	if !bytes.HasPrefix(raw, []byte(`"`)) {
		return "", false
	}
	return s, json.Unmarshal(raw, &s) == nil
}

// size is raw as a number of bytes; S3 takes it as a string, too.
func size(raw json.RawMessage) (int64, error) {
	s, ok := str(raw)
	if !ok {
		s = string(raw)
	}
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err
}

// String is the policy as JSON; in base64, ParsePolicy reads it.
func (p *Policy) String() string {
	items := make([]string, 0, len(p.conditions)+1)
	for _, c := range p.conditions {
		items = append(items, c.String())
	}
	items = append(items, fmt.Sprintf("[%q, %d, %d]", opSizeRange, p.min, p.max))
	expiration := p.Expiration.UTC().Format("2006-01-02T15:04:05.999999999Z")
	return fmt.Sprintf(`{"expiration": %q, "conditions": [%s]}`, expiration, strings.Join(items, ", "))
}

func (c condition) String() string {
	return fmt.Sprintf("[%s, %s, %s]", quote(string(c.op)), quote("$"+c.name), quote(c.value))
}

// quote is s in JSON, and & as &.
func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(s) //nolint:errcheck // a string can always be encoded
	return strings.TrimSuffix(b.String(), "\n")
}

// Check checks all but the size of the file: that the policy has not expired,
// that its conditions are met by the fields of f, and by bucket, which f is
// sent to, and that each field has a condition.
func (p *Policy) Check(f *Form, bucket string, now time.Time) error {
	if now.After(p.Expiration) {
		return ErrPolicyExpired
	}
	covered := map[string]bool{}
	for _, c := range p.conditions {
		name := strings.ToLower(c.name)
		covered[name] = true
		value := f.Fields[name]
		if name == "bucket" {
			value = bucket
		}
		if !c.holds(name, value) {
			return fmt.Errorf("%w: %s", ErrConditionFailed, c)
		}
	}
	var extra []string
	for name := range f.Fields {
		if !covered[name] && !uncovered(name) {
			extra = append(extra, name)
		}
	}
	if len(extra) > 0 {
		slices.Sort(extra)
		return fmt.Errorf("%w: %s", ErrExtraField, strings.Join(extra, ", "))
	}
	return nil
}

// NamesBucket says whether there is a condition on the bucket. A policy
// without one would be good for every bucket of its maker; AWS refuses it.
func (p *Policy) NamesBucket() bool {
	return slices.ContainsFunc(p.conditions, func(c condition) bool { return strings.EqualFold(c.name, "bucket") })
}

// holds reports whether the value of a field meets the condition. A field
// that is not there is empty.
func (c condition) holds(name, value string) bool {
	if c.op == opEqual {
		return value == c.value
	}
	if name != "content-type" {
		return strings.HasPrefix(value, c.value)
	}
	// A list of types must begin so throughout.
	for one := range strings.SplitSeq(value, ",") {
		if !strings.HasPrefix(strings.TrimSpace(one), c.value) {
			return false
		}
	}
	return true
}

// uncovered reports whether a field needs no condition.
func uncovered(name string) bool {
	switch name {
	case "file", "policy", "x-amz-signature", "awsaccesskeyid", "signature":
		return true
	}
	return strings.HasPrefix(name, "x-ignore-")
}

// Size checks the size of the file in bytes.
func (p *Policy) Size(n int64) error {
	switch {
	case n < p.min:
		return fmt.Errorf("%w: %d bytes, at least %d", ErrTooSmall, n, p.min)
	case n > p.max:
		return fmt.Errorf("%w: at most %d bytes", ErrTooLarge, p.max)
	}
	return nil
}

// Reader is r, which fails instead of ending if it is too small, and as soon
// as it is too large.
func (p *Policy) Reader(r io.Reader) io.Reader { return &sizeReader{p: p, r: r} }

type sizeReader struct {
	p *Policy
	r io.Reader
	n int64
}

func (s *sizeReader) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	s.n += int64(n)
	if s.n > s.p.max || err == io.EOF {
		if bad := s.p.Size(s.n); bad != nil {
			return 0, bad
		}
	}
	return n, err
}
