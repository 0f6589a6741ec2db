package crashtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"caret/commits"
	"caret/objstore"
	"caret/pfs"
)

// plan is what there is to read of a base, by name.
type plan struct {
	Repos    []string
	Branches []string            // REPO/BRANCH
	Tags     []string            // REPO/TAG
	Commits  map[string][]string // their ids, by the REPO/BRANCH they were made on
	Contents map[string]place    // a file with each content, by its hash
	Open     string              // the open commit of small/scratch
	Key      string              // the access key of alice
}

// place is a file of a commit, or of an open commit.
type place struct{ Repo, Commit, Path string }

// oracle is what every read answers.
type oracle struct {
	Plan    plan
	Answers map[string]string // by what was read
}

// What a case writes itself is known by these, and left out of every answer.
const (
	mine       = "mine"
	minePrefix = "mine/"
)

func split(name string) (repo, rest string) {
	repo, rest, _ = strings.Cut(name, "/")
	return repo, rest
}

// reading is one run through all there is to read.
type reading struct {
	ctx    context.Context
	system *pfs.System
	fs     *pfs.FS
	plan   *plan
	tell   func(op, answer string, err error)
	buf    []byte
}

// readAll reads everything there is in every way, and tells the answer of each
// read: in full if it is short, else how many things it lists and their hash.
// What a case wrote is not among it.
func readAll(ctx context.Context, system *pfs.System, p *plan, tell func(op, answer string, err error)) {
	r := &reading{ctx: ctx, system: system, fs: system.As(pfs.Root), plan: p, tell: tell}
	r.names()
	for _, name := range p.Branches {
		r.branch(name)
	}
	for name, ids := range p.Commits {
		repo, _ := split(name)
		for _, id := range ids {
			r.commit(repo, id)
		}
	}
	for hash, from := range p.Contents {
		r.tellOne("content "+hash, func() (string, error) { return r.content(from) })
	}
}

// lines collects an answer of many things.
type lines struct {
	n    int
	text []byte
}

func (l *lines) add(format string, args ...any) {
	l.n++
	l.text = append(fmt.Appendf(l.text, format, args...), '\n')
}

// answer is short.
func (l *lines) answer() string {
	if len(l.text) <= 200 {
		return string(l.text)
	}
	return fmt.Sprintf("%d lines, %s", l.n, objstore.Sum(l.text).String()[:16])
}

func (r *reading) tellOne(op string, read func() (string, error)) {
	answer, err := read()
	r.tell(op, answer, err)
}

func (r *reading) tellMany(op string, read func(*lines) error) {
	var l lines
	l.text = r.buf[:0]
	err := read(&l)
	r.buf = l.text
	r.tell(op, l.answer(), err)
}

// names reads what is not in a branch.
func (r *reading) names() {
	r.tellMany("repos", func(l *lines) error {
		list, err := r.fs.Repos(r.ctx, "", 0)
		for _, x := range list {
			if x.Name != mine {
				l.add("%+v", x)
			}
		}
		return err
	})
	for _, repo := range r.plan.Repos {
		r.repo(repo)
	}
	for _, name := range r.plan.Tags {
		repo, tag := split(name)
		r.tellMany("tag "+name, func(l *lines) error {
			x, err := r.fs.Tag(r.ctx, repo, tag)
			l.add("%+v", x)
			return err
		})
	}
	r.users()
	r.open()
}

func (r *reading) repo(repo string) {
	r.tellMany("repo "+repo, func(l *lines) error {
		x, err := r.fs.Repo(r.ctx, repo)
		l.add("%+v", x)
		return err
	})
	r.tellMany("branches "+repo, func(l *lines) error {
		list, err := r.fs.Branches(r.ctx, repo, "", 0)
		for _, x := range list {
			l.add("%s %s %v %v", x.Name, x.Created, x.Default, x.Protected)
		}
		return err
	})
	r.tellMany("tags "+repo, func(l *lines) error {
		list, err := r.fs.Tags(r.ctx, repo, "", 0)
		for _, x := range list {
			l.add("%+v", x)
		}
		return err
	})
	r.tellMany("deleted branches "+repo, func(l *lines) error {
		list, err := r.fs.DeletedBranches(r.ctx, repo, "", 0)
		for _, x := range list {
			l.add("%+v", x)
		}
		return err
	})
}

