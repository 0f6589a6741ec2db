package pfs

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"caret/commits"
	"caret/commits/revision"
	"caret/objstore"
	"caret/pfs/audit"
	"caret/pfs/catalog"
	"caret/pfs/rows"
	"caret/pfs/upload"
)

// line is a lineage, with the names that people know it by.
type line struct {
	id           commits.LineageID
	repo, branch string
}

// openLine is an open commit.
type openLine struct {
	line
	open CommitID
}

// use is a commit that something leads to.
type use struct {
	line
	pos  commits.Pos
	what string
}

// names are all lineages and open commits that a check looks at.
type names struct {
	repos map[uint64]string
	lines []line
	byID  map[commits.LineageID]int
	open  []openLine
	uses  []use
}

// add adds a lineage, or what is known of its names.
func (n *names) add(x line) {
	i, ok := n.byID[x.id]
	if !ok {
		n.byID[x.id] = len(n.lines)
		n.lines = append(n.lines, x)
		return
	}
	if at := &n.lines[i]; at.branch == "" && (at.repo == "" || at.repo == x.repo) {
		*at = x
	}
}

// repo is the name of a repo.
func (n *names) repo(id uint64) string {
	if name, ok := n.repos[id]; ok {
		return name
	}
	return fmt.Sprintf("repo number %d", id)
}

// rowsPage is how many rows of names are read in one view.
const rowsPage = 500

// eachRow calls fn, in short views, for the rows whose keys begin with prefix. A row
// that the function cannot read (objstore.ErrCorrupt) is damage, of the repo that of
// says.
func (k *check) eachRow(prefix []byte, of func(key []byte) string, fn func(v *View, row objstore.Row) error) error {
	for in := objstore.Prefix(prefix); ; {
		var page []objstore.Row
		var bad []Damage
		err := k.view(func(v *View) (err error) {
			if page, err = v.tx.Page(in, rowsPage); err != nil {
				return err
			}
			bad = nil
			for _, row := range page {
				err := fn(v, row)
				if errors.Is(err, objstore.ErrCorrupt) {
					bad = append(bad, Damage{Repo: of(row.Key), Kind: BadRow, Detail: err.Error()})
				} else if err != nil {
					return err
				}
			}
			return nil
		})
		if errors.Is(err, objstore.ErrCorrupt) && k.ctx.Err() == nil {
			return k.tell(place{path: string(prefix)}, Damage{Repo: of(prefix), Kind: BadRow, Detail: fmt.Sprintf("rows %q: %v", prefix, err)})
		}
		if err != nil {
			return err
		}
		for _, d := range bad {
			if err := k.tell(place{repo: d.Repo, path: d.Detail}, d); err != nil {
				return err
			}
		}
		if len(page) < rowsPage {
			return nil
		}
		in = in.Behind(page[len(page)-1].Key)
	}
}

// inRepo is the repo of a key that has its number behind the kind.
func (k *check) inRepo(key []byte) string {
	if len(key) < 9 {
		return ""
	}
	return k.names.repo(binary.BigEndian.Uint64(key[1:]))
}

func noRepo([]byte) string { return "" }

// findNames finds all lineages there are and what they are called.
func (k *check) findNames() error {
	k.names = names{repos: make(map[uint64]string), byID: make(map[commits.LineageID]int)}
	for _, find := range []func() error{k.findRepos, k.findBranches, k.findMoves, k.findLineages, k.findOpen} {
		if err := find(); err != nil {
			return err
		}
	}
	return nil
}

