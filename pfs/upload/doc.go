// Package upload keeps uploads: each collects parts, by number, that become one
// file, or the files of an archive, when it is completed. It has the rows of
// uploads, of their parts, and of the memory of those that were completed, so
// that completing one again succeeds.
//
// All functions but the three that jobs call run inside a transaction that the
// caller opened, and decide nothing about who may.
package upload
