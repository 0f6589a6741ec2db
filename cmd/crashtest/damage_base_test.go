package crashtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"caret/commits/revision"
	"caret/objstore"
	"caret/objstore/content"
	"caret/objstore/local"
	"caret/pfs"
)

// A base is a store that is damaged, in a folder of its own:
//
//	data/       the store
//	older/N/    the store as it was at earlier moments
//	large/HASH  contents of its large files
//	oracle.json what it holds
const (
	baseData   = "data"
	baseOlder  = "older"
	baseLarge  = "large"
	baseOracle = "oracle.json"
)

// largeContent is from what length on the bytes of a content are looked for in
// the files of a store: damage there must hurt that content alone.
const largeContent = 256 << 10

// wideFiles are the files of a commit that becomes a layer.
const wideFiles = 1010

// openRoot opens a store and what it holds, for root.
func openRoot(ctx context.Context, dir string, opt pfs.Options) (*local.Store, *pfs.System, error) {
	store, err := local.Open(dir, local.Options{Reserve: -1})
	if err != nil {
		return nil, nil, err
	}
	opt.Exclusive = true
	system, err := pfs.Open(ctx, store, opt)
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return store, system, nil
}

// builder makes a base and keeps what it has written.
type builder struct {
	ctx    context.Context
	dir    string
	rnd    *rand.Rand
	rounds int // about how many commits of one file each step makes
	now    atomic.Int64
	store  *local.Store
	system *pfs.System
	fs     *pfs.FS
	copies int
	plan   plan
	heads  map[string]map[string]objstore.Hash // of each branch, what its head must hold
	states map[string]map[string]objstore.Hash // of each commit
	failed error
}

// buildBase makes a base in dir of some rounds commits, and leaves its store open.
// What it holds is read, compared to what was written, and kept as the oracle.
func buildBase(ctx context.Context, dir string, seed uint64, rounds int) (*builder, error) {
	b := &builder{
		ctx: ctx, dir: dir, rnd: rand.New(rand.NewPCG(seed, 1)), rounds: rounds,
		plan:  plan{Commits: map[string][]string{}, Contents: map[string]place{}},
		heads: map[string]map[string]objstore.Hash{}, states: map[string]map[string]objstore.Hash{},
	}
	b.now.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	for _, sub := range []string{baseOlder, baseLarge} {
		b.must(os.MkdirAll(filepath.Join(dir, sub), 0o700))
	}
	for _, step := range []func(){b.open, b.small, b.close, b.snapshot, b.open, b.large, b.snapshot, b.more, b.close, b.snapshot, b.open, b.last, b.check} {
		if b.failed == nil {
			step()
		}
	}
	return b, b.failed
}

func (b *builder) must(err error) {
	if err != nil && b.failed == nil {
		b.failed = err
	}
}

func (b *builder) open() {
	var err error
	b.store, b.system, err = openRoot(b.ctx, filepath.Join(b.dir, baseData), pfs.Options{
		Now: func() time.Time { return time.UnixMilli(b.now.Load()).UTC() },
	})
	b.must(err)
	if err == nil {
		b.fs = b.system.As(pfs.Root)
	}
}

func (b *builder) close() {
	b.must(b.system.Close())
	b.must(b.store.Close())
}

// snapshot keeps a copy of the store as it is.
func (b *builder) snapshot() {
	b.copies++
	b.must(copyTree(filepath.Join(b.dir, baseData), filepath.Join(b.dir, baseOlder, fmt.Sprint(b.copies))))
}

// small is many small commits, branches, merges, users.
func (b *builder) small() {
	b.repo("small")
	b.churn("small", "master", "f/", 2*b.rounds)
	b.branch("small", "dev", "master~5", "master", 5)
	b.churn("small", "dev", "d/", b.rounds/2)
	b.churn("small", "master", "f/", b.rounds/2)
	b.merge("small", "master", "dev", "d/")
	b.tag("small", "v1", "master~3")
	_, err := b.fs.CreateUser(b.ctx, pfs.User{Name: "alice", Display: "Alice A."})
	b.must(err)
	key, err := b.fs.CreateKey(b.ctx, pfs.Key{User: "alice", ReadOnly: true})
	b.must(err)
	b.plan.Key = key.AccessKey
	b.must(b.fs.ChangeSettings(b.ctx, pfs.Ref{Repo: "small", Branch: "master"}, pfs.ActOwn, func(s *pfs.Settings) error {
		s.Tags = map[string]string{"team": "blue"}
		return nil
	}))
}

