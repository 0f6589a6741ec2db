// Command hostile attacks the real binary as strangers and users with bad intentions
// would, and prints what it cost everybody else: `make hostile`.
//
// Each attack is a function in a file of its own, in the table in main.go. It starts a
// server of its own, does its worst, and says what it found by stage.atMost and stage.is,
// each of which is a line of the table that is printed; one that is not as it must be
// makes the command fail. The same attacks run smaller in `go test`.
package main
