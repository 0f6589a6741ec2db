// Package access decides who may do what. Its nouns: a user has access keys,
// by which requests are signed; a key may have limits; a [Caller] is who asks,
// as its key says at that moment; an [ACL] says what is granted on a branch, or
// on a version of a file; settings are what is said of a branch beside its
// history, its ACL above all.
//
// There is one decision, [Decide]: may this caller do this with that? It is
// taken in the transaction that then reads or writes, so nothing can change in
// between, and everything it needs is read there, the caller included. Whatever
// else is to decide, such as roles or policies, belongs in there.
//
// Access is not versioned: taking it away covers the past too.
package access
