// Package commits is what never changes: commit records, the entries they
// left behind, and how a state is found again by path, number, id or time.
//
// A lineage is the number line of commits that a branch grows: 1, 2,
// 3, ... A lineage may leave another one at a fork point and then goes on
// counting from there. A [Pos] is a commit's place on a lineage.
//
// For each path a lineage keeps one row with its newest state and moves the
// state it had before to a row of its own (path, N), so reading the head is
// one point read, any older commit one more seek, and a new branch one row.
// A commit of very many paths is first a layer: its rows stand under the
// commit's id, one lineage row says at which N they belong, and they are folded
// in afterwards. Readers cannot tell: of all rows for a path, the one with
// the largest N at or below the position counts.
//
// Every record carries the hash of its parent's record and of its changes.
//
// All functions run inside a transaction that the caller opened; the package
// knows no names of repos or branches, imports objstore and nothing above.
package commits
