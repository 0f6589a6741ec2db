package gateway

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"caret/gateway/acl"
	"caret/gateway/checksum"
	"caret/gateway/cors"
	"caret/gateway/postform"
	"caret/gateway/sigv4"
	"caret/pfs"
	"caret/pfs/archive"
)

// apiError is an error as S3 tells it.
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
type apiError struct {
	status  int
	code    string
	message string
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// with is the same error with another message.
func (e *apiError) with(format string, args ...any) *apiError {
	return &apiError{e.status, e.code, fmt.Sprintf(format, args...)}
}

// Errors that arise in this package.
var (
	errAccessDenied     = &apiError{403, "AccessDenied", "Access denied. Sign the request with a key of this server."}
	errBucketName       = &apiError{400, "InvalidBucketName", "The bucket name is not valid."}
	errTaken            = &apiError{409, "BucketAlreadyExists", "The bucket belongs to somebody else."}
	errOwned            = &apiError{409, "BucketAlreadyOwnedByYou", "You have this bucket already."}
	errMethod           = &apiError{405, "MethodNotAllowed", "This method is not allowed here."}
	errNotImplemented   = &apiError{501, "NotImplemented", "This operation is not implemented."}
	errInvalidArgument  = &apiError{400, "InvalidArgument", "An argument is not valid."}
	errNoVersion        = errInvalidArgument.with("A write takes no versionId.")
	errInvalidRequest   = &apiError{400, "InvalidRequest", "The request is not valid."}
	errInvalidRange     = &apiError{416, "InvalidRange", "The requested range cannot be satisfied."}
	errPrecondition     = &apiError{412, "PreconditionFailed", "A condition of the request is not met."}
	errNotModified      = &apiError{304, "NotModified", ""}
	errMalformedXML     = &apiError{400, "MalformedXML", "The XML is not well-formed or not what is expected."}
	errMissingLength    = &apiError{411, "MissingContentLength", "The request needs a Content-Length."}
	errMetadataTooLarge = &apiError{400, "MetadataTooLarge", "The user metadata is larger than 8192 bytes."}
	errVersioning       = &apiError{400, "IllegalVersioningConfigurationException", "The versioning status must be Enabled or Suspended."}
	errBucketState      = &apiError{409, "InvalidBucketState", "History cannot be turned off: every write is a commit."}
	errInvalidTag       = &apiError{400, "InvalidTag", "The tag is not valid."}
	errLocation         = &apiError{400, "InvalidLocationConstraint", "The location is not this server's region."}
)

// errorTable says which error of S3 each error below this package is. The
// first match counts.
var errorTable = []struct {
	is     error
	status int
	code   string
}{
	{pfs.ErrInvalidName, 400, "InvalidBucketName"},
	{pfs.ErrInvalidPath, 400, "InvalidArgument"},
	{pfs.ErrPathTooLong, 400, "KeyTooLongError"},
	{pfs.ErrInvalidExpr, 400, "InvalidArgument"},
	{pfs.ErrInvalidArgument, 400, "InvalidArgument"},
	{pfs.ErrNoSuchRepo, 404, "NoSuchBucket"},
	{pfs.ErrNoSuchBranch, 404, "NoSuchBucket"},
	{pfs.ErrNoSuchTag, 404, "NoSuchBucket"},
	{pfs.ErrNoSuchCommit, 404, "NoSuchBucket"},
	{pfs.ErrNoSuchVersion, 404, "NoSuchBucket"}, // of a bucket's name; of a version id see describe
	{pfs.ErrNoSuchPath, 404, "NoSuchKey"},
	{pfs.ErrNoSuchUpload, 404, "NoSuchUpload"},
	{pfs.ErrNoSuchUser, 400, "InvalidArgument"},
	{pfs.ErrNoSuchKey, 403, "InvalidAccessKeyId"},
	{pfs.ErrUserExists, 409, "InvalidRequest"},
	{pfs.ErrDenied, 403, "AccessDenied"},
	{pfs.ErrKeyGone, 403, "InvalidAccessKeyId"},
	{pfs.ErrAmbiguous, 400, "InvalidArgument"},
	{pfs.ErrRepoExists, 409, "BucketAlreadyOwnedByYou"},
	{pfs.ErrBranchExists, 409, "BucketAlreadyOwnedByYou"},
	{pfs.ErrTagExists, 409, "BucketAlreadyOwnedByYou"},
	{pfs.ErrNotEmpty, 409, "BucketNotEmpty"},
	{pfs.ErrReadOnly, 405, "MethodNotAllowed"},
	{pfs.ErrPrecondition, 412, "PreconditionFailed"},
	{pfs.ErrConflict, 409, "OperationAborted"},
	{pfs.ErrDiverged, 409, "OperationAborted"},
	{pfs.ErrInvalidPart, 400, "InvalidPart"},
	{pfs.ErrPartOrder, 400, "InvalidPartOrder"},
	{pfs.ErrPartTooSmall, 400, "EntityTooSmall"},

	{pfs.ErrBusy, 503, "SlowDown"},
	{pfs.ErrNoSpace, 507, "InsufficientStorage"},
	{pfs.ErrFailed, 503, "ServiceUnavailable"},
	{pfs.ErrUnknownOutcome, 503, "ServiceUnavailable"},
	{pfs.ErrClosed, 503, "ServiceUnavailable"},
	{pfs.ErrTooLarge, 400, "EntityTooLarge"},
	{pfs.ErrCorrupt, 500, "InternalError"},

	{sigv4.ErrUnknownKey, 403, "InvalidAccessKeyId"},
	{sigv4.ErrMismatch, 403, "SignatureDoesNotMatch"},
	{sigv4.ErrMalformed, 400, "AuthorizationHeaderMalformed"},
	{sigv4.ErrQueryMalformed, 400, "AuthorizationQueryParametersError"},
	{sigv4.ErrTimeSkewed, 403, "RequestTimeTooSkewed"},
	{sigv4.ErrExpired, 403, "AccessDenied"},
	{sigv4.ErrMissingDate, 403, "AccessDenied"},
	{sigv4.ErrUnsigned, 403, "AccessDenied"},
	{sigv4.ErrUnsupported, 400, "InvalidRequest"},
	{sigv4.ErrMissingPayload, 400, "InvalidRequest"},
	{sigv4.ErrInvalidPayload, 400, "InvalidArgument"},
	{sigv4.ErrPayloadMismatch, 400, "XAmzContentSHA256Mismatch"},
	{sigv4.ErrIncomplete, 400, "IncompleteBody"},
	{sigv4.ErrMalformedChunk, 400, "IncompleteBody"},
	{sigv4.ErrMissingLength, 411, "MissingContentLength"},
	{sigv4.ErrMalformedTrailer, 400, "MalformedTrailerError"},
	{sigv4.ErrTwoAuthorizations, 400, "InvalidArgument"},
	{sigv4.ErrAmbiguous, 400, "InvalidArgument"},

	{acl.ErrCanned, 400, "InvalidArgument"},
	{acl.ErrHeader, 400, "InvalidArgument"},
	{acl.ErrGroup, 400, "InvalidArgument"},
	{acl.ErrUnsupported, 501, "NotImplemented"},
	{acl.ErrBoth, 400, "InvalidRequest"},
	{acl.ErrMalformed, 400, "MalformedACLError"},
	{acl.ErrPermission, 400, "MalformedACLError"},
	{acl.ErrEmail, 400, "UnresolvableGrantByEmailAddress"},

	{postform.ErrNotMultipart, 412, "PreconditionFailed"},
	{postform.ErrMalformed, 400, "MalformedPOSTRequest"},
	{postform.ErrFieldsTooLarge, 400, "MaxPostPreDataLengthExceeded"},
	{postform.ErrNoFile, 400, "InvalidArgument"},
	{postform.ErrMissingField, 400, "InvalidArgument"},
	{postform.ErrInvalidField, 400, "InvalidArgument"},
	{postform.ErrInvalidPolicy, 400, "InvalidPolicyDocument"},
	{postform.ErrPolicyExpired, 403, "AccessDenied"},
	{postform.ErrConditionFailed, 403, "AccessDenied"},
	{postform.ErrExtraField, 403, "AccessDenied"},
	{postform.ErrTooSmall, 400, "EntityTooSmall"},
	{postform.ErrTooLarge, 400, "EntityTooLarge"},

	{archive.ErrFormat, 400, "InvalidRequest"},
	{archive.ErrTruncated, 400, "IncompleteBody"},
	{archive.ErrMember, 400, "InvalidRequest"},
	{archive.ErrPath, 400, "InvalidArgument"},
	{archive.ErrLimit, 400, "EntityTooLarge"},

	{cors.ErrMalformed, 400, "MalformedXML"},
	{cors.ErrTooMany, 400, "InvalidRequest"},
	{cors.ErrMethod, 400, "InvalidRequest"},
	{cors.ErrWildcard, 400, "InvalidRequest"},
	{cors.ErrID, 400, "InvalidRequest"},

	{checksum.ErrInvalid, 400, "InvalidRequest"},
	{checksum.ErrInvalidDigest, 400, "InvalidDigest"},
	{checksum.ErrMismatch, 400, "BadDigest"},

	{context.Canceled, 400, "RequestTimeout"},
	{context.DeadlineExceeded, 400, "RequestTimeout"},
}

// describe finds the S3 error that err is.
func describe(err error) *apiError {
	var own *apiError
	if errors.As(err, &own) {
		return own
	}
	var version *pfs.VersionError
	inVersion := errors.As(err, &version)
	for _, row := range errorTable {
		if errors.Is(err, row.is) {
			if inVersion && row.status == http.StatusNotFound {
				row.code = "NoSuchVersion"
			}
			return &apiError{row.status, row.code, err.Error()}
		}
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return errMalformedXML.with("The body is larger than %d bytes.", tooLarge.Limit)
	}
	return &apiError{500, "InternalError", "The server met an unexpected error; its log tells more."}
}

// fail answers with err.
func (r *request) fail(err error) {
	e := describe(err)
	r.entry.Error = e.code
	if e.status >= 500 && e.status != http.StatusNotImplemented && e.status != http.StatusInsufficientStorage &&
		!errors.Is(err, pfs.ErrBusy) && r.Context().Err() == nil {
		r.g.log.Error("request failed", "method", r.Method, "bucket", r.bucket, "key", r.key, "err", err)
	}
	h := r.w.Header()
	modified := h.Get("Last-Modified")
	for _, name := range []string{"Content-Length", "Content-Encoding", "Content-Disposition", "X-Amz-Mp-Parts-Count", "X-Amz-Tagging-Count"} {
		h.Del(name)
	}
	for name := range h {
		// They are about the object's bytes, and clients would check the document by them.
		if strings.HasPrefix(name, "x-amz-meta-") || strings.HasPrefix(name, "X-Amz-Checksum-") {
			delete(h, name)
		}
	}
	if e.status == http.StatusNotModified {
		h.Del("Content-Type")
		r.w.WriteHeader(e.status)
		return
	}
	h.Set("Content-Type", "application/xml")
	if e.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
	}
	for _, name := range []string{"Etag", "Last-Modified", "Cache-Control", "Expires", "Content-Language"} {
		h.Del(name)
	}
	h.Del("Accept-Ranges")
	if e.status == http.StatusMethodNotAllowed && h.Get("X-Amz-Delete-Marker") != "" {
		h.Set("Last-Modified", modified)
	}
	r.w.WriteHeader(e.status)
	if r.Method == http.MethodHead {
		return
	}
	region := ""
	if e.code == "AuthorizationHeaderMalformed" || e.code == "AuthorizationQueryParametersError" {
		region = r.g.opts.Region
	}
	r.writeXML(struct {
		XMLName   xml.Name `xml:"Error"`
		Code      string
		Message   string
		Resource  string
		RequestID string `xml:"RequestId"`
		// With the region a client that signed for another one tries again.
		Region string `xml:",omitempty"`
	}{Code: e.code, Message: e.message, Resource: r.URL.Path, RequestID: r.entry.ID, Region: region})
}

// bucketError: whatever a bucket's name does not lead to is no bucket.
func bucketError(err error) error { return renamed(err, "NoSuchBucket", "InvalidBucketName") }

// versionError: whatever a version id does not lead to is no version.
func versionError(err error) error { return renamed(err, "NoSuchVersion", "InvalidArgument") }

// renamed gives what is missing, or malformed, a code that says where.
func renamed(err error, missing, malformed string) error {
	if err == nil {
		return nil
	}
	e := describe(err)
	switch e.status {
	case 404:
		return &apiError{404, missing, e.message}
	case 400:
		return &apiError{400, malformed, e.message}
	}
	return err
}
