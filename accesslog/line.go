package accesslog

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// appendLine appends the line of e to b: what encoding/json would, in a third of
// the time, as every request pays for it.
func appendLine(b []byte, e *Entry) []byte {
	b = append(b, `{"time":"`...)
	b = e.Time.AppendFormat(b, time.RFC3339Nano)
	b = append(b, '"')
	for _, f := range [...]struct{ name, text string }{
		{"id", e.ID}, {"address", e.Address}, {"user", e.User}, {"key_id", e.Key}, {"method", e.Method}, {"operation", e.Operation},
		{"bucket", e.Bucket}, {"key", e.Object}, {"version", e.Version}, {"repo", e.Repo}, {"ref", e.Ref}, {"path", e.Path},
		{"commit", e.Commit}, {"error", e.Error},
	} {
		if f.text != "" {
			b = appendText(appendName(b, f.name), f.text)
		}
	}
	for _, f := range [...]struct {
		name string
		n    int64
	}{{"status", int64(e.Status)}, {"received", e.Received}, {"sent", e.Sent}} {
		b = strconv.AppendInt(appendName(b, f.name), f.n, 10)
	}
	b = strconv.AppendFloat(appendName(b, "seconds"), e.Seconds, 'f', 6, 64)
	if e.Cut {
		b = append(appendName(b, "cut"), "true"...)
	}
	return append(b, "}\n"...)
}

// appendLost appends the line that tells of n lines that are missing before it.
func appendLost(b []byte, now time.Time, n int64) []byte {
	b = append(b, `{"time":"`...)
	b = now.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","dropped":`...)
	return append(strconv.AppendInt(b, n, 10), "}\n"...)
}

func appendName(b []byte, name string) []byte {
	b = append(b, `,"`...)
	b = append(b, name...)
	return append(b, `":`...)
}

// maxText is how many bytes of a text are kept: as many as a key of S3 may have.
const maxText = 1024

// appendText appends s as JSON has it, cut if it is too long.
func appendText(b []byte, s string) []byte {
	if len(s) > maxText {
		n := maxText
		for n > maxText-utf8.UTFMax && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n] + "..."
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return appendEscaped(b, s)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// appendEscaped appends any text. JSON leaves some control characters as they are
// that end lines, or move a terminal's cursor, for some readers: none is left.
func appendEscaped(b []byte, s string) []byte {
	var quoted bytes.Buffer
	enc := json.NewEncoder(&quoted)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil { // as no string makes it
		return append(b, `""`...)
	}
	return append(b, controls.Replace(strings.TrimSuffix(quoted.String(), "\n"))...)
}

// controls escapes U+007F to U+009F.
var controls = newControls()

func newControls() *strings.Replacer {
	var pairs []string
	for c := rune(0x7f); c <= 0x9f; c++ {
		pairs = append(pairs, string(c), `\u00`+hex.EncodeToString([]byte{byte(c)}))
	}
	return strings.NewReplacer(pairs...)
}
