// Package archive reads archives whose files are to become files of a branch:
// tars, plain or in gzip or zstd, told apart by their first bytes.
//
// Its nouns: a Reader goes through the archive once, as it streams in; a
// Member is a file of it, or a directory if those are wanted. A member that
// cannot be stored as it is in the archive is an error, not left out.
//
// It is all or nothing: Next returns io.EOF only when the whole archive was
// there, its checksums were right and the body has been read to its end; until
// then what was read must not become visible. An archive that expands to
// much more than was sent is stopped.
//
// https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html
//
// It knows no storage, writes no files and imports nothing of caret. A Reader
// may not be used concurrently.
package archive
