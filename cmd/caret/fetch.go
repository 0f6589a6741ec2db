package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/zeebo/blake3"
	"golang.org/x/sys/unix"

	"caret/api/client"
	"caret/api/v1"
)

// fetch makes files in a folder what they are in a state that does not
// change. Nothing outside of the folder is touched, whatever links there are
// in it.
type fetch struct {
	cl   *client.Client
	from target // the state; its path does not matter
	root *os.Root
	bar  *bar

	placing      sync.Mutex   // held by who looks at a name and then takes it
	files, bytes atomic.Int64 // fetched
}

// errDiffers is content that is not what was listed.
var errDiffers = errors.New("what came is not the file that was listed")

// errTaken is a name that others have changed meanwhile.
var errTaken = errors.New("it has changed while it was fetched")

// errInTheWay is something that get did not make where it puts what comes.
var errInTheWay = errors.New("is in the way")

// file makes name what f is. was is what has been found there, nil if nothing was:
// anything else is left as it is, unless it is f by now. The bytes come under a
// temporary name; if they are many they stay there when the rest is cut off, and
// the next try goes on behind them.
func (d *fetch) file(ctx context.Context, f v1.File, name string, was fs.FileInfo) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	temp := partName(name, f.Hash)
	if info, err := d.root.Lstat(temp); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%q %w", temp, errInTheWay)
	}
	held, err := d.claim(ctx, temp, permissions(was))
	if err != nil {
		return err
	}
	defer held.Close()
	if !d.still(name, was) && d.has(ctx, f, name) { // somebody else has fetched it
		d.bar.add(f.Size)
		return d.root.Remove(temp)
	}
	out, err := d.root.OpenFile(temp, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = errors.Join(d.fill(ctx, f, out), out.Close())
	if err == nil {
		err = d.place(temp, name, was)
	}
	if err == nil {
		d.files.Add(1)
		d.bytes.Add(f.Size)
		return nil
	}
	if info, statErr := d.root.Stat(temp); statErr != nil || info.Size() < worthKeeping || errors.Is(err, errDiffers) || errors.Is(err, errTaken) {
		d.root.Remove(temp) //nolint:errcheck // the first error tells more
		return err
	}
	return &hinted{err, "what came of it is kept; run the same again to fetch the rest"}
}

// place moves what was fetched to its name, if was is still what is there. It
// keeps the permissions of a file that it replaces, and takes away an empty
// folder.
func (d *fetch) place(temp, name string, was fs.FileInfo) error {
	d.placing.Lock()
	defer d.placing.Unlock()
	if !d.still(name, was) {
		return errTaken
	}
	var err error
	switch {
	case was == nil:
	case was.IsDir():
		err = removeFolders(d.root, name)
	case was.Mode().IsRegular():
		err = d.root.Chmod(temp, was.Mode().Perm())
	}
	if err != nil {
		return err
	}
	if was == nil {
		return d.placeNew(temp, name)
	}
	return d.root.Rename(temp, name)
}

// placeNew is the end of place for a name that there was not: what others have made
// there since, in whatever moment, stays.
func (d *fetch) placeNew(temp, name string) error {
	dir, err := d.root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	fd := int(dir.Fd())
	err = unix.Renameat2(fd, path.Base(temp), fd, path.Base(name), unix.RENAME_NOREPLACE)
	switch {
	case errors.Is(err, unix.EEXIST):
		return errTaken
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS): // which not all file systems can
		return d.root.Rename(temp, name)
	case err != nil:
		return &fs.PathError{Op: "rename", Path: temp, Err: err}
	}
	return nil
}

