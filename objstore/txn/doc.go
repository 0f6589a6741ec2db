// Package txn makes objstore.Rows out of what a store has of its own.
//
// A store gives an [Engine]: snapshots, a durable commit of many writes at
// once, and blocks of numbers. [New] adds what every store needs and none
// should write again: Updates that come together are run one after another as
// a group and share one commit; each sees what those before it in the group
// wrote, in pages too; its own writes go back if it fails, is too large or
// panics; nobody is told anything before the group is durable. Sequences,
// news of changes, the checks of the contract and an orderly end are here as
// well. [Tree] is the ordered rows in memory that all of this is made with.
//
// Promises: the Updates of one Rows happen in the order in which they are
// told, and each is all or nothing as far as Commit is. Rows may be used
// concurrently; a Reader and a Writer are one transaction's and belong to one
// goroutine at a time. One goroutine commits; it lives until Close.
//
// Subjects are not looked at: within one process Updates never run into each
// other. An Engine that several processes share is where they would be locked.
//
// It knows no store: no files, no badger, no network.
package txn
