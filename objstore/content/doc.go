// Package content turns byte streams into blobs and back.
//
// A stream is cut into chunks by its content (FastCDC, about 1 MiB on
// average), each stored once under its hash. Content of one chunk is that
// chunk; longer content has lists of refs above its chunks. Every Content
// carries the BLAKE3 hash of all its bytes, however it was cut: written in
// one piece or concatenated from parts.
//
// Writers and readers stream: each holds a few chunks in memory at most.
// Readers verify every chunk before they hand out its first byte.
//
// It uses objstore.Blobs only, never rows.
package content
