package v1

// Beginning stands for the state before a branch's first commit where a
// stream of events says behind which commit it goes on.
const Beginning = ".0"

// Events of a stream of commits. One without a name only has the id of the
// newest commit that was looked at.
const (
	EventCommit = "commit" // its data is a Commit
	EventError  = "error"  // its data is a StreamError; nothing follows
)

// StreamError says why a stream ends.
type StreamError struct {
	// Status is what the answer would have had, had it not begun.
	Status int `json:"status"`
	Error
}
