// Package index keeps rows in badger, and is the only package that knows
// badger. What it holds is written to a log before, so it syncs nothing, is
// believed nothing that it can't prove, and can be made again.
//
// badger loses and invents what its files say when they are damaged; so:
//
//   - All tables are verified, by code of this package, before badger opens them,
//     and again while it runs. Blocks are verified when badger reads them, and
//     since its iterators drop what goes wrong there, the package notices it by
//     the errors that badger makes then.
//   - badger's own write-ahead log is removed at open: whether it is whole can't be
//     known. The rows that only it had are those above State.LSN.
//   - Each value has a checksum bound to its key.
//   - A table that badger's manifest does not list is one that badger would remove;
//     a manifest that is missing beside tables is damage.
//
// Open returns an error that wraps objstore.ErrCorrupt for whatever can be
// mended by making the index anew, and others for what can't: a full disk,
// too few file descriptors.
package index