func (r *reading) users() {
	r.tellMany("users", func(l *lines) error {
		list, err := r.fs.Users(r.ctx, "", 0)
		for _, x := range list {
			l.add("%+v", x)
		}
		return err
	})
	r.tellMany("key", func(l *lines) error {
		x, err := r.fs.Key(r.ctx, r.plan.Key)
		if err == nil {
			x.Secret, err = r.system.Secret(r.ctx, r.plan.Key)
		}
		l.add("%+v", x)
		return err
	})
}

// open reads the open commit.
func (r *reading) open() {
	r.tellMany("open commits", func(l *lines) error {
		list, err := r.fs.OpenCommits(r.ctx, "small", pfs.CommitID{}, 0)
		for _, o := range list {
			l.add("%s %s %s %s %s %v", o.ID, o.Branch, o.Parent, o.Started, o.Message, o.Finishing)
		}
		return err
	})
	r.tellMany("staged", func(l *lines) error {
		list, err := r.fs.Changes(r.ctx, at("small", r.plan.Open), "", 0)
		for i := range list {
			l.file(&list[i])
		}
		return err
	})
	r.listing("files in the open commit", at("small", r.plan.Open))
}

// file adds a file, unless the case wrote it.
func (l *lines) file(i *pfs.Info) {
	if strings.HasPrefix(i.Path, minePrefix) {
		return
	}
	l.n++
	l.text = fmt.Appendf(l.text, "%q %x %d %v %d %x %d %s %d %d %v %v\n", i.Path, i.Content.Hash[:], i.Content.Root.Size, i.Deleted, i.N, i.Commit[:],
		i.Modified.UnixMilli(), i.Attrs.ContentType, len(i.Parts), len(i.Removed), i.Attrs.Meta, i.Attrs.Tags)
}

func (r *reading) listing(op string, ref pfs.Ref) {
	r.tellMany(op, func(l *lines) error {
		s, err := r.fs.Open(r.ctx, ref, pfs.ActList, "")
		if err != nil {
			return err
		}
		for info, err := range s.All(r.ctx, "") {
			if err != nil {
				return err
			}
			l.file(&info)
		}
		return nil
	})
}

// branch reads what a branch has: its log, its files in pages, one by one and with
// their versions, its moves and settings.
func (r *reading) branch(name string) {
	repo, branch := split(name)
	ref := pfs.Ref{Repo: repo, Branch: branch}
	r.tellMany("log "+name, func(l *lines) error { return r.log(l, ref) })
	r.tellMany("moves "+name, func(l *lines) error {
		list, err := r.fs.Moves(r.ctx, repo, branch, 0, 0)
		for _, x := range list {
			l.add("%+v", x)
		}
		return err
	})
	r.tellMany("versions "+name, func(l *lines) error { return r.versions(l, ref) })
	r.tellMany("folders "+name, func(l *lines) error { return r.folders(l, ref) })
	s, err := r.fs.Open(r.ctx, ref, pfs.ActList, "")
	if err != nil {
		r.tell("head "+name, "", err)
		return
	}
	r.tellMany("settings "+name, func(l *lines) error {
		set, err := s.Settings(r.ctx)
		l.add("%+v", set)
		return err
	})
	letter := "fdgsw"
	for i := 0; i < 25; i += 4 {
		for _, c := range letter {
			path := fmt.Sprintf("%c/%02d", c, i)
			r.tellMany("stat "+name+":"+path, func(l *lines) error { return r.stat(l, s, path) })
		}
	}
	r.tellMany("history "+name+":f/07", func(l *lines) error {
		list, err := s.History(r.ctx, "f/07", 0)
		for i := range list {
			l.file(&list[i])
		}
		return err
	})
}

