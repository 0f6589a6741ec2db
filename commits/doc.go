// Package commits stores history: commit records, the state in which each commit
// left every path it changed, and the indexes that find both again by position,
// id, time or path.
//
// # Lineages
//
// A lineage is a sequence of commits numbered 1, 2, 3, ...; a branch grows one. A
// lineage may fork from another: it inherits the commits up to the fork point and
// counts on from there. A [Pos], a lineage and a number, names a commit. As every
// lineage that inherits a commit can name it, a commit may have several positions;
// [Owner] returns the one on the lineage that made it.
//
// # States
//
// For each path, a lineage keeps one row with the newest [State]: an entry, or a
// deletion. A commit that changes the path moves the state it replaces to a row of
// its own, under the path and that state's number. Reading the head is therefore
// one point read, reading an older commit at most one more, and a new branch costs
// two rows, whatever it holds.
//
// A commit of very many paths begins as a layer: its states stay in rows under the
// commit's id, and the row of the lineage says at which number they belong. [Fold]
// moves them into the lineage later, some at a time. Readers cannot tell the
// difference: of all states of a path, wherever they are kept, the one with the
// greatest number at or below the position counts.
//
// # Reading
//
// A [View] shows the state at one position: [View.LookupMany] finds the states of
// paths, [View.Walk] lists paths, [View.Versions] and [View.History] list what each
// of them was before. [Read] and [Log] read commits, [Changes] what one of them
// changed. [ForkCache.ChangedPaths] and [ForkCache.Compare] are the two halves of a
// diff, and a [Merge] is a three-way merge.
//
// A [ChainCheck] and a [StateCheck] read all rows there are, to find what is damaged.
//
// The store may be at the other end of a network, so functions that deal with many
// things read them in a few calls, however many they are. Those whose names end in
// Hint are told about how many items the caller wants, and read no more than that
// at first; 0 means that it is not known.
//
// # Promises
//
// Every function runs inside a transaction that the caller has opened. A view or a
// walk can be used as long as that is, by one goroutine; what it returns may be kept.
// Only a [ForkCache], which remembers what can no longer change, outlives transactions
// and may be used by many goroutines. Each record has the hash of its parent's record
// and the hash of its changes, so that history can be verified as a chain.
//
// The package knows repos and branches by number only. It imports objstore and
// nothing above.
package commits
