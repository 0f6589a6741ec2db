package cors

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Match returns the first rule that allows a request from origin, nil if none
// does; without an origin it is no request of a browser's across origins.
// method is what Access-Control-Request-Method says, which S3 heeds in any
// request, or else the request's own. headers are what RequestHeaders finds.
// Origins and methods are case-sensitive, headers are not. A nil Config
// allows nothing.
//
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html#cors-eval-criteria
func (c *Config) Match(origin, method string, headers []string) *Rule {
	if c == nil || origin == "" {
		return nil
	}
	for i := range c.Rules {
		r := &c.Rules[i]
		if slices.Contains(r.AllowedMethods, method) && r.origin(origin) >= 0 && r.allowsAll(headers) {
			return r
		}
	}
	return nil
}

// RequestHeaders are the names in Access-Control-Request-Headers.
func RequestHeaders(h http.Header) []string {
	var names []string
	for name := range strings.SplitSeq(strings.Join(h.Values("Access-Control-Request-Headers"), ","), ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// Write sets the headers that tell a browser of r, the rule that Match found
// for origin and headers. The headers that were asked for are told in answer
// to a preflight only, in lower case; all else S3 tells in any answer.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/RESTOPTIONSobject.html
func (r *Rule) Write(h http.Header, origin string, headers []string, preflight bool) {
	if i := r.origin(origin); i >= 0 && r.AllowedOrigins[i] == "*" {
		h.Set("Access-Control-Allow-Origin", "*")
	} else {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	// Even for *: another origin or method may be answered by another rule.
	h.Add("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method")
	h.Set("Access-Control-Allow-Methods", strings.Join(r.AllowedMethods, ", "))
	if preflight && len(headers) > 0 {
		h.Set("Access-Control-Allow-Headers", strings.ToLower(strings.Join(headers, ", ")))
	}
	if len(r.ExposeHeaders) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(r.ExposeHeaders, ", "))
	}
	if r.MaxAgeSeconds != nil {
		h.Set("Access-Control-Max-Age", strconv.FormatInt(*r.MaxAgeSeconds, 10))
	}
}

// origin is the index of the first allowed origin that matches, -1 if none
// does.
func (r *Rule) origin(origin string) int {
	return slices.IndexFunc(r.AllowedOrigins, func(pattern string) bool { return match(pattern, origin) })
}

func (r *Rule) allowsAll(headers []string) bool {
	for _, name := range headers {
		name = strings.ToLower(name)
		if !slices.ContainsFunc(r.AllowedHeaders, func(pattern string) bool { return match(strings.ToLower(pattern), name) }) {
			return false
		}
	}
	return true
}

// match says whether s is pattern, in which the first * is any run of
// characters.
func match(pattern, s string) bool {
	prefix, suffix, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == s
	}
	return len(s) >= len(prefix)+len(suffix) && strings.HasPrefix(s, prefix) && strings.HasSuffix(s, suffix)
}
