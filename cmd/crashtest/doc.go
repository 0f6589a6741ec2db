// Package crashtest does to caret and its stores what must not lose anything, and
// checks what is left: it kills the real binary under load and at every call of a
// start, cuts the power, fills the disk, makes calls of the system fail, and
// damages files. What it knows of a store is what can be read from it; what
// the files are it does not know. It has tests only; `make crash`, powercut,
// diskfull, faults and damage run many rounds.
package crashtest
