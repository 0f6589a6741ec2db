// Package byterange reads ranges of bytes as HTTP asks for them, one at a
// time: "bytes=0-99", "bytes=100-" and "bytes=-100". RFC 9110, section 14.2
// (https://www.rfc-editor.org/rfc/rfc9110.html#section-14.2) lets a server
// ignore a Range header, and says that it must where the header is malformed;
// several ranges in one are ignored as well, as S3 does.
//
// It imports nothing of caret; its functions depend on their arguments alone.
package byterange

import (
	"fmt"
	"strconv"
	"strings"
)

// Range is one range, of content whose size is not known yet.
type Range struct {
	First int64 // -1: the range is the last Last bytes
	Last  int64 // inclusive; -1: to the end
}

// Parse reads what String writes. ok is false for everything else, several
// ranges too. A number that is too large for 63 bits is the largest there is,
// which is beyond any content.
func Parse(spec string) (r Range, ok bool) {
	set, isBytes := strings.CutPrefix(spec, "bytes=")
	first, last, dash := strings.Cut(set, "-")
	if !isBytes || !dash || first == "" && last == "" {
		return Range{}, false
	}
	var firstOK, lastOK bool
	r.First, firstOK = position(first)
	r.Last, lastOK = position(last)
	if !firstOK || !lastOK || r.Last >= 0 && r.Last < r.First {
		return Range{}, false
	}
	return r, true
}

// position reads a number, -1 if there is none.
func position(s string) (n int64, ok bool) {
	if s == "" {
		return -1, true
	}
	if strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	u, _ := strconv.ParseUint(s, 10, 63) // all digits: the error is that it is too large
	return int64(u), true
}

// String writes a range as Range headers do.
func (r Range) String() string {
	number := func(n int64) string {
		if n < 0 {
			return ""
		}
		return strconv.FormatInt(n, 10)
	}
	return "bytes=" + number(r.First) + "-" + number(r.Last)
}

// Within is the range of content of size bytes: length bytes, at least one,
// at off. ok is false if not one byte of it is there, which HTTP answers with
// 416 and Unsatisfied.
func (r Range) Within(size int64) (off, length int64, ok bool) {
	end := size // exclusive
	switch {
	case r.First < 0:
		off = size - min(r.Last, size)
	case r.Last < 0:
		off = r.First
	default:
		off, end = r.First, min(r.Last, size-1)+1
	}
	if off >= end {
		return 0, 0, false
	}
	return off, end - off, true
}

// ContentRange is the Content-Range of an answer with length of size bytes,
// at off.
func ContentRange(off, length, size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", off, off+length-1, size)
}

// Unsatisfied is the Content-Range of the refusal of a range that is not
// within size bytes.
func Unsatisfied(size int64) string {
	return fmt.Sprintf("bytes */%d", size)
}
