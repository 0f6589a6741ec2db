// Package jobs is everything that goes on in the background: layers are folded
// into their lineages, what was staged in open commits that are gone is removed,
// open commits and uploads that nobody touches any more are ended, and so is the
// memory of uploads that were completed.
//
// What there is to do is in rows, never in memory alone, so any process does it
// that has the store open. Work that takes many transactions is owned: its row
// names a process with a lease (package lease), every transaction checks that it
// still does, and another process takes over when the lease is over. What fails
// is tried again, with growing pauses; while the store takes no writes everything
// rests so.
package jobs
