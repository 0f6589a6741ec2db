// Package catalog is what has a name: repos, their branches and tags, the open
// commits of branches and the moves of branches, each a row or a few; and the
// resolver, which says what a [Ref] means at one moment, a [Snapshot].
//
// All functions run inside a transaction that the caller opened, and decide
// nothing about who may: that is package access. What a snapshot holds is read
// by package commits. Nothing here is kept in memory.
package catalog