// large is files of many chunks, of a chunk and of a block, and a commit of so
// many files that it becomes a layer.
func (b *builder) large() {
	b.repo("big")
	whole := b.data(7 << 20)
	b.put("big", "master", "many-chunks", whole)
	edited := append([]byte(nil), whole...)
	copy(edited[3<<20:], b.data(1<<20))
	b.put("big", "master", "many-chunks", edited)
	for i := range 3 {
		b.put("big", "master", fmt.Sprintf("1m/%d", i), b.data(1<<20))
	}
	for i := range 40 {
		b.put("big", "master", fmt.Sprintf("4k/%02d", i), b.data(4096))
	}
	b.put("big", "master", "empty", nil)
	b.repo("wide")
	b.batch("wide", "master", "w/", wideFiles)
	for waiting := true; waiting && b.failed == nil; { // folding is one of the states to be damaged
		var err error
		waiting, err = b.system.Folding(b.ctx)
		b.must(err)
	}
	b.churn("wide", "master", "w/", 2)
}

// more is deletions, branches that are deleted, restored and moved, and what is
// taken back.
func (b *builder) more() {
	b.churn("small", "master", "f/", b.rounds)
	b.branch("small", "gone", "master", "master", 0)
	b.churn("small", "gone", "g/", 5)
	_, err := b.fs.DeleteBranch(b.ctx, "small", "gone", pfs.BranchDeletion{})
	b.must(err)
	delete(b.heads, "small/gone")
	b.branch("small", "back", "master", "master", 0)
	b.churn("small", "back", "g/", 5)
	_, err = b.fs.DeleteBranch(b.ctx, "small", "back", pfs.BranchDeletion{})
	b.must(err)
	_, err = b.fs.RestoreBranch(b.ctx, "small", "back")
	b.must(err)
	b.branch("small", "moved", "master", "master", 0)
	b.churn("small", "moved", "g/", 5)
	_, err = b.fs.ResetBranch(b.ctx, "small", "moved", at("small", "master~2"), pfs.WriteOptions{}, false)
	b.must(err)
	b.heads["small/moved"] = maps.Clone(b.back("small", "master", 2))
	b.revert("small", "master")
	b.tag("small", "v2", "master")
}

// last is what a store that is killed has not put in order yet: commits, a layer,
// an open commit.
func (b *builder) last() {
	b.branch("small", "scratch", "master", "master", 0)
	b.churn("small", "scratch", "s/", 10)
	o, err := b.fs.StartCommit(b.ctx, pfs.Ref{Repo: "small", Branch: "scratch"}, pfs.WriteOptions{Message: "open"})
	b.must(err)
	b.plan.Open = o.ID.String()
	for i := range 30 {
		data := b.data(b.size())
		b.stored(data)
		_, err := b.fs.Put(b.ctx, at("small", b.plan.Open), fmt.Sprintf("open/%02d", i), b.content(data), pfs.Attrs{}, pfs.WriteOptions{})
		b.must(err)
		b.plan.Contents[objstore.Sum(data).String()] = place{"small", b.plan.Open, fmt.Sprintf("open/%02d", i)}
	}
	b.churn("small", "master", "f/", b.rounds)
	b.churn("small", "dev", "d/", b.rounds/2)
	b.put("big", "master", "late", b.data(1<<20+17))
	b.repo("other")
	b.put("other", "master", "only", b.data(100))
	b.repo("layer")
	b.batch("layer", "master", "x/", wideFiles)
}

// at is a ref to what an expression means in a repo.
func at(repo, expr string) pfs.Ref {
	x, err := revision.Parse(expr)
	if err != nil {
		panic(err)
	}
	return pfs.Ref{Repo: repo, Base: x}
}

