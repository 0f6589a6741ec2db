package v1

// CheckLine is a line of a check, which has one of these. Done is that of the last line;
// a check without one was cut off.
type CheckLine struct {
	Damage   *Damage  `json:"damage,omitempty"`   // what was found
	Progress *Checked `json:"progress,omitempty"` // how far it is, about every second
	Done     *Checked `json:"done,omitempty"`     // what it came to
}

// Damage is something that is stored and is not what it was. What is not known of where
// it is, is absent.
type Damage struct {
	Kind    string `json:"kind"` // missing blob, damaged blob, bad row, missing row, missing commit or broken chain
	Repo    string `json:"repo,omitempty"`
	Branch  string `json:"branch,omitempty"`  // a deleted one too
	Version string `json:"version,omitempty"` // of the file, or the commit
	Path    string `json:"path,omitempty"`
	Detail  string `json:"detail"` // for people
}

// Checked is how far a check is.
type Checked struct {
	Repo    string `json:"repo,omitempty"` // that it is at
	Branch  string `json:"branch,omitempty"`
	Commits int    `json:"commits"` // looked at
	Files   int    `json:"files"`   // versions of files looked at
	Blobs   int64  `json:"blobs"`   // of content that were read, each once
	Bytes   int64  `json:"bytes"`   // in them
	Damaged int    `json:"damaged"` // how much was found
}
