// Package gateway speaks S3 over pfs.
//
// Its nouns are S3's: a bucket is a way to name a state of a repo, a key is a
// path in it, a version id an expression that leads to another state. They
// stop here. Handlers return errors; one table says which S3 error each is
// and one place writes it. Bodies stream, and nothing is visible before every
// digest that came with it has been checked.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
//
// It must not import api, nor anything under pfs but its types and errors.
package gateway
