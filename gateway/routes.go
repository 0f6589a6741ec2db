package gateway

import (
	"net/http"

	"caret/pfs"
)

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

// operation runs a request. name is S3's; need is what its caller must be allowed
// to do with the bucket, or the object; 0 leaves that to run.
type operation struct {
	name string
	run  func(*request) error
	need pfs.Action
}

// routes are all operations. A sub-resource of subResources that has no row
// here for a method is answered with 501, never with another operation.
var routes = map[route]operation{
	{"GET", onService, ""}: {"ListBuckets", (*request).listBuckets, 0},

	{"PUT", onBucket, ""}:                  {"CreateBucket", (*request).createBucket, 0},
	{"HEAD", onBucket, ""}:                 {"HeadBucket", (*request).headBucket, pfs.ActList},
	{"DELETE", onBucket, ""}:               {"DeleteBucket", (*request).deleteBucket, pfs.ActOwn},
	{"GET", onBucket, ""}:                  {"ListObjects", (*request).listObjects, pfs.ActList},
	{"GET", onBucket, "location"}:          {"GetBucketLocation", (*request).getLocation, pfs.ActList},
	{"GET", onBucket, "versioning"}:        {"GetBucketVersioning", (*request).getVersioning, pfs.ActList},
	{"PUT", onBucket, "versioning"}:        {"PutBucketVersioning", (*request).putVersioning, pfs.ActOwn},
	{"GET", onBucket, "versions"}:          {"ListObjectVersions", (*request).listVersions, pfs.ActList},
	{"GET", onBucket, "uploads"}:           {"ListMultipartUploads", (*request).listUploads, pfs.ActList},
	{"POST", onBucket, "delete"}:           {"DeleteObjects", (*request).deleteObjects, pfs.ActWrite},
	{"GET", onBucket, "acl"}:               {"GetBucketAcl", (*request).getACL, pfs.ActReadACP},
	{"PUT", onBucket, "acl"}:               {"PutBucketAcl", (*request).putACL, pfs.ActWriteACP},
	{"GET", onBucket, "tagging"}:           {"GetBucketTagging", (*request).getBucketTagging, pfs.ActInspect},
	{"PUT", onBucket, "tagging"}:           {"PutBucketTagging", (*request).putBucketTagging, pfs.ActOwn},
	{"DELETE", onBucket, "tagging"}:        {"DeleteBucketTagging", (*request).deleteBucketTagging, pfs.ActOwn},
	{"GET", onBucket, "cors"}:              {"GetBucketCors", (*request).getCORS, pfs.ActInspect},
	{"PUT", onBucket, "cors"}:              {"PutBucketCors", (*request).putCORS, pfs.ActOwn},
	{"DELETE", onBucket, "cors"}:           {"DeleteBucketCors", (*request).deleteCORS, pfs.ActOwn},
	{"GET", onBucket, "policy"}:            {"GetBucketPolicy", missing("NoSuchBucketPolicy", "The bucket has no policy."), pfs.ActInspect},
	{"GET", onBucket, "policyStatus"}:      {"GetBucketPolicyStatus", missing("NoSuchBucketPolicy", "The bucket has no policy."), pfs.ActInspect},
	{"GET", onBucket, "lifecycle"}:         {"GetBucketLifecycleConfiguration", missing("NoSuchLifecycleConfiguration", "The bucket has no lifecycle configuration."), pfs.ActInspect},
	{"GET", onBucket, "encryption"}:        {"GetBucketEncryption", missing("ServerSideEncryptionConfigurationNotFoundError", "The bucket has no encryption configuration."), pfs.ActInspect},
	{"GET", onBucket, "object-lock"}:       {"GetObjectLockConfiguration", missing("ObjectLockConfigurationNotFoundError", "The bucket has no object lock configuration."), pfs.ActInspect},
	{"GET", onBucket, "replication"}:       {"GetBucketReplication", missing("ReplicationConfigurationNotFoundError", "The bucket has no replication configuration."), pfs.ActInspect},
	{"GET", onBucket, "website"}:           {"GetBucketWebsite", missing("NoSuchWebsiteConfiguration", "The bucket has no website configuration."), pfs.ActInspect},
	{"GET", onBucket, "logging"}:           {"GetBucketLogging", empty("BucketLoggingStatus"), pfs.ActInspect},
	{"GET", onBucket, "notification"}:      {"GetBucketNotificationConfiguration", empty("NotificationConfiguration"), pfs.ActInspect},
	{"GET", onBucket, "accelerate"}:        {"GetBucketAccelerateConfiguration", empty("AccelerateConfiguration"), pfs.ActInspect},
	{"GET", onBucket, "requestPayment"}:    {"GetBucketRequestPayment", (*request).getRequestPayment, pfs.ActList},
	{"GET", onBucket, "publicAccessBlock"}: {"GetPublicAccessBlock", missing("NoSuchPublicAccessBlockConfiguration", "The bucket has no public access block configuration."), pfs.ActInspect},
	{"GET", onBucket, "ownershipControls"}: {"GetBucketOwnershipControls", missing("OwnershipControlsNotFoundError", "The bucket has no ownership controls."), pfs.ActInspect},

	{"GET", onObject, ""}:            {"GetObject", (*request).getObject, pfs.ActRead},
	{"HEAD", onObject, ""}:           {"HeadObject", (*request).getObject, pfs.ActRead},
	{"PUT", onObject, ""}:            {"PutObject", (*request).putObject, pfs.ActWrite},
	{"DELETE", onObject, ""}:         {"DeleteObject", (*request).deleteObject, pfs.ActWrite},
	{"GET", onObject, "acl"}:         {"GetObjectAcl", (*request).getACL, pfs.ActReadACP},
	{"GET", onObject, "tagging"}:     {"GetObjectTagging", (*request).getTagging, pfs.ActRead},
	{"PUT", onObject, "acl"}:         {"PutObjectAcl", (*request).putACL, pfs.ActWriteACP},
	{"PUT", onObject, "tagging"}:     {"PutObjectTagging", (*request).putTagging, pfs.ActWrite},
	{"DELETE", onObject, "tagging"}:  {"DeleteObjectTagging", (*request).deleteTagging, pfs.ActWrite},
	{"GET", onObject, "attributes"}:  {"GetObjectAttributes", (*request).getAttributes, pfs.ActRead},
	{"POST", onObject, "uploads"}:    {"CreateMultipartUpload", (*request).createUpload, pfs.ActWrite},
	{"PUT", onObject, "uploadId"}:    {"UploadPart", (*request).uploadPart, pfs.ActWrite},
	{"GET", onObject, "uploadId"}:    {"ListParts", (*request).listParts, pfs.ActWrite},
	{"POST", onObject, "uploadId"}:   {"CompleteMultipartUpload", (*request).completeUpload, pfs.ActWrite},
	{"DELETE", onObject, "uploadId"}: {"AbortMultipartUpload", (*request).abortUpload, pfs.ActWrite},
}

