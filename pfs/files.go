package pfs

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf8"

	"caret/commits"
	"caret/objstore"
	"caret/objstore/content"
)

// Info is a file in a snapshot, or one of its versions.
type Info struct {
	Path string
	// State has the entry (content, time, attributes) and the commit that
	// last changed it as of the snapshot; Commit is an open commit's id when
	// it is only staged there.
	commits.State
}

// Size is the file's length in bytes.
func (i Info) Size() int64 { return i.Content.Root.Size }

// checkPath says why path cannot name a file. A path is any UTF-8 text of 1
// to MaxPath bytes; there are no directories.
func checkPath(path string) error {
	switch {
	case path == "":
		return fmt.Errorf("%w: it is empty", ErrInvalidPath)
	case len(path) > MaxPath:
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrPathTooLong, len(path), MaxPath)
	case !utf8.ValidString(path):
		return fmt.Errorf("%w %q: not UTF-8", ErrInvalidPath, path)
	}
	return nil
}

// Stat describes the file at path. ErrNoSuchPath if there is none.
func (s *Snapshot) Stat(ctx context.Context, path string) (Info, error) {
	if err := checkPath(path); err != nil {
		return Info{}, err
	}
	var info Info
	err := s.fs.rows.View(ctx, func(tx objstore.Reader) (err error) {
		info, err = s.stat(tx, path)
		return err
	})
	return info, err
}

func (s *Snapshot) stat(tx objstore.Reader, path string) (Info, error) {
	v, err := s.view(tx)
	if err != nil {
		return Info{}, err
	}
	st, err := v.Lookup(path)
	if err != nil {
		return Info{}, err
	}
	if st.Deleted {
		return Info{}, fmt.Errorf("%w: %q", ErrNoSuchPath, path)
	}
	return Info{Path: path, State: st}, nil
}

// Read streams bytes [off, off+length) of a file; length -1 is to its end.
// Every byte handed out has been verified; objstore.ErrCorrupt otherwise.
func (s *Snapshot) Read(ctx context.Context, info Info, off, length int64) (io.ReadCloser, error) {
	return content.NewReader(ctx, s.fs.blobs, info.Content.Root, off, length)
}

// ListOptions say which part of a listing is wanted.
type ListOptions struct {
	Prefix    string // only paths that begin with it
	Delimiter string // paths are cut behind its first occurrence after Prefix; "" never
	After     string // only what sorts after it; a common prefix that it begins with too is left out
	Limit     int    // at most so many items
}

// Item is a file, or a common prefix of files.
type Item struct {
	Prefix string // set for a common prefix; then Info is empty
	Info
}

// name is what the item is listed under.
func (i Item) name() string {
	if i.Prefix != "" {
		return i.Prefix
	}
	return i.Path
}

// ListPage is one page of a listing, in the order of the paths' bytes.
type ListPage struct {
	Items     []Item
	Truncated bool   // there is more
	Next      string // the After of the next page, when truncated
}

// List lists files and common prefixes.
func (s *Snapshot) List(ctx context.Context, opt ListOptions) (ListPage, error) {
	var page ListPage
	if opt.Limit <= 0 {
		return page, nil
	}
	err := s.fs.rows.View(ctx, func(tx objstore.Reader) error {
		page = ListPage{}
		v, err := s.view(tx)
		if err != nil {
			return err
		}
		w := v.Walk(opt.Prefix)
		return page.fill(ctx, w, opt)
	})
	return page, err
}

func (p *ListPage) fill(ctx context.Context, w *commits.Walker, opt ListOptions) error {
	if opt.After >= opt.Prefix && opt.After != "" {
		if cp := commonPrefix(opt.After, opt); cp != "" {
			seekPast(w, cp)
		} else {
			w.Seek(opt.After + "\x00")
		}
	}
	for w.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(p.Items) == opt.Limit {
			p.Truncated = true
			p.Next = p.Items[len(p.Items)-1].name()
			break
		}
		if cp := commonPrefix(w.Path(), opt); cp != "" {
			p.Items = append(p.Items, Item{Prefix: cp})
			seekPast(w, cp)
			continue
		}
		st, err := w.State()
		if err != nil {
			return err
		}
		p.Items = append(p.Items, Item{Info: Info{Path: w.Path(), State: st}})
	}
	return w.Err()
}

// seekPast goes behind every path that begins with prefix.
func seekPast(w *commits.Walker, prefix string) {
	if end := objstore.PrefixEnd([]byte(prefix)); end != nil {
		w.Seek(string(end))
		return
	}
	for w.Next() { // a prefix of 0xff bytes alone; not UTF-8, so never stored
		continue
	}
}

// commonPrefix is what path is rolled up into; "" if it is listed itself.
func commonPrefix(path string, opt ListOptions) string {
	if opt.Delimiter == "" || !strings.HasPrefix(path, opt.Prefix) {
		return ""
	}
	i := strings.Index(path[len(opt.Prefix):], opt.Delimiter)
	if i < 0 {
		return ""
	}
	return path[:len(opt.Prefix)+i+len(opt.Delimiter)]
}

// allPage is how many files All reads in one transaction.
const allPage = 1000

// All goes through every file whose path begins with prefix, in order. The
// sequence ends after the first error.
func (s *Snapshot) All(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		opt := ListOptions{Prefix: prefix, Limit: allPage}
		for {
			page, err := s.List(ctx, opt)
			if err != nil {
				yield(Info{}, err)
				return
			}
			for _, it := range page.Items {
				if !yield(it.Info, nil) {
					return
				}
			}
			if !page.Truncated {
				return
			}
			opt.After = page.Next
		}
	}
}
