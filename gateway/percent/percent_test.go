package percent_test

import (
	"net/url"
	"strings"
	"testing"

	"caret/gateway/percent"
)

func TestEncode(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ s, keep, want string }{
		{"", "", ""},
		{"AZaz09-_.~", "", "AZaz09-_.~"},
		{"a b+c", "", "a%20b%2Bc"},
		{"a/b*c", "", "a%2Fb%2Ac"},
		{"a/b*c", "/", "a/b%2Ac"},
		{"a/b*c", "/*", "a/b*c"},
		{"ä%\x00\xff", "/", "%C3%A4%25%00%FF"},
	} {
		if got := percent.Encode(tt.s, tt.keep); got != tt.want {
			t.Errorf("%q but for %q: %q, want %q", tt.s, tt.keep, got, tt.want)
		}
	}
}

// FuzzEncode: decoding gives back what was encoded, and the encoding is that
// of url.QueryEscape but for its plus and for what is kept.
func FuzzEncode(f *testing.F) {
	f.Add("a/b c+d*e%2F")
	f.Add("ä\x00\xff")
	f.Fuzz(func(t *testing.T, s string) {
		for keep, same := range map[string]*strings.Replacer{
			"":   strings.NewReplacer("+", "%20"),
			"/":  strings.NewReplacer("+", "%20", "%2F", "/"),
			"/*": strings.NewReplacer("+", "%20", "%2F", "/", "%2A", "*"),
		} {
			got := percent.Encode(s, keep)
			if back, err := url.PathUnescape(got); err != nil || back != s {
				t.Errorf("%q but for %q: %q, back %q, %v", s, keep, got, back, err)
			}
			if want := same.Replace(url.QueryEscape(s)); got != want {
				t.Errorf("%q but for %q: %q, want %q", s, keep, got, want)
			}
		}
	})
}