// nameFor is the name of what a request asks for: some share a route.
func (o operation) nameFor(r *request) string {
	copied := r.Header.Get("X-Amz-Copy-Source") != ""
	switch {
	case o.name == "PutObject" && copied:
		return "CopyObject"
	case o.name == "UploadPart" && copied:
		return "UploadPartCopy"
	case o.name == "ListObjects" && r.query.Get("list-type") == "2":
		return "ListObjectsV2"
	}
	return o.name
}

// Names of what is no route.
const (
	nameForm      = "PostObject"
	namePreflight = "PreflightRequest"
)

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
	if op, ok := routes[route{r.Method, on, sub}]; ok {
		return op, nil
	}
	if sub != "" || r.Method == http.MethodPost || r.Method == http.MethodOptions {
		what := r.Method
		if sub != "" {
			what += " ?" + sub
		}
		return operation{}, errNotImplemented.with("%s is not implemented.", what)
	}
	return operation{}, errMethod.with("%s is not allowed here.", r.Method)
}

// missing answers that a bucket, which must exist, lacks a configuration.
func missing(code, message string) func(*request) error {
	e := &apiError{http.StatusNotFound, code, message}
	return func(r *request) error {
		if err := r.allowed(); err != nil {
			return err
		}
		return e
	}
}

// empty answers with a document that says nothing.
func empty(name string) func(*request) error {
	return func(r *request) error {
		if err := r.allowed(); err != nil {
			return err
		}
		return r.reply(emptyDocument(name))
	}
}
