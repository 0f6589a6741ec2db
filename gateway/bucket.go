package gateway

import (
	"fmt"
	"net"
	"regexp"
	"strings"

	"caret/commits/revision"
	"caret/pfs"
)

// ParseBucket reads a bucket name:
//
//	bucket := [commit-expr.][branch.]repo
//
// With two labels the first may be a branch, a tag, a commit or a way to one,
// such as HEAD-3; which it is is for pfs to find. Errors are errBucketName.
func ParseBucket(name string) (pfs.Ref, error) {
	labels := strings.Split(name, ".")
	n := len(labels)
	if n > 3 {
		return pfs.Ref{}, errBucketName.with("The bucket name %q has %d labels; it is [commit.][branch.]repo.", name, n)
	}
	ref := pfs.Ref{Repo: labels[n-1]}
	if err := revision.CheckName(ref.Repo); err != nil {
		return pfs.Ref{}, errBucketName.with("The bucket name %q is not valid: %s.", name, err)
	}
	if n == 1 {
		return ref, nil
	}
	if n == 3 {
		ref.Branch = labels[1]
		if err := revision.CheckName(ref.Branch); err != nil {
			return pfs.Ref{}, errBucketName.with("The bucket name %q is not valid: %s.", name, err)
		}
	}
	x, err := revision.Parse(labels[0])
	if err != nil || labels[0] == "" {
		return pfs.Ref{}, errBucketName.with("The bucket name %q is not valid: %q names no branch or commit.", name, labels[0])
	}
	ref.Base = x
	return ref, nil
}

// S3's rules for a bucket without labels:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
var bareName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)

// maxBucket is the longest bucket name that clients can use, in bytes.
const maxBucket = 63

// insteadOf is a bucket that can be created, where a branch with dots in its name may
// have been meant, as v1.0 of a repo.
func insteadOf(labels []string) string {
	branch, repo := revision.Suggest(strings.Join(labels[:len(labels)-1], ".")), labels[len(labels)-1]
	if branch == "" || revision.CheckName(repo) != nil || revision.CheckName(labels[0]) != nil { // or it begins with a commit
		return ""
	}
	return fmt.Sprintf(", and the name of a branch has no dots; %s.%s is one", branch, repo)
}

// newBucket says which branch of which repo a bucket to be created is; the
// branch is "" for a bare name.
func newBucket(name string) (repo, branch string, err error) {
	labels := strings.Split(name, ".")
	switch {
	case len(name) > maxBucket:
		err = fmt.Errorf("it is longer than %d characters", maxBucket)
	case len(labels) == 1 && !bareName.MatchString(name):
		err = fmt.Errorf("it must have 3 to 63 lower-case letters, digits and -")
	case len(labels) > 2 && net.ParseIP(name) != nil:
		err = fmt.Errorf("it looks like an IP address")
	case len(labels) > 2:
		err = fmt.Errorf("only branch.repo can be created, commits are made by writing%s", insteadOf(labels))
	}
	if err == nil {
		err = revision.CheckName(labels[len(labels)-1])
	}
	if err == nil && len(labels) == 2 {
		branch = labels[0]
		err = revision.CheckName(branch)
	}
	if err != nil {
		return "", "", errBucketName.with("The bucket name %q is not valid: %s.", name, err)
	}
	return labels[len(labels)-1], branch, nil
}
