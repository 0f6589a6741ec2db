package gateway

import "net/http"

// level is what a request's path names.
type level int

const (
	onService level = iota + 1
	onBucket
	onObject
)

// route is one operation of S3: method, what it is on, and the query
// parameter ("sub-resource") that tells it from others.
type route struct {
	method string
	on     level
	sub    string
}

// operation runs a request.
type operation func(*request) error

// routes are all operations. A sub-resource of subResources that has no row
// here for a method is answered with 501, never with another operation.
var routes = map[route]operation{
	{"GET", onService, ""}: (*request).listBuckets,

	{"PUT", onBucket, ""}:               (*request).createBucket,
	{"HEAD", onBucket, ""}:              (*request).headBucket,
	{"DELETE", onBucket, ""}:            (*request).deleteBucket,
	{"GET", onBucket, ""}:               (*request).listObjects,
	{"GET", onBucket, "location"}:       (*request).getLocation,
	{"GET", onBucket, "versioning"}:     (*request).getVersioning,
	{"PUT", onBucket, "versioning"}:     (*request).putVersioning,
	{"GET", onBucket, "uploads"}:        (*request).listUploads,
	{"POST", onBucket, "delete"}:        (*request).deleteObjects,
	{"GET", onBucket, "acl"}:            (*request).getACL,
	{"GET", onBucket, "policy"}:         missing("NoSuchBucketPolicy", "The bucket has no policy."),
	{"GET", onBucket, "policyStatus"}:   missing("NoSuchBucketPolicy", "The bucket has no policy."),
	{"GET", onBucket, "cors"}:           missing("NoSuchCORSConfiguration", "The bucket has no CORS configuration."),
	{"GET", onBucket, "lifecycle"}:      missing("NoSuchLifecycleConfiguration", "The bucket has no lifecycle configuration."),
	{"GET", onBucket, "encryption"}:     missing("ServerSideEncryptionConfigurationNotFoundError", "The bucket has no encryption configuration."),
	{"GET", onBucket, "tagging"}:        missing("NoSuchTagSet", "The bucket has no tags."),
	{"GET", onBucket, "object-lock"}:    missing("ObjectLockConfigurationNotFoundError", "The bucket has no object lock configuration."),
	{"GET", onBucket, "replication"}:    missing("ReplicationConfigurationNotFoundError", "The bucket has no replication configuration."),
	{"GET", onBucket, "website"}:        missing("NoSuchWebsiteConfiguration", "The bucket has no website configuration."),
	{"GET", onBucket, "logging"}:        empty("BucketLoggingStatus"),
	{"GET", onBucket, "notification"}:   empty("NotificationConfiguration"),
	{"GET", onBucket, "accelerate"}:     empty("AccelerateConfiguration"),
	{"GET", onBucket, "requestPayment"}: (*request).getRequestPayment,
	{"GET", onBucket, "publicAccessBlock"}: missing("NoSuchPublicAccessBlockConfiguration",
		"The bucket has no public access block configuration."),
	{"GET", onBucket, "ownershipControls"}: missing("OwnershipControlsNotFoundError",
		"The bucket has no ownership controls."),

	{"GET", onObject, ""}:            (*request).getObject,
	{"HEAD", onObject, ""}:           (*request).getObject,
	{"PUT", onObject, ""}:            (*request).putObject,
	{"DELETE", onObject, ""}:         (*request).deleteObject,
	{"GET", onObject, "acl"}:         (*request).getACL,
	{"GET", onObject, "tagging"}:     (*request).getTagging,
	{"POST", onObject, "uploads"}:    (*request).createUpload,
	{"PUT", onObject, "uploadId"}:    (*request).uploadPart,
	{"GET", onObject, "uploadId"}:    (*request).listParts,
	{"POST", onObject, "uploadId"}:   (*request).completeUpload,
	{"DELETE", onObject, "uploadId"}: (*request).abortUpload,
}

// subResources are the query parameters that make a request another
// operation, whether it is one of ours or not.
var subResources = []string{
	"uploadId", "uploads", "delete", "acl", "tagging", "attributes", "versions", "versioning", "location",
	"policy", "policyStatus", "cors", "lifecycle", "encryption", "object-lock", "legal-hold", "retention", "replication",
	"website", "logging", "notification", "accelerate", "requestPayment", "publicAccessBlock",
	"ownershipControls", "inventory", "metrics", "analytics", "intelligent-tiering", "torrent",
	"restore", "select", "session", "append", "renameObject", "metadataConfiguration", "metadataTable", "abac",
}

// operation finds what a request asks for.
func (r *request) operation(on level) (operation, error) {
	sub := ""
	if len(r.query) > 0 {
		for _, s := range subResources {
			if r.query.Has(s) {
				sub = s
				break
			}
		}
	}
	if op := routes[route{r.Method, on, sub}]; op != nil {
		return op, nil
	}
	if sub != "" || r.Method == http.MethodPost || r.Method == http.MethodOptions {
		what := r.Method
		if sub != "" {
			what += " ?" + sub
		}
		return nil, errNotImplemented.with("%s is not implemented.", what)
	}
	return nil, errMethod.with("%s is not allowed here.", r.Method)
}

// missing answers that a bucket, which must exist, lacks a configuration.
func missing(code, message string) operation {
	e := &apiError{http.StatusNotFound, code, message}
	return func(r *request) error {
		if _, err := r.own(); err != nil {
			return err
		}
		return e
	}
}

// empty answers with a document that says nothing.
func empty(name string) operation {
	return func(r *request) error {
		if _, err := r.own(); err != nil {
			return err
		}
		return r.reply(emptyDocument(name))
	}
}