func (b *builder) repo(name string) {
	_, err := b.fs.CreateRepo(b.ctx, pfs.Repo{Name: name, Description: "the repo " + name})
	b.must(err)
	b.plan.Repos = append(b.plan.Repos, name)
	b.heads[name+"/master"] = map[string]objstore.Hash{}
}

// branch makes one at from, which is back commits behind the head of parent.
func (b *builder) branch(repo, name, from, parent string, back int) {
	ref := at(repo, from)
	_, err := b.fs.CreateBranch(b.ctx, repo, name, pfs.BranchOptions{From: &ref})
	b.must(err)
	b.heads[repo+"/"+name] = maps.Clone(b.back(repo, parent, back))
}

// back is what a branch held some commits ago.
func (b *builder) back(repo, branch string, n int) map[string]objstore.Hash {
	list := b.plan.Commits[repo+"/"+branch]
	if b.failed != nil {
		return nil
	}
	return b.states[list[len(list)-1-n]]
}

func (b *builder) tag(repo, name, expr string) {
	_, err := b.fs.CreateTag(b.ctx, repo, name, at(repo, expr), "")
	b.must(err)
	b.plan.Tags = append(b.plan.Tags, repo+"/"+name)
}

// size is such that a store may keep files in different ways.
func (b *builder) size() int {
	return []int{1, 30, 200, 511, 512, 513, 2000, 4096, 20_000}[b.rnd.IntN(9)]
}

// data is random bytes.
func (b *builder) data(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(b.rnd.Uint32())
	}
	return data
}

func (b *builder) content(data []byte) content.Content {
	w := b.fs.NewFile(b.ctx, int64(len(data)))
	defer w.Abort()
	_, err := w.Write(data)
	b.must(err)
	p, err := w.Close()
	b.must(err)
	return p.Content
}

// stored keeps a large content.
func (b *builder) stored(data []byte) {
	if len(data) >= largeContent {
		b.must(os.WriteFile(filepath.Join(b.dir, baseLarge, objstore.Sum(data).String()), data, 0o600))
	}
}

// committed keeps what a commit left.
func (b *builder) committed(repo, branch string, id pfs.CommitID) {
	name := repo + "/" + branch
	b.plan.Commits[name] = append(b.plan.Commits[name], id.String())
	b.states[id.String()] = maps.Clone(b.heads[name])
	b.now.Add(1000)
}

func (b *builder) put(repo, branch, path string, data []byte) {
	if b.failed != nil {
		return
	}
	b.stored(data)
	attrs := pfs.Attrs{ContentType: "text/x-" + path[:1], Meta: map[string]string{"size": fmt.Sprint(len(data))}}
	done, err := b.fs.Put(b.ctx, pfs.Ref{Repo: repo, Branch: branch}, path, b.content(data), attrs, pfs.WriteOptions{Message: "put " + path})
	b.must(err)
	hash := objstore.Sum(data)
	b.heads[repo+"/"+branch][path] = hash
	b.committed(repo, branch, done.Commit)
	b.plan.Contents[hash.String()] = place{repo, done.Commit.String(), path}
}

// churn is n commits of one file.
func (b *builder) churn(repo, branch, prefix string, n int) {
	for range n {
		if b.failed != nil {
			return
		}
		path := fmt.Sprintf("%s%02d", prefix, b.rnd.IntN(25))
		if _, there := b.heads[repo+"/"+branch][path]; there && b.rnd.IntN(6) == 0 {
			done, err := b.fs.Delete(b.ctx, pfs.Ref{Repo: repo, Branch: branch}, pfs.Files(path), pfs.WriteOptions{Message: "delete " + path})
			b.must(err)
			delete(b.heads[repo+"/"+branch], path)
			b.committed(repo, branch, done.Commit)
			continue
		}
		b.put(repo, branch, path, b.data(b.size()))
	}
}

// merge merges from, which changed nothing but what is under prefix.
func (b *builder) merge(repo, into, from, prefix string) {
	done, err := b.fs.Merge(b.ctx, pfs.Ref{Repo: repo, Branch: into}, pfs.Ref{Repo: repo, Branch: from}, pfs.MergeOptions{NoFastForward: true})
	b.must(err)
	for path, hash := range b.heads[repo+"/"+from] {
		if len(path) > len(prefix) && path[:len(prefix)] == prefix {
			b.heads[repo+"/"+into][path] = hash
		}
	}
	b.committed(repo, into, done.Commit)
}

