// Package cors is a bucket's CORS configuration: which pages of other origins
// may use the bucket from a browser.
//
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html
//
// A Config is a list of rules, of which the first that matches a request
// counts. It is read from and written as S3's document and stored as JSON.
// It allows nothing that an ACL does not: it tells browsers what they may
// show. A Config is not changed once it was parsed, so it may be used
// concurrently.
//
// It must not import pfs, nor know a request.
package cors
