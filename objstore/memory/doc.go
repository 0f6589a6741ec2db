// Package memory is a store in memory. It keeps nothing and is for tests: as
// the fast store under them, which several users may share as processes share
// a database, and as the second implementation that shows what of a store is
// contract and what is an accident of the first.
//
// It is strict. Every transaction of an Update runs twice, and the first run is
// thrown away; a Reader or Writer that is used after its transaction panics, as
// does an Update's transaction that calls View or Update. Values are handed out
// as they are stored: who changes one changes it for all. Options make any
// operation fail, and leave the outcome of an Update unknown.
package memory
