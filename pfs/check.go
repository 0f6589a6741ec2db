package pfs

import (
	"context"
	"errors"
	"fmt"

	"caret/commits"
	"caret/objstore"
	"caret/objstore/content"
	"caret/pfs/access"
	"caret/pfs/catalog"
)

// Kinds of damage.
const (
	MissingBlob   = "missing blob" // content that is not there
	DamagedBlob   = "damaged blob" // content that has not the hash that it is stored under
	BadRow        = string(commits.BadRow)
	MissingRow    = string(commits.MissingRow)
	MissingCommit = string(commits.MissingCommit)
	BrokenChain   = string(commits.BrokenChain)
)

// Damage is something that is stored and is not what it was. What is not known of
// where it is, is empty.
type Damage struct {
	Repo, Branch string
	Path         string
	Version      CommitID // of the file, or the commit
	Kind         string   // MissingBlob, ...
	Detail       string
}

// Checked is how far a check is.
type Checked struct {
	Repo, Branch string // that it is at
	Commits      int
	Files        int   // versions of files, in every state that names one
	Blobs        int64 // read, each once
	Bytes        int64 // in them
	Damaged      int
}

// CheckOptions say what is checked.
type CheckOptions struct {
	Repo  string // "" checks all
	Quick bool   // rows alone, no content
	// Found is called with all that is damaged, and At often with how far the check is,
	// outside of any transaction. An error ends the check. At may be nil.
	Found func(Damage) error
	At    func(Checked) error
}

// maxRemembered is how many blobs, and how many damaged places, a check remembers, so
// as not to read or name them twice.
const maxRemembered = 1 << 20

// Check reads all that is stored, of all states of all lineages and of what is staged
// and uploaded, verifies it, and tells what is damaged; what is damaged in one place is
// told once. It is for administrators: ErrDenied. It takes short views, while others go
// on writing: what was there when it began is checked. ErrNoSuchRepo.
func (fs *FS) Check(ctx context.Context, opt CheckOptions) (Checked, error) {
	k := &check{
		fs: fs, ctx: ctx, opt: opt, told: make(map[place]bool), missing: make(map[CommitID]bool),
		content: content.NewChecker(fs.sys.blobs, maxRemembered),
	}
	k.content.After = k.progress
	if opt.Repo != "" {
		err := k.view(func(v *View) error {
			_, err := catalog.ReadRepo(v.tx, opt.Repo)
			return err
		})
		if err != nil {
			return k.done, err
		}
	}
	err := k.run()
	return k.done, err
}

// check is a check under way.
type check struct {
	fs      *FS
	ctx     context.Context
	opt     CheckOptions
	done    Checked
	content *content.Checker
	names   names
	told    map[place]bool
	missing map[CommitID]bool // ids that lead nowhere, which was told
}

// place is where something is damaged.
type place struct {
	repo    string
	at      commits.Pos
	path    string
	version CommitID
}

// view runs fn in a view, as long as the caller may check.
func (k *check) view(fn func(*View) error) error {
	return k.fs.View(k.ctx, func(v *View) error {
		if _, err := access.Decide(v.tx, access.Request{Caller: v.who, Action: access.Verify}); err != nil {
			return err
		}
		return fn(v)
	})
}

func (k *check) run() error {
	if err := k.findNames(); err != nil {
		return err
	}
	// The chains first: a commit that is missing is told once, and not with each state
	// that names it.
	for _, of := range []func(line) error{k.chain, k.states} {
		for i := 0; i < len(k.names.lines); i++ { // a chain may add one
			x := k.names.lines[i]
			k.done.Repo, k.done.Branch = x.repo, x.branch
			if err := k.readable(x, of(x)); err != nil {
				return err
			}
		}
	}
	if err := k.uses(); err != nil {
		return err
	}
	for _, o := range k.names.open {
		k.done.Repo, k.done.Branch = o.repo, o.branch
		if err := k.readable(o.line, k.staged(o)); err != nil {
			return err
		}
	}
	k.done.Repo, k.done.Branch = "", ""
	if err := k.uploads(); err != nil {
		return err
	}
	if k.opt.Repo != "" {
		return nil
	}
	if err := k.otherRows(); err != nil {
		return err
	}
	return k.lists()
}

// readable makes damage of rows that the store cannot read, and goes on with others.
func (k *check) readable(x line, err error) error {
	if err == nil || k.ctx.Err() != nil || !errors.Is(err, objstore.ErrCorrupt) {
		return err
	}
	return k.tell(place{at: commits.Pos{Lineage: x.id}}, Damage{
		Repo: x.repo, Branch: x.branch, Kind: BadRow, Detail: fmt.Sprintf("rows cannot be read, and were left out: %v", err),
	})
}

