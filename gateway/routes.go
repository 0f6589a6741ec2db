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

// operation runs a request. need is what its caller must be allowed to do
// with the bucket, or the object; 0 leaves that to run.
type operation struct {
	run  func(*request) error
	need pfs.Action
}

// routes are all operations. A sub-resource of subResources that has no row
// here for a method is answered with 501, never with another operation.
var routes = map[route]operation{
	{"GET", onService, ""}: {(*request).listBuckets, 0},

	{"PUT", onBucket, ""}:                  {(*request).createBucket, 0},
	{"HEAD", onBucket, ""}:                 {(*request).headBucket, pfs.ActList},
	{"DELETE", onBucket, ""}:               {(*request).deleteBucket, pfs.ActOwn},
	{"GET", onBucket, ""}:                  {(*request).listObjects, pfs.ActList},
	{"GET", onBucket, "location"}:          {(*request).getLocation, pfs.ActList},
	{"GET", onBucket, "versioning"}:        {(*request).getVersioning, pfs.ActList},
	{"PUT", onBucket, "versioning"}:        {(*request).putVersioning, pfs.ActOwn},
	{"GET", onBucket, "versions"}:          {(*request).listVersions, pfs.ActList},
	{"GET", onBucket, "uploads"}:           {(*request).listUploads, pfs.ActList},
	{"POST", onBucket, "delete"}:           {(*request).deleteObjects, pfs.ActWrite},
	{"GET", onBucket, "acl"}:               {(*request).getACL, pfs.ActReadACP},
	{"PUT", onBucket, "acl"}:               {(*request).putACL, pfs.ActWriteACP},
	{"GET", onBucket, "tagging"}:           {(*request).getBucketTagging, pfs.ActInspect},
	{"PUT", onBucket, "tagging"}:           {(*request).putBucketTagging, pfs.ActOwn},
	{"DELETE", onBucket, "tagging"}:        {(*request).deleteBucketTagging, pfs.ActOwn},
	{"GET", onBucket, "cors"}:              {(*request).getCORS, pfs.ActInspect},
	{"PUT", onBucket, "cors"}:              {(*request).putCORS, pfs.ActOwn},
	{"DELETE", onBucket, "cors"}:           {(*request).deleteCORS, pfs.ActOwn},
	{"GET", onBucket, "policy"}:            {missing("NoSuchBucketPolicy", "The bucket has no policy."), pfs.ActInspect},
	{"GET", onBucket, "policyStatus"}:      {missing("NoSuchBucketPolicy", "The bucket has no policy."), pfs.ActInspect},
	{"GET", onBucket, "lifecycle"}:         {missing("NoSuchLifecycleConfiguration", "The bucket has no lifecycle configuration."), pfs.ActInspect},
	{"GET", onBucket, "encryption"}:        {missing("ServerSideEncryptionConfigurationNotFoundError", "The bucket has no encryption configuration."), pfs.ActInspect},
	{"GET", onBucket, "object-lock"}:       {missing("ObjectLockConfigurationNotFoundError", "The bucket has no object lock configuration."), pfs.ActInspect},
	{"GET", onBucket, "replication"}:       {missing("ReplicationConfigurationNotFoundError", "The bucket has no replication configuration."), pfs.ActInspect},
	{"GET", onBucket, "website"}:           {missing("NoSuchWebsiteConfiguration", "The bucket has no website configuration."), pfs.ActInspect},
	{"GET", onBucket, "logging"}:           {empty("BucketLoggingStatus"), pfs.ActInspect},
	{"GET", onBucket, "notification"}:      {empty("NotificationConfiguration"), pfs.ActInspect},
	{"GET", onBucket, "accelerate"}:        {empty("AccelerateConfiguration"), pfs.ActInspect},
	{"GET", onBucket, "requestPayment"}:    {(*request).getRequestPayment, pfs.ActList},
	{"GET", onBucket, "publicAccessBlock"}: {missing("NoSuchPublicAccessBlockConfiguration", "The bucket has no public access block configuration."), pfs.ActInspect},
	{"GET", onBucket, "ownershipControls"}: {missing("OwnershipControlsNotFoundError", "The bucket has no ownership controls."), pfs.ActInspect},

	{"GET", onObject, ""}:            {(*request).getObject, pfs.ActRead},
	{"HEAD", onObject, ""}:           {(*request).getObject, pfs.ActRead},
	{"PUT", onObject, ""}:            {(*request).putObject, pfs.ActWrite},
	{"DELETE", onObject, ""}:         {(*request).deleteObject, pfs.ActWrite},
	{"GET", onObject, "acl"}:         {(*request).getACL, pfs.ActReadACP},
	{"GET", onObject, "tagging"}:     {(*request).getTagging, pfs.ActRead},
	{"PUT", onObject, "acl"}:         {(*request).putACL, pfs.ActWriteACP},
	{"PUT", onObject, "tagging"}:     {(*request).putTagging, pfs.ActWrite},
	{"DELETE", onObject, "tagging"}:  {(*request).deleteTagging, pfs.ActWrite},
	{"GET", onObject, "attributes"}:  {(*request).getAttributes, pfs.ActRead},
	{"POST", onObject, "uploads"}:    {(*request).createUpload, pfs.ActWrite},
	{"PUT", onObject, "uploadId"}:    {(*request).uploadPart, pfs.ActWrite},
	{"GET", onObject, "uploadId"}:    {(*request).listParts, pfs.ActWrite},
	{"POST", onObject, "uploadId"}:   {(*request).completeUpload, pfs.ActWrite},
	{"DELETE", onObject, "uploadId"}: {(*request).abortUpload, pfs.ActWrite},
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
