// Package crashtest kills the real binary under load and checks what is left.
// It has tests only; `make crash` runs many rounds.
package crashtest
