// Package objstoretest is the conformance suite of objstore: what every store
// has to do, whatever it is made of. [Run] is all of it but for commits that
// fail, which [RunOutcomes] has for stores that can be made to.
//
// A model of a few lines stands beside the store: a sorted map. Nothing in
// here sleeps; a store that misses something hangs the test.
package objstoretest
