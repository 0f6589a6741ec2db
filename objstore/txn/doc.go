// Package txn is what stores of rows have in common: grouping of concurrent
// updates, their write buffers, and the news that something changed.
package txn