// removeFolders removes a folder, if it is there, in which nothing but folders is.
func removeFolders(root *os.Root, name string) error {
	var dirs []string
	err := fs.WalkDir(root.FS(), name, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, name)
		}
		return err
	})
	for _, dir := range slices.Backward(dirs) {
		if err == nil {
			err = root.Remove(dir) // which refuses what is not empty
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// still says whether was is what name is, or that it is nothing.
func (d *fetch) still(name string, was fs.FileInfo) bool {
	now, err := d.root.Lstat(name)
	gone := errors.Is(err, fs.ErrNotExist)
	switch {
	case was == nil:
		return gone
	case was.IsDir(): // which goes when it is empty
		return gone || err == nil && now.IsDir()
	case err != nil:
		return false
	}
	return os.SameFile(now, was) && now.Mode() == was.Mode() && now.Size() == was.Size() && now.ModTime().Equal(was.ModTime())
}

// permissions are those of a temporary file for what takes the place of was: nobody
// reads it who could not read that.
func permissions(was fs.FileInfo) fs.FileMode {
	if was == nil || !was.Mode().IsRegular() {
		return 0o666
	}
	return was.Mode().Perm()&0o666 | 0o600
}

// claim makes sure that there is a temporary file, to which no other process
// writes until what it returns is closed. Who waited for it may find that there
// is nothing left to fetch.
func (d *fetch) claim(ctx context.Context, temp string, perm fs.FileMode) (*os.File, error) {
	for {
		out, err := d.root.OpenFile(temp, os.O_RDWR|os.O_CREATE, perm)
		if err != nil {
			return nil, err
		}
		if err := waitFor(ctx, out); err != nil {
			return nil, errors.Join(err, out.Close())
		}
		opened, err := out.Stat()
		if err != nil {
			return nil, errors.Join(err, out.Close())
		}
		now, err := d.root.Lstat(temp)
		switch {
		case err != nil || !os.SameFile(opened, now): // who held it has moved it away
		case !alone(opened):
			// It is another file as well, in a copy made of links or wherever
			// else, which must stay what it is.
			err = d.root.Remove(temp)
		default:
			return out, nil
		}
		out.Close()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
}

// alone says whether a file has no other name.
func alone(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return !ok || stat.Nlink <= 1
}

// waitFor takes the lock of a file. Where files have none it is taken for had.
func waitFor(ctx context.Context, f *os.File) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for locked(f) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// locked says that another has the lock of a file, and takes it otherwise.
func locked(f *os.File) bool {
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// has says whether name is what f is.
func (d *fetch) has(ctx context.Context, f v1.File, name string) bool {
	info, err := d.root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() != f.Size {
		return false
	}
	sum, err := hashIn(ctx, d.root, name)
	return err == nil && sum == f.Hash
}

// hashIn is the BLAKE3 hash of a file in a folder, which is not waited for if
// it is no file any more.
func hashIn(ctx context.Context, root *os.Root, name string) (string, error) {
	in, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer in.Close()
	return hashOf(until{ctx, in})
}

// fill completes out, which may have the beginning of f.
func (d *fetch) fill(ctx context.Context, f v1.File, out *os.File) error {
	sum := blake3.New()
	off, err := io.Copy(sum, until{ctx, out})
	if err != nil {
		return err
	}
	d.bar.add(off)
	if err = d.rest(ctx, f, out, sum, off); off == 0 || !errors.Is(err, errDiffers) {
		return err
	}
	// It was not the beginning, so all of it is fetched.
	d.bar.add(-off)
	if err := out.Truncate(0); err != nil {
		return err
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum.Reset()
	return d.rest(ctx, f, out, sum, 0)
}

// rest fetches what follows the first off bytes of f, which are in sum.
func (d *fetch) rest(ctx context.Context, f v1.File, out io.Writer, sum *blake3.Hasher, off int64) error {
	if off < f.Size {
		body, size, err := d.cl.GetRange(ctx, d.from.Repo, d.from.Expr, f.Path, off, -1)
		if err != nil {
			return err
		}
		defer body.Close()
		if size != f.Size-off {
			return fmt.Errorf("%s: %w: %d bytes are offered, not %d", oneLine(f.Path), errDiffers, size, f.Size-off)
		}
		to := &sink{to: out}
		n, err := io.Copy(io.MultiWriter(to, sum), d.bar.reader(body))
		if err == nil && n != size {
			err = io.ErrUnexpectedEOF
		}
		if to.err != nil {
			return to.err
		}
		if err != nil {
			return fmt.Errorf("%s %w: %w", oneLine(f.Path), errEarly, err)
		}
	}
	return checkSum(f, sum)
}

// stream writes f to w, and says in the end if it was not that.
func (d *fetch) stream(ctx context.Context, f v1.File, w io.Writer) error {
	return d.rest(ctx, f, w, blake3.New(), 0)
}

// errEarly is content that was cut off on its way.
var errEarly = errors.New("ended early")

// sink remembers what was wrong with writing, which is not the sender's fault.
type sink struct {
	to  io.Writer
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.to.Write(p)
	s.err = err
	return n, err
}

// checkSum says that the bytes in sum are not those of f.
func checkSum(f v1.File, sum *blake3.Hasher) error {
	if got := hex.EncodeToString(sum.Sum(nil)); got != f.Hash {
		return fmt.Errorf("%s: %w: its BLAKE3 hash is %s, not %s", oneLine(f.Path), errDiffers, got, f.Hash)
	}
	return nil
}

// worthKeeping is how many bytes of a file are kept to go on from.
const worthKeeping = 1 << 20

// tidy removes what earlier tries to fetch files called names have left.
func (d *fetch) tidy(names []string) {
	folders := make(map[string]map[string]bool)
	for _, name := range names {
		dir := path.Dir(name)
		if folders[dir] == nil {
			folders[dir] = make(map[string]bool)
		}
		folders[dir][partPrefix(name)] = true
	}
	for dir, prefixes := range folders {
		f, err := d.root.Open(dir)
		if err != nil {
			continue
		}
		list, _ := f.Readdirnames(-1) // a leftover does no harm
		f.Close()
		for _, name := range list {
			if isPart(name) && len(name) > partEnd && prefixes[name[:len(name)-partEnd]] {
				d.drop(path.Join(dir, name))
			}
		}
	}
}

// drop removes a temporary file that no process writes to.
func (d *fetch) drop(temp string) {
	f, err := d.root.OpenFile(temp, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if !locked(f) {
		d.root.Remove(temp) //nolint:errcheck // a leftover does no harm
	}
}
