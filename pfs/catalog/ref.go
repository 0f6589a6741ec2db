package catalog

import (
	"time"

	"caret/commits"
	"caret/commits/revision"
)

// Ref says which state of which repo: what a bucket name and a version id,
// or the command line's REPO@EXPR, parse to.
type Ref struct {
	Repo string
	// Branch is the branch, "" when none was named: then it is the repo's
	// default branch, or the one that Base begins with.
	Branch string
	// KeyBranch: where no branch is named, and Base is empty or a commit's id, the
	// branch is meant that the caller's key is limited to. Package pfs fills it in.
	KeyBranch bool
	// Base leads from the branch's head, or from any branch, tag or commit of
	// the repo if it names one; zero is the head. A Base that is just a
	// branch's name means that branch.
	Base revision.Expr
	// Version leads on from what Branch and Base mean; zero is that itself.
	Version revision.Expr
}

// String is the ref as the command line writes it, for messages.
func (r Ref) String() string {
	s := r.Repo
	if r.Branch != "" {
		s += "@" + r.Branch
	}
	for _, x := range []revision.Expr{r.Base, r.Version} {
		if !x.IsZero() {
			s += " " + x.String()
		}
	}
	return s
}

// Snapshot is what a Ref meant at one moment: the state of a repo as one commit
// left it, which never changes; only that of an open commit does, as it is
// written to.
type Snapshot struct {
	Repo   string
	Branch string // the branch it was reached through; "" for a commit or tag named alone
	Tag    string // the tag that names the commit, if it was reached by that name
	// ID is the commit; zero when the branch has none yet.
	ID   commits.ID
	N    uint64 // of the commits that lead to it, itself included
	Time time.Time
	// Writable: a write to the same Ref is accepted. Open: it is an open
	// commit, and the write is staged in it.
	Writable, Open bool
	Protected      bool // Branch takes merges only

	Row     RepoRow
	Lineage commits.LineageID // of Branch; 0 if none
	Home    commits.LineageID // names Branch for good; 0 if none
	Pos     commits.Pos       // of an open commit, its parent
	Started OpenRow           // of an open commit
}

// Side is the snapshot as package commits compares it.
func (s *Snapshot) Side() commits.Side {
	side := commits.Side{Pos: s.Pos}
	if s.Open {
		side.Open = s.ID
	}
	return side
}

// Governing is the branch whose settings govern what is reached through the
// snapshot.
func (s *Snapshot) Governing() string {
	if s.Branch != "" {
		return s.Branch
	}
	return s.Row.DefaultBranch
}