// tell tells of damage, unless it told of that place before.
func (k *check) tell(at place, d Damage) error {
	if k.told[at] {
		return nil
	}
	if len(k.told) < maxRemembered {
		k.told[at] = true
	}
	k.done.Damaged++
	return k.opt.Found(d)
}

// progress says how far the check is.
func (k *check) progress() error {
	k.done.Blobs, k.done.Bytes = k.content.Blobs, k.content.Bytes
	if k.opt.At == nil {
		return nil
	}
	return k.opt.At(k.done)
}

// flaws tells of what is wrong with rows of a lineage.
func (k *check) flaws(x line, list []commits.Flaw) error {
	for _, f := range list {
		at, of := place{at: f.At, path: f.Path}, x
		if f.At.N == 0 {
			at.repo, at.version = x.repo, f.ID
		}
		if f.Kind == commits.MissingCommit {
			if k.missing[f.ID] {
				continue
			}
			k.missing[f.ID] = true
			at = place{version: f.ID}
		}
		if i, ok := k.names.byID[f.At.Lineage]; ok { // it may be about the commit that x forked from
			of = k.names.lines[i]
		}
		err := k.tell(at, Damage{Repo: of.repo, Branch: of.branch, Path: f.Path, Version: f.ID, Kind: string(f.Kind), Detail: f.Text})
		if err != nil {
			return err
		}
	}
	return nil
}

// chain checks the commits of a lineage.
func (k *check) chain(x line) error {
	c := commits.NewChainCheck(x.id)
	before := k.done.Commits
	for done := false; !done; {
		err := k.view(func(v *View) (err error) {
			done, err = c.Step(v.tx)
			return err
		})
		if err != nil {
			return err
		}
		k.done.Commits = before + c.Commits
		if fork := c.Fork(); fork.N > 0 {
			k.names.add(line{id: fork.Lineage, repo: x.repo})
		}
		if err := errors.Join(k.flaws(x, c.Flaws), k.progress()); err != nil {
			return err
		}
	}
	return nil
}

// states checks all states of a lineage, and their content.
func (k *check) states(x line) error { return k.walk(x, commits.NewStateCheck(x.id)) }

// staged checks what is staged in an open commit. If that is finished or dropped
// meanwhile there is nothing, or it was checked with its branch.
func (k *check) staged(o openLine) error { return k.walk(o.line, commits.NewStagedCheck(o.open)) }

// uses checks that the commits are there that tags name and open commits are based on.
func (k *check) uses() error {
	for _, u := range k.names.uses {
		var at commits.Pos
		there := true
		err := k.view(func(v *View) (err error) {
			at, there, err = commits.Has(v.tx, u.pos)
			return err
		})
		if errors.Is(err, objstore.ErrCorrupt) || errors.Is(err, objstore.ErrNotFound) {
			continue // a lineage on the way, which was told
		}
		if err == nil && !there {
			err = k.tell(place{at: at}, Damage{
				Repo: u.repo, Branch: u.branch, Kind: MissingCommit, Detail: fmt.Sprintf("%s commit %d of lineage %d, which is missing", u.what, at.N, at.Lineage),
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (k *check) walk(x line, c *commits.StateCheck) error {
	for done := false; !done; {
		err := k.view(func(v *View) (err error) {
			done, err = c.Step(v.tx)
			return err
		})
		if err != nil {
			return err
		}
		if err := k.flaws(x, c.Flaws); err != nil {
			return err
		}
		for i := range c.States {
			if err := k.file(x, &c.States[i]); err != nil {
				return err
			}
		}
		if err := k.progress(); err != nil {
			return err
		}
	}
	return nil
}

// file checks the content of a file.
func (k *check) file(x line, f *Info) error {
	if f.Deleted {
		return nil
	}
	k.done.Files++
	return k.bytes(Damage{Repo: x.repo, Branch: x.branch, Path: f.Path, Version: f.Commit}, f.Content.Root, "")
}

// bytes checks content; d says what has it.
func (k *check) bytes(d Damage, root content.Ref, of string) error {
	if k.opt.Quick {
		return nil
	}
	faults, err := k.content.Check(k.ctx, root)
	if err != nil || len(faults) == 0 {
		return err
	}
	first := faults[0]
	d.Kind = DamagedBlob
	if first.Missing {
		d.Kind = MissingBlob
	}
	d.Detail = of + fmt.Sprintf("blob %s, with %d bytes from byte %d on", first.Blob, first.Size, first.Offset)
	if more := len(faults) - 1; more > 0 {
		d.Detail += fmt.Sprintf(", and %d more", more)
	}
	return k.tell(place{repo: d.Repo, path: d.Path + "\x00" + of, version: d.Version}, d)
}
