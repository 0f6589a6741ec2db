// Package changeset makes sets of changes visible. A [Set] is a set of changes,
// based on a commit of a branch, under a policy that says what happens where the
// branch has changed the same paths meanwhile; it becomes one commit of the
// branch, all or nothing. A put of one file, a tar of a million, a merge, a
// revert, a restored folder, and the open commit that somebody finishes are all
// this, and differ in their [Spec] alone.
//
// A small set is held in memory and becomes a commit in one transaction. A larger
// one is staged in rows under an open commit first, in steps of a transaction's
// size, which nobody sees; one small transaction then makes it a commit. That
// transaction is the moment of visibility: it finds the branch again, asks
// whether the caller may (Spec.Decide), and compares what the branch has changed
// since with what is staged, as a three-way merge does.
//
// Several processes may work on the open commits of one store. Which one does is
// in their rows; see package lease.
package changeset