// findRepos finds repos, and those that were deleted.
func (k *check) findRepos() error {
	for _, kind := range []byte{rows.Repo, rows.DroppedRepo} {
		named := func(key []byte) string {
			name, _, _ := strings.Cut(string(key[1:]), "\x00")
			return name
		}
		err := k.eachRow([]byte{kind}, named, func(_ *View, row objstore.Row) error {
			var r catalog.RepoRow
			if err := rows.Decode(row.Key, row.Value, &r); err != nil {
				return err
			}
			if _, ok := k.names.repos[r.ID]; !ok {
				k.names.repos[r.ID] = r.Name
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// wanted says whether a repo is to be checked.
func (k *check) wanted(repo string) bool { return k.opt.Repo == "" || k.opt.Repo == repo }

// findBranches finds the lineages of branches, of those that were deleted, and of tags.
func (k *check) findBranches() error {
	for _, kind := range []byte{rows.Branch, rows.DroppedBranch, rows.Tag, rows.DroppedTag} {
		err := k.eachRow([]byte{kind}, k.inRepo, func(_ *View, row objstore.Row) error {
			repo := k.inRepo(row.Key)
			var b struct { // or a tag
				catalog.BranchRow
				N uint64 `json:"n"`
			}
			if !k.wanted(repo) {
				return nil
			}
			if len(row.Key) < 9 {
				return fmt.Errorf("%w: row %q is of no repo", objstore.ErrCorrupt, row.Key)
			}
			if err := rows.Decode(row.Key, row.Value, &b); err != nil {
				return err
			}
			if b.Lineage == 0 {
				return fmt.Errorf("%w: row %q names no lineage", objstore.ErrCorrupt, row.Key)
			}
			name, _, _ := strings.Cut(string(row.Key[9:]), "\x00")
			if kind == rows.Tag || kind == rows.DroppedTag {
				k.names.uses = append(k.names.uses, use{line{repo: repo}, commits.Pos{Lineage: b.Lineage, N: b.N}, "tag " + name + " names"})
				name = ""
			}
			k.names.add(line{b.Lineage, repo, name})
			k.names.add(line{b.Home(), repo, name})
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// findMoves finds lineages that branches were on before they were reset.
func (k *check) findMoves() error {
	return k.eachRow([]byte{rows.Move}, k.inRepo, func(v *View, row objstore.Row) error {
		repo := k.inRepo(row.Key)
		if !k.wanted(repo) {
			return nil
		}
		if len(row.Key) < 9 {
			return fmt.Errorf("%w: row %q is of no repo", objstore.ErrCorrupt, row.Key)
		}
		var m catalog.Move
		if err := rows.Decode(row.Key, row.Value, &m); err != nil {
			return err
		}
		name, _, _ := strings.Cut(string(row.Key[9:]), "\x00")
		for _, text := range []string{m.From, m.To} {
			id, err := revision.ParseID(text)
			if err != nil {
				continue
			}
			if p, err := commits.Find(v.tx, id); err == nil {
				k.names.add(line{p.Lineage, repo, name})
			}
		}
		return nil
	})
}

// findLineages finds those that nothing leads to any more, too.
func (k *check) findLineages() error {
	for after, more := commits.LineageID(0), true; more; {
		err := k.view(func(v *View) error {
			list, err := commits.LineagesBehind(v.tx, after, rowsPage)
			for _, l := range list {
				after = l.ID
				if repo := k.names.repo(l.Repo); l.Repo != 0 && k.wanted(repo) || l.Repo == 0 && k.opt.Repo == "" {
					if l.Repo == 0 {
						repo = ""
					}
					k.names.add(line{id: l.ID, repo: repo})
				}
			}
			more = len(list) == rowsPage
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// findOpen finds open commits.
func (k *check) findOpen() error {
	return k.eachRow([]byte{rows.Open}, k.inRepo, func(_ *View, row objstore.Row) error {
		repo := k.inRepo(row.Key)
		if !k.wanted(repo) {
			return nil
		}
		var o catalog.OpenRow
		if err := rows.Decode(row.Key, row.Value, &o); err != nil {
			return err
		}
		x := openLine{line: line{repo: repo, branch: o.Branch}}
		if len(row.Key) != 1+8+len(x.open) {
			return fmt.Errorf("%w: row %q has no commit id", objstore.ErrCorrupt, row.Key)
		}
		copy(x.open[:], row.Key[9:])
		k.names.open = append(k.names.open, x)
		if o.N > 0 {
			k.names.uses = append(k.names.uses, use{x.line, o.Parent(), fmt.Sprintf("open commit %s is based on", x.open)})
		}
		return nil
	})
}

// uploads checks uploads that are under way: their rows, and the content of parts.
func (k *check) uploads() error {
	var list []upload.Upload
	var at []line
	err := k.eachRow([]byte{rows.Upload}, noRepo, func(_ *View, row objstore.Row) error {
		x, ok := k.scope(row.Key)
		if !ok {
			return nil
		}
		var u upload.Upload
		err := rows.Decode(row.Key, row.Value, &u)
		if err == nil {
			list, at = append(list, u), append(at, x)
		}
		return err
	})
	if err != nil {
		return err
	}
	for i, u := range list {
		if err := k.parts(at[i], u); err != nil {
			return err
		}
	}
	return k.progress()
}

// scope is the branch that an upload goes to, and whether it is to be checked.
func (k *check) scope(key []byte) (line, bool) {
	switch {
	case len(key) >= 10 && key[1] == 'b':
		i, ok := k.names.byID[commits.LineageID(binary.BigEndian.Uint64(key[2:]))]
		if ok {
			return k.names.lines[i], true
		}
	case len(key) >= 18 && key[1] == 'o':
		for _, o := range k.names.open {
			if string(o.open[:]) == string(key[2:18]) {
				return o.line, true
			}
		}
	}
	return line{}, k.opt.Repo == ""
}

// parts checks the parts of an upload.
func (k *check) parts(x line, u upload.Upload) error {
	type part struct {
		number int
		upload.Part
	}
	var list []part
	err := k.eachRow(rows.Key(rows.Part, u.ID), func([]byte) string { return x.repo }, func(_ *View, row objstore.Row) error {
		number := row.Key[1+len(u.ID):]
		if len(number) != 2 {
			return fmt.Errorf("%w: row %q has no number of a part", objstore.ErrCorrupt, row.Key)
		}
		p := part{number: int(binary.BigEndian.Uint16(number))}
		err := rows.Decode(row.Key, row.Value, &p.Part)
		if err == nil {
			list = append(list, p)
		}
		return err
	})
	if err != nil {
		return err
	}
	for i := range list {
		d := Damage{Repo: x.repo, Branch: x.branch, Path: u.Path}
		if err := k.bytes(d, list[i].Part.Part.Root, fmt.Sprintf("part %d of upload %s: ", list[i].number, u.ID)); err != nil {
			return err
		}
	}
	return nil
}

// otherRows checks that the rows can be read that the check does not use.
func (k *check) otherRows() error {
	for _, kind := range []byte{rows.Audit, rows.AuditIndex} {
		err := k.eachRow([]byte{kind}, noRepo, func(v *View, row objstore.Row) error { return audit.Check(v.tx, row) })
		if err != nil {
			return err
		}
	}
	for _, kind := range []byte{rows.Settings, rows.CORS, rows.FileACL, rows.User, rows.AccessKey, rows.Completed, rows.Lease, rows.Folding, rows.Dropping, rows.Leftover, rows.Listing} {
		err := k.eachRow([]byte{kind}, noRepo, func(_ *View, row objstore.Row) error {
			if len(row.Value) == 0 && (kind == rows.Folding || kind == rows.Dropping || kind == rows.Leftover || kind == rows.Listing) {
				return nil
			}
			var any map[string]json.RawMessage
			return rows.Decode(row.Key, row.Value, &any)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
