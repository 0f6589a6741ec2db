package crashtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"caret/objstore/local"
	"caret/pfs"
)

// What the parent says to a child in the environment.
const (
	faultTask  = "CARET_FAULTS_CHILD" // build, work, start, first start or verify
	faultDir   = "CARET_FAULTS_DIR"
	faultFiles = "CARET_FAULTS_FILES" // a list of files to check
	faultSeed  = "CARET_FAULTS_SEED"
)

// faultRepo is what the children write to.
var faultRepo = pfs.Ref{Repo: "faults"}

// tell says something to the parent, in a call that no fault is injected into.
func tell(word string, what any) {
	text, ok := what.(string)
	if !ok {
		b, err := json.Marshal(what)
		if err != nil {
			panic(err)
		}
		text = string(b)
	}
	msg := []byte(word + " " + text)
	if err := unix.Send(3, msg[:min(len(msg), 60<<10)], 0); err != nil {
		panic(err)
	}
}

// TestFaultsChild is a child of TestFaults.
func TestFaultsChild(t *testing.T) {
	task := os.Getenv(faultTask)
	if task == "" {
		t.Skip("it is a part of TestFaults")
	}
	runtime.LockOSThread() // strace counts the calls of each thread
	var files []fileWritten
	text, err := os.ReadFile(os.Getenv(faultFiles))
	if err == nil {
		err = json.Unmarshal(text, &files)
	}
	if err != nil {
		t.Fatal(err)
	}
	// Small packs, so that there are many.
	store, err := local.Open(os.Getenv(faultDir), local.Options{Reserve: -1, PackSize: 2 << 20})
	if err != nil {
		tell("error", "open: "+err.Error())
		return
	}
	system, err := pfs.Open(t.Context(), store, pfs.Options{Exclusive: true})
	if err != nil {
		tell("error", "open: "+err.Error())
		store.Close()
		return
	}
	tell("opened", "")
	w := &faultWorker{ctx: t.Context(), fs: system.As(pfs.Root), files: files}
	switch task {
	case "work":
		w.work()
	case "build":
		w.work()
		tell("done", "")
		select {} // to be killed
	case "verify":
		if _, err := w.fs.CreateRepo(w.ctx, pfs.Repo{Name: faultRepo.Repo}); err != nil && !errors.Is(err, pfs.ErrRepoExists) {
			tell("error", "create a repo: "+err.Error())
		}
		w.verify()
		w.write("verify", 3)
	}
	if err := errors.Join(system.Close(), store.Close()); err != nil {
		tell("error", "close: "+err.Error())
	}
	tell("done", "")
}

// faultWorker writes and reads in a child.
type faultWorker struct {
	ctx   context.Context
	fs    *pfs.FS
	mu    sync.Mutex
	files []fileWritten // that must be there
}

// work writes with a few writers at once, until each has done its part or has
// failed some times.
func (w *faultWorker) work() {
	if _, err := w.fs.CreateRepo(w.ctx, pfs.Repo{Name: faultRepo.Repo}); err != nil && !errors.Is(err, pfs.ErrRepoExists) {
		tell("error", "create a repo: "+err.Error())
	}
	start := len(w.files)
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() { w.write(fmt.Sprintf("%d-%d", start, i), 15) })
	}
	wg.Wait()
}

func (w *faultWorker) write(name string, n int) {
	rnd := rand.New(rand.NewPCG(uint64(len(name)), 9))
	for i, failed := 0, 0; i < n && failed < 4; i++ {
		f := fileWritten{Key: fmt.Sprintf("%s/%03d", name, i), Size: []int{10, 400, 600, 4096, 50_000, 900_000}[rnd.IntN(6)]}
		tell("try", f)
		id, err := w.put(f)
		if err != nil {
			failed++
			tell("error", fmt.Sprintf("put %s: %v", f.Key, err))
			w.reads(rnd)
			continue
		}
		f.Commit = id
		tell("ack", f)
		w.mu.Lock()
		w.files = append(w.files, f)
		w.mu.Unlock()
	}
	w.reads(rnd)
}

func (w *faultWorker) put(f fileWritten) (string, error) {
	file := w.fs.NewFile(w.ctx, int64(f.Size))
	defer file.Abort()
	if _, err := io.WriteString(file, text(f.Key, f.Size)); err != nil {
		return "", err
	}
	p, err := file.Close()
	if err != nil {
		return "", err
	}
	done, err := w.fs.Put(w.ctx, faultRepo, f.Key, p.Content, pfs.Attrs{}, pfs.WriteOptions{})
	return done.Commit.String(), err
}

// reads reads some file that must be there, whatever has failed. That a read fails
// may be the fault that is injected; that it is wrong may not.
func (w *faultWorker) reads(rnd *rand.Rand) {
	w.mu.Lock()
	if len(w.files) == 0 {
		w.mu.Unlock()
		return
	}
	f := w.files[rnd.IntN(len(w.files))]
	w.mu.Unlock()
	switch got, err := w.read(f, f.Commit); {
	case err != nil && !saysError.MatchString(err.Error()):
		tell("bad", fmt.Sprintf("LOST: read %s while calls fail: %v", f.Key, err))
	case err == nil && got != text(f.Key, f.Size):
		tell("bad", fmt.Sprintf("WRONG: %s while calls fail has %d bytes, and should have %d", f.Key, len(got), f.Size))
	}
}

// read reads a file at a commit, or at the head.
func (w *faultWorker) read(f fileWritten, commit string) (string, error) {
	ref := faultRepo
	if commit != "" {
		ref = at(faultRepo.Repo, commit)
	}
	s, err := w.fs.Open(w.ctx, ref, pfs.ActRead, f.Key)
	if err != nil {
		return "", err
	}
	info, err := s.Stat(w.ctx, f.Key)
	if err != nil {
		return "", err
	}
	body, err := s.Read(w.ctx, info, 0, -1)
	if err != nil {
		return "", err
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	return string(data), err
}

// verify reads all files: what has a commit must be there, there and at the head,
// and what has none must be whole if it is.
func (w *faultWorker) verify() {
	for _, f := range w.files {
		now, err := w.read(f, "")
		if err == nil && f.Commit != "" {
			var then string
			if then, err = w.read(f, f.Commit); err == nil && then != now {
				tell("bad", fmt.Sprintf("WRONG: %s at its commit is not what it is at the head", f.Key))
			}
		}
		switch {
		case f.Commit == "" && (errors.Is(err, pfs.ErrNoSuchPath) || errors.Is(err, pfs.ErrNoSuchRepo)):
		case err != nil:
			tell("bad", fmt.Sprintf("LOST: %s, acknowledged %v: %v", f.Key, f.Commit != "", err))
		case now != text(f.Key, f.Size):
			tell("bad", fmt.Sprintf("WRONG: %s has %d bytes, and should have %d", f.Key, len(now), f.Size))
		}
	}
}
