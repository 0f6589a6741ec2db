// Package local keeps blobs and rows in one directory.
//
// One log is the truth (package journal): for each group of transactions that
// package txn runs, the rows, and the small blobs that were put before, are
// appended to it and synced, once. Larger blobs go to pack files as they come
// (package pack), which are synced before the record that says where they are.
// Then the rows are written to the index (package index, which is badger),
// where they are read, and which is synced by nobody.
//
// When a segment of the log is full its rows are written to a sorted file
// (package run) and its small blobs to a pack, and it is used again. The runs,
// merged in tiers, are a checkpoint of all rows, and with the segments behind
// them all that the index is made of: at each start the index says up to where
// it has come and is given the rest; if it is damaged, it is made anew.
//
// If the log can't be written or synced nobody knows what is on disk; the store
// is then broken, which Failed tells: it refuses writes until it is opened again,
// and goes on reading. So it does while the disk is full, until it is not, which
// is not being broken. FORMAT.md describes the files.
//
// Only one process has a directory open. It knows no network and nothing of
// what rows and blobs mean.
package local
