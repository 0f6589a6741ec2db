// Package objstore keeps bytes by hash and ordered rows in transactions.
//
// It offers two small interfaces. [Blobs] holds immutable bytes under the
// BLAKE3 hash of those bytes; any S3-compatible store could implement it.
// [Rows] holds ordered keys with serializable transactions; PostgreSQL could
// implement it. Package txn has what all stores of rows have in common. Package
// local implements both in one directory (badger for rows, pack files for
// blobs), package memory for tests, package content cuts streams into blobs,
// and package objstoretest is the conformance suite that every implementation
// must pass.
//
// The two are tied by one promise: a blob whose Put returned before an
// Update began is durable when that Update returns nil. Nothing else about
// blobs needs a transaction, because they are immutable.
//
// Nothing in here knows repos, branches, commits or S3.
package objstore
