package commits

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"

	"caret/objstore"
)

// Common is the newest commit that leads to both a and b; N is 0 if there is
// none.
func Common(tx objstore.Reader, a, b Pos) (Pos, error) {
	onA, err := lines(tx, a)
	if err != nil {
		return Pos{}, err
	}
	onB, err := lines(tx, b)
	if err != nil {
		return Pos{}, err
	}
	for _, p := range onA {
		for _, q := range onB {
			if p.Line == q.Line {
				return Owner(tx, Pos{Line: p.Line, N: min(p.N, q.N)})
			}
		}
	}
	return Pos{}, nil
}

// lines are p and the fork points on the way from it to the first commit.
func lines(tx objstore.Reader, p Pos) ([]Pos, error) {
	var list []Pos
	for p.N > 0 && p.Line != 0 {
		list = append(list, p)
		l, err := ReadLine(tx, p.Line)
		if err != nil {
			return nil, err
		}
		p = Pos{Line: l.Fork.Line, N: min(p.N, l.Fork.N)}
	}
	return list, nil
}

// ChangedSince adds to paths what the commits from after base up to p
// changed under prefix; base leads to p. It takes time in proportion to that.
func ChangedSince(tx objstore.Reader, base, p Pos, prefix string, paths map[string]struct{}) error {
	return Log(tx, p, func(c Commit) (bool, error) {
		if c.Pos.N <= base.N {
			return false, nil
		}
		if len(c.paths) > 0 {
			for _, p := range c.paths {
				if strings.HasPrefix(p, prefix) {
					paths[p] = struct{}{}
				}
			}
			return true, nil
		}
		rows := tx.Scan(objstore.Prefix(changeKey(c.ID, prefix)))
		defer rows.Close()
		for rows.Next() {
			paths[string(rows.Key()[1+len(c.ID):])] = struct{}{}
		}
		return true, rows.Err()
	})
}

// Difference is a path that two positions have in different states; nil is
// no file.
type Difference struct {
	Path     string
	Old, New *State
}

// Diff calls fn for the paths under prefix and behind after that differ
// between old and now, in order, until it returns false. It takes time in
// proportion to what changed since their newest common commit, whatever there
// is besides.
func Diff(tx objstore.Reader, old, now Pos, prefix, after string, fn func(Difference) (bool, error)) error {
	base, err := Common(tx, old, now)
	if err != nil {
		return err
	}
	changed := make(map[string]struct{})
	if err := ChangedSince(tx, base, old, prefix, changed); err != nil {
		return err
	}
	if err := ChangedSince(tx, base, now, prefix, changed); err != nil {
		return err
	}
	before, err := NewView(tx, old, ID{})
	if err != nil {
		return err
	}
	behind, err := NewView(tx, now, ID{})
	if err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(changed)) {
		if path <= after && after != "" {
			continue
		}
		d := Difference{Path: path}
		if d.Old, err = before.File(path); err != nil {
			return err
		}
		if d.New, err = behind.File(path); err != nil {
			return err
		}
		if SameFile(d.Old, d.New) {
			continue // changed, and changed back
		}
		if more, err := fn(d); err != nil || !more {
			return err
		}
	}
	return nil
}

// File is the file at path, nil if there is none.
func (v *View) File(path string) (*State, error) {
	s, err := v.Lookup(path)
	if errors.Is(err, ErrNoPath) || err == nil && s.Deleted {
		return nil, nil
	}
	return &s, err
}

// SameFile says whether a and b, nil being no file, have the same content and
// the same was said of it, whenever and by whatever commit.
func SameFile(a, b *State) bool {
	if a == nil || b == nil {
		return a == b
	}
	plain := func(s *State) []byte {
		return appendState(nil, &State{Entry: Entry{Content: s.Content, Attrs: s.Attrs}})
	}
	return a.Content.Hash == b.Content.Hash && bytes.Equal(plain(a), plain(b))
}
