package plain

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// A Store is what a data directory holds.
type Store struct {
	Repos map[string]*Repo
	disk
	kinds   map[byte]map[string][]byte // rows by their first byte, and by what follows it
	lines   map[uint64]*lineage
	commits map[Place]*Commit
}

// A Repo is what a repo has, by name.
type Repo struct {
	ID             uint64
	Name           string
	Description    string
	DefaultBranch  string `json:"default_branch"`
	Branches, Tags map[string]Place
	Open           map[string]Place // the parents of open commits
}

// A Place is a commit by its number on its lineage. The number 0 is before the first.
type Place struct{ Line, N uint64 }

// Read reads a data directory.
func Read(dir string) (*Store, error) {
	d, err := readDisk(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{
		disk: *d, Repos: map[string]*Repo{}, kinds: map[byte]map[string][]byte{},
		lines: map[uint64]*lineage{}, commits: map[Place]*Commit{},
	}
	for kind := range 256 {
		s.kinds[byte(kind)] = map[string][]byte{}
	}
	for key, value := range d.rows {
		if len(key) >= 2 && key[0] == 'r' {
			s.kinds[key[1]][key[2:]] = value
		}
	}
	for _, step := range []struct {
		kind byte
		read func(key string, value []byte) error
	}{{'l', s.line}, {'e', s.newest}, {'v', s.replaced}, {'h', s.head}, {'r', s.repo}, {'b', s.branch}, {'t', s.tag}, {'o', s.open}} {
		if err := s.forks(); step.kind != 'l' && err != nil {
			return nil, err
		}
		for key, value := range s.kinds[step.kind] {
			if err := step.read(key, value); err != nil {
				return nil, fmt.Errorf("row %c %q: %w", step.kind, key, err)
			}
		}
	}
	return s, nil
}

// forks says whether each lineage begins at a commit that the other one made, so
// that all lead to a first one.
func (s *Store) forks() error {
	for number, l := range s.lines {
		if from := s.lines[l.fork.Line]; l.fork.N > 0 && (from == nil || from.fork.N >= l.fork.N) {
			return fmt.Errorf("lineage %d begins at %+v", number, l.fork)
		}
	}
	return nil
}

func (s *Store) repo(key string, value []byte) error {
	r := &Repo{Branches: map[string]Place{}, Tags: map[string]Place{}, Open: map[string]Place{}}
	s.Repos[key] = r
	return json.Unmarshal(value, r)
}

func (s *Store) branch(key string, value []byte) error {
	return s.named(key, value, func(r *Repo, name string, row named) error {
		if s.lines[row.Line] == nil {
			return fmt.Errorf("no lineage %d", row.Line)
		}
		r.Branches[name] = s.lines[row.Line].head
		return nil
	})
}

func (s *Store) tag(key string, value []byte) error {
	return s.named(key, value, func(r *Repo, name string, row named) error {
		r.Tags[name] = Place{row.Line, row.N}
		return nil
	})
}

func (s *Store) open(key string, value []byte) error {
	return s.named(key, value, func(r *Repo, id string, row named) error {
		r.Open[hex.EncodeToString([]byte(id))] = Place{row.Base, row.N}
		return nil
	})
}

// named is what rows of repos say that have to do with a commit.
type named struct{ Line, Base, N uint64 }

// named reads such a row, and calls fn with the repo and what follows it in the key.
func (s *Store) named(key string, value []byte, fn func(*Repo, string, named) error) error {
	id, name, err := cutNumber(key)
	if err != nil {
		return err
	}
	var row named
	if err := json.Unmarshal(value, &row); err != nil {
		return err
	}
	for _, r := range s.Repos {
		if r.ID == id {
			return fn(r, name, row)
		}
	}
	return errors.New("of no repo")
}
