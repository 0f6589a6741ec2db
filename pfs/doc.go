// Package pfs is the versioned file system: what has a name and changes.
//
// Its nouns: a repo has branches and tags; a branch has a head, the newest of
// its commits; a commit is a snapshot of all paths; an open commit collects
// writes that become one commit; an upload collects parts that become one
// file. Every write makes a commit, all or nothing, durable when the call
// returns. Everything below a resolved Snapshot is immutable.
//
// Conditions (the branch's head, a file's hash) are decided in the
// transaction that makes the commit, so they hold against concurrent writers.
//
// A Watch hands out a branch's commits as they are made. Writers pay nothing
// for it: rows ring a bell behind every change, and who watches then looks.
//
// pfs stands on commits and objstore and must not import gateway or api; S3's
// words (bucket, key, marker) stop there. All methods may be called
// concurrently.
package pfs
