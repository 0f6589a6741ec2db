// Package journal is the log that a store in a directory writes everything to
// first: records of rows and small blobs, each with a checksum and a log
// sequence number (LSN), in segment files of one size.
//
// Segments are allocated before they are used, so that a record that there is
// room for never meets a full disk, and are used again and again: a sync then
// writes bytes over bytes and nothing of the file system's own. What a segment
// holds is kept elsewhere before it is freed; see package run.
//
// A record is complete or it is not there. Opening finds the records that
// follow each other, and tells what a crash left of one that nobody was told
// was written from one that was damaged later: records say how far the log was
// synced when they were written, and so does a file beside them, with each sync.
//
// Append, Sync and Seal are for one goroutine at a time; all else may be called
// concurrently. The package knows nothing of what rows and blobs mean, of
// packs, or of badger. FORMAT.md describes the files.
package journal
