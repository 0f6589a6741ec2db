package v1

import "time"

// Status is how a server is.
type Status struct {
	Ready   bool      `json:"ready"`  // requests should be sent to it
	Health  string    `json:"health"` // ok, or what is wrong
	Version string    `json:"version"`
	Store   string    `json:"store"` // id of what it serves
	Started time.Time `json:"started"`
	Uptime  int64     `json:"uptime"` // in seconds
	Disk    Disk      `json:"disk"`
	Jobs    Jobs      `json:"jobs"`
	Limits  []Limit   `json:"limits"` // that are in force, by name
}

// Disk is the space, in bytes, on the disk of a store.
type Disk struct {
	Size int64 `json:"size"`
	Free int64 `json:"free"`
	// Reserve is how much has to be free for writes to be taken.
	Reserve int64 `json:"reserve"`
	// Index, Log and Packs are what the store takes.
	Index int64 `json:"index"`
	Log   int64 `json:"log"`
	Packs int64 `json:"packs"`
}

// Jobs is what goes on besides requests.
type Jobs struct {
	OpenCommits int `json:"open_commits"` // that somebody opened
	Finishing   int `json:"finishing"`    // those of them that are being finished
	Staging     int `json:"staging"`      // sets of many changes of requests under way
	Uploads     int `json:"uploads"`      // multipart uploads that are open
	Unpacking   int `json:"unpacking"`    // those of them that are archives being unpacked
	Folding     int `json:"folding"`      // branches into which commits of many files are folded
	Dropping    int `json:"dropping"`     // open commits that are gone, of which the rest is being removed
}

// Limit is something of which there is only so much.
type Limit struct {
	Name string `json:"name"` // such as connections
	Now  int64  `json:"now"`
	Most int64  `json:"most"`           // 0 if there is no limit
	Unit string `json:"unit,omitempty"` // bytes, or absent for a number
}
