// Package api serves the JSON API of caret over pfs: what the command line
// and programs use besides S3. Its nouns are pfs's own; package v1 has the
// wire types, package client the Go client.
//
// All of it is the table of operations, from which both the routes and an
// OpenAPI document are made; the latter is served at openapi.json. The tests
// pass through a checker that compares what is sent with it. Whether the caller
// may do something is decided by pfs, in the transaction that does it, and so is
// what a dry run would do.
//
// A ref in a request is a version expression as in S3's version ids: master,
// HEAD^, a commit id. Listings are paged. Errors have a code, a message and,
// where there is something to do, a hint. Who asks is found out by a function
// that is handed in, as requests are signed like those of S3.
//
// It must not import gateway, nor anything below pfs.
package api
