// Package audit keeps the trail of what was changed beside content: users, keys,
// grants, settings, what names mean, and versions that were removed. What a
// commit changes is not in it, as the commit itself says so.
//
// A line is written by the transaction that makes the change, so that neither
// is there without the other. Lines are ordered by time, which their keys
// have; index rows find those of a user and those of a repo. They are kept for
// ever, and never written twice.
//
// It knows nothing of what the lines mean, nor who may read them, and imports
// of pfs rows alone.
package audit
