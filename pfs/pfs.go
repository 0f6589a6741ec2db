package pfs

// Limits of this package.
const (
	MaxPath  = 1024    // bytes in a path
	MaxParts = 10000   // highest part number
	MinPart  = 5 << 20 // bytes in a part that is not the last
)

// DefaultBranch is the default branch of a repo that does not say otherwise.
const DefaultBranch = "master"
