package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
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

	files, bytes atomic.Int64 // fetched
}

// errDiffers is content that is not what was listed.
var errDiffers = errors.New("what came is not the file that was listed")

// file makes name what f is, unless it is that already. The bytes come under
// a temporary name; if they are many they stay there when the rest is cut
// off, and the next try goes on behind them.
func (d *fetch) file(ctx context.Context, f v1.File, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d.has(ctx, f, name) {
		d.bar.add(f.Size)
		return nil
	}
	temp := filepath.Join(filepath.Dir(name), partPrefix(name)+f.Hash)
	if info, err := d.root.Lstat(temp); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is in the way", temp)
	}
	held, err := d.claim(ctx, temp)
	if err != nil {
		return err
	}
	defer held.Close()
	if d.has(ctx, f, name) {
		d.bar.add(f.Size)
		return d.root.Remove(temp)
	}
	out, err := d.root.OpenFile(temp, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = errors.Join(d.fill(ctx, f, out), out.Close())
	if err == nil {
		err = d.root.Rename(temp, name)
	}
	if err == nil {
		d.files.Add(1)
		d.bytes.Add(f.Size)
		return nil
	}
	if info, statErr := d.root.Stat(temp); statErr != nil || info.Size() < worthKeeping || errors.Is(err, errDiffers) {
		d.root.Remove(temp) //nolint:errcheck // the first error tells more
		return err
	}
	return &hinted{err, "what came of it is kept; run the same again to fetch the rest"}
}

// claim makes sure that there is a temporary file, to which no other process
// writes until what it returns is closed. Who waited for it may find that there
// is nothing left to fetch.
func (d *fetch) claim(ctx context.Context, temp string) (*os.File, error) {
	for {
		out, err := d.root.OpenFile(temp, os.O_RDWR|os.O_CREATE, 0o666)
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
		if now, err := d.root.Lstat(temp); err == nil && os.SameFile(opened, now) {
			return out, nil
		}
		out.Close() // who held it has moved it away
	}
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
	in, err := d.root.Open(name)
	if err != nil {
		return false
	}
	defer in.Close()
	sum, err := hashOf(until{ctx, in})
	return err == nil && sum == f.Hash
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
			return fmt.Errorf("%s: %w: %d bytes are offered, not %d", f.Path, errDiffers, size, f.Size-off)
		}
		n, err := io.Copy(io.MultiWriter(out, sum), d.bar.reader(body))
		if err == nil && n != size {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("%s ended early: %w", f.Path, err)
		}
	}
	return checkSum(f, sum)
}

// checkSum says that the bytes in sum are not those of f.
func checkSum(f v1.File, sum *blake3.Hasher) error {
	if got := hex.EncodeToString(sum.Sum(nil)); got != f.Hash {
		return fmt.Errorf("%s: %w: its BLAKE3 hash is %s, not %s", f.Path, errDiffers, got, f.Hash)
	}
	return nil
}

// worthKeeping is how many bytes of a file are kept to go on from.
const worthKeeping = 1 << 20

// partPrefix begins the names of what is fetched of the file called name; the
// hash of the content follows.
func partPrefix(name string) string {
	sum := blake3.Sum256([]byte(filepath.Base(name)))
	return ".caret-part-" + hex.EncodeToString(sum[:8]) + "-"
}

// tidy removes what earlier tries to fetch files called names have left.
func (d *fetch) tidy(names []string) {
	folders := make(map[string]map[string]bool)
	for _, name := range names {
		dir := filepath.Dir(name)
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
			if i := strings.LastIndexByte(name, '-'); i > 0 && prefixes[name[:i+1]] {
				d.drop(filepath.Join(dir, name))
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
