// Package run keeps rows in runs: immutable, sorted, compressed, checksummed
// files. A run has the last value, or the deletion, of every key that groups of
// transactions with a log sequence number (LSN) after From, up to and including
// To, wrote. Runs that follow each other from 0 to the newest are a checkpoint:
// all rows as of that number. Indexes are rebuilt from them.
//
// A Writer makes a run under a temporary name and gives it its own once it is
// durable; a Reader reads one; Scan reads runs that follow each other as if they
// were one; Merge makes one of them, in which rows that were overwritten are
// gone. List finds the runs of a directory, Cover those of them that are the
// checkpoint, Pick those that are to be merged now. Nothing here removes a run:
// that is for whoever knows that it is not needed any more.
//
// Every byte of a file is under a checksum that also has the place it belongs
// to. What is damaged is objstore.ErrCorrupt, with the file and the place in it,
// before a row of the damaged block is returned. Memory is bounded by the size
// of a block for each run that is read, never by a number out of a file.
//
// A Writer, and whatever walks through rows, is for one goroutine. Readers,
// and different Writers, may be used concurrently. No function leaves a
// goroutine behind. FORMAT.md has every byte.
//
// The package knows nothing of caret but objstore: not the log whose numbers
// these are, nor what a row means.
package run