func (r *reading) stat(l *lines, s *pfs.Snapshot, path string) error {
	info, err := s.Stat(r.ctx, path)
	var deleted *pfs.DeletedError
	switch {
	case errors.As(err, &deleted):
		l.add("deleted by %s", deleted.Last.Commit)
	case errors.Is(err, pfs.ErrNoSuchPath) && !errors.Is(err, objstore.ErrCorrupt):
		l.add("never there")
	case err != nil:
		return err
	default:
		l.file(&info)
	}
	return nil
}

func (r *reading) log(l *lines, ref pfs.Ref) error {
	s, err := r.fs.Open(r.ctx, ref, pfs.ActList, "")
	if err != nil {
		return err
	}
	list, err := s.Log(r.ctx, pfs.LogOptions{})
	for i := range list {
		if list[i].Message != mine {
			l.record(&list[i])
		}
	}
	return err
}

func (l *lines) record(c *commits.Commit) {
	l.add("%s %s %d %s %q %d %s %s %s", c.ID, c.Parents, c.Time.UnixMilli(), c.Author, c.Message, c.Files, c.Hash, c.ParentHash, c.ChangesHash)
}

func (r *reading) versions(l *lines, ref pfs.Ref) error {
	s, err := r.fs.Open(r.ctx, ref, pfs.ActList, "")
	if err != nil {
		return err
	}
	opt := pfs.VersionsOptions{Limit: 700}
	for {
		page, err := s.Versions(r.ctx, opt)
		if err != nil {
			return err
		}
		for i := range page.Items {
			l.file(&page.Items[i].Info)
		}
		if !page.Truncated {
			return nil
		}
		opt.After, opt.AfterVersion = page.Next, page.NextVersion
	}
}

// folders lists a level of folders in small pages.
func (r *reading) folders(l *lines, ref pfs.Ref) error {
	s, err := r.fs.Open(r.ctx, ref, pfs.ActList, "")
	if err != nil {
		return err
	}
	opt := pfs.ListOptions{Delimiter: "/", Limit: 2}
	for {
		page, err := s.List(r.ctx, opt)
		if err != nil {
			return err
		}
		for i := range page.Items {
			if it := &page.Items[i]; it.Prefix != minePrefix && it.Prefix != "" {
				l.add("%s", it.Prefix)
			} else if it.Prefix == "" {
				l.file(&it.Info)
			}
		}
		if !page.Truncated {
			return nil
		}
		opt.After = page.Next
	}
}

// commit reads a commit, its files, and what it changed.
func (r *reading) commit(repo, id string) {
	ref := at(repo, id)
	r.tellMany("commit "+id, func(l *lines) error {
		c, err := r.fs.Commit(r.ctx, ref)
		l.record(&c)
		return err
	})
	r.listing("files at "+id, ref)
	r.tellMany("changes of "+id, func(l *lines) error {
		list, err := r.fs.Changes(r.ctx, ref, "", 0)
		for i := range list {
			l.file(&list[i])
		}
		return err
	})
}

// content reads a file, and answers the hash of its bytes.
func (r *reading) content(from place) (string, error) {
	s, err := r.fs.Open(r.ctx, at(from.Repo, from.Commit), pfs.ActRead, from.Path)
	if err != nil {
		return "", err
	}
	info, err := s.Stat(r.ctx, from.Path)
	if err != nil {
		return "", err
	}
	body, err := s.Read(r.ctx, info, 0, -1)
	if err != nil {
		return "", err
	}
	defer body.Close()
	data := slices.Grow(r.buf[:0], int(min(info.Size(), 16<<20))+1)
	for {
		n, err := body.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if err == io.EOF { // as a Reader says it: damage may be about an end, too
			r.buf = data
			return objstore.Sum(data).String(), nil
		}
		if err != nil {
			return "", err
		}
		if len(data) == cap(data) {
			data = slices.Grow(data, 1<<20)
		}
	}
}
