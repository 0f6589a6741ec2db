// Package pack keeps the bytes of blobs in files that are only appended to. A
// blob is a record of its own, or one of many small ones in a bulk. Where it is
// is for the caller to remember, and its hash for the caller to verify.
//
// It may be used concurrently, and knows nothing of rows. The FORMAT.md beside
// this folder describes the files.
package pack
