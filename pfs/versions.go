package pfs

import (
	"context"

	"caret/commits"
	"caret/objstore"
)

// VersionsOptions say which part of a listing of versions is wanted.
type VersionsOptions struct {
	Prefix    string // only paths that begin with it
	Delimiter string // as in ListOptions
	// After: only what is listed behind it. With AfterVersion, a version of
	// the path After, only what is listed behind that.
	After        string
	AfterVersion CommitID
	Limit        int // at most so many items
}

// VersionItem is a version of a file, a deletion included, or a common
// prefix of files.
type VersionItem struct {
	Item
	Latest bool // nothing newer of the path is listed
}

// VersionsPage is one page, by path, of each path the newest version first.
type VersionsPage struct {
	Items     []VersionItem
	Truncated bool // there is more
	// Next and NextVersion are the After and AfterVersion of the next page.
	Next        string
	NextVersion CommitID
}

// Versions lists the versions of files that lead to the snapshot, deletions
// included, less those that were removed.
func (s *Snapshot) Versions(ctx context.Context, opt VersionsOptions) (VersionsPage, error) {
	var page VersionsPage
	if opt.Limit <= 0 {
		return page, nil
	}
	err := s.read(ctx, func(tx objstore.Reader) error {
		page = VersionsPage{}
		v, err := s.view(tx)
		if err != nil {
			return err
		}
		shown, err := s.shown(tx, true)
		if err != nil {
			return err
		}
		x := v.VersionsHint(opt.Prefix, opt.Limit+1)
		return page.fill(ctx, x, shown, opt)
	})
	return page, err
}

func (p *VersionsPage) fill(ctx context.Context, x *commits.Versions, shown *present, opt VersionsOptions) error {
	list := ListOptions{Prefix: opt.Prefix, Delimiter: opt.Delimiter}
	if opt.After >= opt.Prefix && opt.After != "" {
		switch cp := commonPrefix(opt.After, list); {
		case cp != "":
			if !seekVersionsPast(x, cp) {
				return x.Err()
			}
		case opt.AfterVersion.IsZero():
			x.Seek(opt.After + "\x00")
		default:
			if err := x.SeekBehind(opt.After, opt.AfterVersion); err != nil {
				return err
			}
		}
	}
	for x.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if ok, err := shown.has(x.Version().Path, x.Version().Commit); err != nil {
			return err
		} else if !ok {
			continue
		}
		if len(p.Items) == opt.Limit {
			last := p.Items[len(p.Items)-1]
			p.Truncated, p.Next, p.NextVersion = true, last.name(), last.Commit
			break
		}
		version := x.Version()
		if cp := commonPrefix(version.Path, list); cp != "" {
			p.Items = append(p.Items, VersionItem{Item: Item{Prefix: cp}})
			if !seekVersionsPast(x, cp) {
				break
			}
			continue
		}
		p.Items = append(p.Items, VersionItem{
			Item: Item{Info: Info{Path: version.Path, State: version.State}}, Latest: version.Latest,
		})
	}
	return x.Err()
}

// seekVersionsPast goes behind every path that begins with prefix, and says
// whether there can be one.
func seekVersionsPast(x *commits.Versions, prefix string) bool {
	end := objstore.PrefixEnd([]byte(prefix))
	if end != nil {
		x.Seek(string(end))
	}
	return end != nil
}

// Version is the version of path with that id as the last commit left it; nil
// if the path has none.
func (s *Snapshot) Version(ctx context.Context, path string, id CommitID) (*Info, error) {
	var found *Info
	err := s.read(ctx, func(tx objstore.Reader) error {
		found = nil
		v, err := s.view(tx)
		if err != nil {
			return err
		}
		return v.History(path, func(st commits.State) (bool, error) {
			if st.Commit == id && !st.Deleted {
				found = &Info{Path: path, State: st}
			}
			return found == nil, nil
		})
	})
	return found, err
}

// without is the state of path that leaves versions out of its list; nil if
// none of them is listed. Those that are come back as the state's Removed.
func (s *Snapshot) without(ctx context.Context, tx objstore.Reader, path string, gone []CommitID) (*commits.State, error) {
	v, err := s.view(tx)
	if err != nil {
		return nil, err
	}
	x := v.Versions(path)
	var left *commits.State // the newest that stays
	var removed []CommitID
	wanted := make(map[CommitID]bool, len(gone))
	for _, id := range gone {
		wanted[id] = true
	}
	for (left == nil || len(removed) < len(gone)) && x.Next() && x.Version().Path == path {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		st := x.Version().State
		switch {
		case wanted[st.Commit]:
			removed = append(removed, st.Commit)
		case left == nil:
			left = &st
		}
	}
	if err := x.Err(); err != nil || len(removed) == 0 {
		return nil, err
	}
	if left == nil {
		left = &commits.State{Deleted: true, Unlisted: true}
	}
	left.Removed = removed
	return left, nil
}
