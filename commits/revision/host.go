package revision

import (
	"net"
	"regexp"
	"strings"
)

// Lengths of a name that every client takes, in bytes.
const (
	minHost = 3
	maxHost = 63
)

var hostLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// CheckHost says why some clients refuse name, one or more names joined by dots,
// for what they address: they want what may be part of the name of a host, 3 to 63
// of a-z 0-9 - and dots, whose labels begin and end with a letter or digit, and
// which is no IP address. better is a name like it that all take, or empty. Both
// are empty if nothing is wrong.
func CheckHost(name string) (why, better string) {
	if why = checkHost(name); why == "" {
		return "", ""
	}
	labels := strings.Split(strings.ReplaceAll(strings.ToLower(name), "_", "-"), ".")
	for i := range labels {
		labels[i] = strings.Trim(labels[i], "-")
	}
	if better = strings.Join(labels, "."); checkHost(better) != "" {
		better = ""
	}
	return why, better
}

func checkHost(name string) string {
	switch {
	case len(name) < minHost:
		return "it has fewer than 3 characters"
	case len(name) > maxHost:
		return "it has more than 63 characters"
	case net.ParseIP(name) != nil:
		return "it looks like an IP address"
	case name != strings.ToLower(name):
		return "it has upper-case letters"
	case strings.Contains(name, "_"):
		return "it has an underscore"
	}
	for label := range strings.SplitSeq(name, ".") {
		if !hostLabel.MatchString(label) {
			return "a part of it does not begin and end with a letter or digit"
		}
	}
	return ""
}
