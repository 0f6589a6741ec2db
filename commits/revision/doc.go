// Package revision parses the text that names a state: version expressions such as
// HEAD^ and master~2, commit ids and their abbreviations, and the names that repos,
// branches and tags may have.
//
// It has no store: what an expression leads to is found elsewhere. Everything in it
// is a pure function of text, and anybody who parses may import it, the command
// line included. An [Expr] and an [ID] print what parses to the same value again.
package revision
