// Package revision parses what names a state: version expressions such as
// HEAD^ and master~2, commit ids and their beginnings, and the names that repos,
// branches and tags may have. It knows no store: what an expression leads to is
// found elsewhere. Everything here is a pure function of text, and whoever
// parses, the command line included, may import it.
package revision
