// Package sigv2 verifies AWS Signature Version 2 as S3 uses it: in the
// Authorization header and in the query of a presigned URL.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
//
// Old clients still speak it, and boto3 presigns with it unless told not to.
// It signs method, path, the query parameters that name another resource or
// override headers of the answer, Content-MD5, Content-Type, the date and
// every x-amz- header; not the host, other headers or the body.
//
// What is wrong with a signature is told by the errors of sigv4. The package
// knows no operation of S3, keeps no state, and may be used concurrently. It
// must not import storage.
package sigv2
