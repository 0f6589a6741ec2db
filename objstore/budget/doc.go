// Package budget shares out the memory that requests may take together.
//
// A Budget is a number of bytes. Whoever is about to hold memory for a request takes
// a Share of it first, waits for its turn if there is none, first come first served,
// and releases it at the end. ErrBusy says that the wait was too long.
//
// What is held for different lengths of time does not compete: each Kind has a part
// of the bytes to itself, so that uploads whose clients have gone silent keep no
// download waiting, nor large requests small ones. So that nobody waits for whom he
// keeps waiting, there is an order of kinds: who holds some of one waits only for
// those behind it. What a share needs on top it asks for with Grow, which never waits.
//
// A nil *Budget gives everybody what he asks for. All methods of a Budget may be called
// concurrently; a Share is for one goroutine at a time.
//
// It counts bytes and knows nothing of what they are for.
package budget
