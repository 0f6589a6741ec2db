// Package plain reads the data directory of a stopped or killed caret, as somebody
// would who has the documents and not the program: FORMAT.md and those that it
// names are all that it was written from. It needs log/ and packs/, shares
// no code with caret, and verifies every checksum, every hash and the chain of
// commits; what is not as the documents say is an error. It holds all rows in
// memory: it is there to show that the documents suffice.
//
// A [Store] has repos, whose branches and tags are a [Place] each, a commit on a
// lineage. [Store.Log] lists the commits that lead to one, [Store.Files] the files that it
// has, and [Store.Content] reads one of them.
//
// It must not import anything of caret.
package plain
