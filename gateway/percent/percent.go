// Package percent is percent-encoding as Amazon wants it in signatures and
// listings, which none of net/url's functions does: PathEscape leaves more
// bytes as they are, and QueryEscape makes a plus of a space. What it makes
// is decoded by url.PathUnescape.
//
// It imports nothing of caret.
package percent

import "strings"

// Encode encodes the bytes of s but for the unreserved ones of RFC 3986,
// section 2.3, and those in keep, among which '%' must not be.
func Encode(s, keep string) string {
	const hex = "0123456789ABCDEF"
	encoded := 0
	for i := range len(s) {
		if !stays(s[i], keep) {
			encoded++
		}
	}
	if encoded == 0 {
		return s
	}
	b := make([]byte, 0, len(s)+2*encoded)
	for i := range len(s) {
		if c := s[i]; stays(c, keep) {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

func stays(c byte, keep string) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '_' || c == '.' || c == '~' || strings.IndexByte(keep, c) >= 0
}
