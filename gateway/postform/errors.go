package postform

import "errors"

// What can be wrong with a form; each is one error of S3. Those of signatures
// are in sigv4.
var (
	ErrNotMultipart   = errors.New("a form must be of the type multipart/form-data")
	ErrMalformed      = errors.New("the body is not well-formed multipart/form-data")
	ErrFieldsTooLarge = errors.New("the fields before the file are larger than 20480 bytes")
	ErrNoFile         = errors.New("a form must upload exactly one file, in a field named file behind all others")
	ErrMissingField   = errors.New("a field is missing or behind the file")
	ErrInvalidField   = errors.New("a field is not valid")

	ErrInvalidPolicy   = errors.New("the policy is not valid")
	ErrPolicyExpired   = errors.New("the policy has expired")
	ErrConditionFailed = errors.New("a condition of the policy is not met")
	ErrExtraField      = errors.New("no condition of the policy covers a field")
	ErrTooSmall        = errors.New("the file is smaller than the policy demands")
	ErrTooLarge        = errors.New("the file is larger than the policy allows")
)
