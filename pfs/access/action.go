package access

// Action is what a caller wants to do.
type Action int

// Actions on what a snapshot holds.
const (
	Read     Action = iota + 1 // read a file
	ReadAll                    // read every file, whoever wrote it
	List                       // list files, history and settings that readers may know
	Write                      // write and delete files
	Merge                      // write by a merge, which protected branches take too
	Finish                     // end an open commit
	ReadACP                    // read the ACL, of a file if there is a path
	WriteACP                   // change it
	Inspect                    // read what the owner alone may know: settings
	Own                        // what the owner alone may do: settings, deletion, reading everything
	See                        // find the branch among others
	// Actions on a repo.
	Administer // make, delete and restore branches and tags, or delete it
	Audit      // read the trail of changes, of a repo or of all
	// Actions on neither.
	CreateRepo  // make a repo
	ManageUsers // make, list and delete users
	ManageKeys  // the same with the keys of a user
	Oversee     // see how the server is, and what it counts
	Verify      // have all that is stored read, to find what is damaged
)

// permission is what a grant has to say for it.
func (a Action) permission() Permission {
	switch a {
	case Read, ReadAll, List:
		return PermRead
	case Write, Merge, Finish:
		return PermWrite
	case ReadACP:
		return PermReadACP
	case WriteACP:
		return PermWriteACP
	}
	return PermFullControl
}

// onlyReads says whether a key that only reads may do it.
func (a Action) onlyReads() bool {
	return a == Read || a == ReadAll || a == List || a == See || a == ReadACP || a == Inspect
}

// String says what the caller wants to do with a repo.
func (a Action) String() string {
	switch a {
	case Read:
		return "read a file of"
	case ReadAll:
		return "read all files of"
	case List, See:
		return "list"
	case Write, Merge, Finish:
		return "write to"
	case ReadACP:
		return "read an ACL of"
	case WriteACP:
		return "change an ACL of"
	}
	return "administer"
}