// revert takes back the newest commit of a branch.
func (b *builder) revert(repo, branch string) {
	before := b.back(repo, branch, 1)
	done, err := b.fs.Revert(b.ctx, pfs.Ref{Repo: repo, Branch: branch}, at(repo, branch), pfs.UndoOptions{})
	b.must(err)
	b.heads[repo+"/"+branch] = maps.Clone(before)
	b.committed(repo, branch, done.Commit)
}

// batch is one commit of n small files.
func (b *builder) batch(repo, branch, prefix string, n int) {
	set, err := b.fs.NewBatch(b.ctx, pfs.Ref{Repo: repo, Branch: branch}, pfs.WriteOptions{Message: "many files"})
	b.must(err)
	if err != nil {
		return
	}
	defer set.Close()
	added := map[string]objstore.Hash{}
	for i := range n {
		path := fmt.Sprintf("%s%04d", prefix, i)
		data := fmt.Append(nil, repo, branch, path)
		b.must(set.Add(b.ctx, path, pfs.FilePart{Content: b.content(data)}, pfs.Attrs{}))
		added[path] = objstore.Sum(data)
	}
	id, err := set.Finish(b.ctx)
	b.must(err)
	maps.Copy(b.heads[repo+"/"+branch], added)
	b.committed(repo, branch, id)
	for i, path := range slices.Sorted(maps.Keys(added)) {
		if i%8 == 0 { // to read all takes long
			b.plan.Contents[added[path].String()] = place{repo, id.String(), path}
		}
	}
}

// check reads all there is, compares it to what was written, and keeps it.
func (b *builder) check() {
	for name, ids := range b.plan.Commits {
		repo, _ := split(name)
		for _, id := range ids {
			b.must(b.checkState(repo, id))
		}
	}
	o := oracle{Plan: b.plan, Answers: map[string]string{}}
	for name := range b.heads {
		o.Plan.Branches = append(o.Plan.Branches, name)
	}
	b.plan = o.Plan
	readAll(b.ctx, b.system, &o.Plan, func(op, answer string, err error) {
		if err != nil {
			b.must(fmt.Errorf("%s: %w", op, err))
		}
		o.Answers[op] = answer
	})
	for hash := range b.plan.Contents {
		if got := o.Answers["content "+hash]; got != hash {
			b.must(fmt.Errorf("content %s reads as %s", hash, got))
		}
	}
	text, err := json.Marshal(o)
	b.must(err)
	b.must(os.WriteFile(filepath.Join(b.dir, baseOracle), text, 0o600))
}

// checkState compares the files of a commit to what was written.
func (b *builder) checkState(repo, id string) error {
	s, err := b.fs.Open(b.ctx, at(repo, id), pfs.ActList, "")
	if err != nil {
		return err
	}
	got := map[string]objstore.Hash{}
	for info, err := range s.All(b.ctx, "") {
		if err != nil {
			return err
		}
		got[info.Path] = info.Content.Hash
	}
	if !maps.Equal(got, b.states[id]) {
		return fmt.Errorf("commit %s of %s has %d files, other ones than the %d that were written", id, repo, len(got), len(b.states[id]))
	}
	return nil
}

// copyTree copies a folder with files and folders. Holes stay holes.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		return copyFile(path, filepath.Join(to, rel))
	})
}

// copyFile copies the parts of a file that are not zero; the others become holes.
func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	parts, size, err := extents(src)
	for _, p := range parts {
		if err == nil {
			err = copyPart(dst, src, p)
		}
	}
	return errors.Join(err, dst.Truncate(size), dst.Close())
}

var zeros [64 << 10]byte

func copyPart(dst, src *os.File, p extent) error {
	buf := make([]byte, len(zeros))
	for off := p.from; off < p.to; {
		n, err := src.ReadAt(buf[:min(int64(len(buf)), p.to-off)], off)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		if !bytes.Equal(buf[:n], zeros[:n]) {
			if _, err := dst.WriteAt(buf[:n], off); err != nil {
				return err
			}
		}
		off += int64(n)
	}
	return nil
}
