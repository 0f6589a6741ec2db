package archive

import (
	"fmt"
	"maps"
	"net/textproto"
	"slices"
	"strings"
)

// metaPrefix is what the records of a member's headers begin with. The other
// record of minio-go, minio.versionId, has no use here: a path's versions are
// the commits that changed it.
const metaPrefix = "minio.metadata."

// metadata collects the headers in the records of a member.
func metadata(records map[string]string) (textproto.MIMEHeader, error) {
	var h textproto.MIMEHeader
	for _, key := range slices.Sorted(maps.Keys(records)) {
		name, ok := strings.CutPrefix(key, metaPrefix)
		if !ok {
			continue
		}
		value := records[key]
		// A request's headers have been checked for these by net/http.
		if name == "" || strings.ContainsFunc(name, notToken) || strings.ContainsFunc(value, notText) {
			return nil, fmt.Errorf("%w: the metadata %.40q", ErrFormat, name)
		}
		if h == nil {
			h = make(textproto.MIMEHeader)
		}
		if h.Values(name) != nil {
			return nil, fmt.Errorf("%w: the metadata %.40q is there twice", ErrFormat, name)
		}
		h.Set(name, value)
	}
	return h, nil
}

// notToken is whether c cannot be in a header's name (RFC 9110, 5.6.2).
func notToken(c rune) bool {
	return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
}

// notText is whether c cannot be in a header's value.
func notText(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

// checkGlobal refuses records for all members that would change what they
// are. tar.Reader applies none; others, like git's comment, can be passed over.
func checkGlobal(records map[string]string) error {
	for key := range records {
		if key == "path" || key == "size" || strings.HasPrefix(key, sparsePrefix) {
			return fmt.Errorf("%w: a global header with %.40q", ErrFormat, key)
		}
	}
	return nil
}

const sparsePrefix = "GNU.sparse."

// sparseKnown is whether tar.Reader understood the records of a sparse
// member. If not it would take the map of the holes for content.
func sparseKnown(records map[string]string) bool {
	switch records[sparsePrefix+"major"] + "." + records[sparsePrefix+"minor"] {
	case "0.0", "0.1", "1.0":
		return true
	case ".":
		if records[sparsePrefix+"map"] != "" {
			return true
		}
	}
	for key := range records {
		if strings.HasPrefix(key, sparsePrefix) {
			return false
		}
	}
	return true
}
