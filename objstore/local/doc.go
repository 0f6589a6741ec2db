// Package local keeps blobs and rows in one directory: rows and the index of
// the blobs in badger, the blobs' bytes in append-only pack files beside it.
//
// Package txn runs the transactions and commits those that come together as a
// group. For each group the packs that were written to are synced first, then
// the rows, and the index rows of all blobs put before, are committed as one
// badger transaction with one more sync. So concurrent writers share syncs,
// transactions need no conflict detection, and a blob's index row never
// reaches the disk before its bytes.
//
// If a sync fails nobody knows what is on disk; the store then refuses writes
// until it is opened again, and goes on reading. FORMAT.md describes the files.
//
// Only one process has a directory open. It knows no network and nothing of
// what rows and blobs mean.
package local
