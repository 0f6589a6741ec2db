package run_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"caret/objstore"
	"caret/objstore/local/run"
)

// damaged checks that the run at path, which is not as it was written, is
// objstore.ErrCorrupt that names it, and that no row was read that is not one
// of rows. It says why it is.
func damaged(t *testing.T, what, path string, rows []run.Row) string {
	t.Helper()
	got, err := read(t, path)
	if !errors.Is(err, objstore.ErrCorrupt) || !strings.Contains(err.Error(), path+" at offset ") {
		t.Errorf("%s: %d rows and the error %v", what, len(got), err)
		return ""
	}
	if len(got) > len(rows) || same(got, rows[:len(got)]) != "" {
		t.Errorf("%s: wrong rows, then %v", what, err)
	}
	return err.Error()
}

func overwrite(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func contents(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// blockPlaces is where the blocks of a file with one bulk begin, and where the last ends.
func blockPlaces(file []byte) (at []int) {
	end := len(file) - 28 - 40
	p := 36
	for p < end {
		at = append(at, p)
		p += 16 + int(binary.LittleEndian.Uint32(file[p:]))
	}
	return append(at, p)
}

// TestDamage changes every byte of a file, in turn and in three ways, cuts it
// off at every length, and makes it longer: each is found.
func TestDamage(t *testing.T) {
	t.Parallel()
	rows := commitRows(0, 12)
	info := write(t, t.TempDir(), 5, 20, rows, run.Options{BlockSize: 1000})
	whole := contents(t, info.Path)
	if n := len(blockPlaces(whole)); n < 4 {
		t.Fatalf("the file has only %d blocks", n-1)
	}
	f, err := os.OpenFile(info.Path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i, c := range whole {
		for _, flip := range []byte{1, 0x80, 0xff} {
			f.WriteAt([]byte{c ^ flip}, int64(i))
			damaged(t, fmt.Sprintf("byte %d changed", i), info.Path, rows)
		}
		f.WriteAt([]byte{c}, int64(i))
	}
	for i := range slices.Backward(whole) {
		f.Truncate(int64(i))
		damaged(t, fmt.Sprintf("cut off at %d", i), info.Path, rows)
	}
	for _, more := range [][]byte{{0}, make([]byte, 4096), whole, whole[len(whole)-40:], whole[len(whole)-68:]} {
		overwrite(t, info.Path, slices.Concat(whole, more))
		if r, err := run.Open(info.Path); !errors.Is(err, objstore.ErrCorrupt) {
			t.Errorf("longer: %v, %v", r, err)
		}
	}
	overwrite(t, info.Path, whole)
	if got, err := read(t, info.Path); err != nil || same(got, rows) != "" {
		t.Errorf("put back: %s %v", same(got, rows), err)
	}
}

// TestMovedBlocks: a block is taken only at its place of its run.
func TestMovedBlocks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// Keys and values of one length that zstd cannot shorten make blocks of one size.
	var rows []run.Row
	for i := range 40 {
		rows = append(rows, run.Row{Key: []byte{byte(i)}, Value: make([]byte, 50)})
		for j := range rows[i].Value {
			rows[i].Value[j] = byte(i*j*j + i*7 + j)
		}
	}
	opts := run.Options{BlockSize: 530}
	info := write(t, dir, 5, 20, rows, opts)
	whole := contents(t, info.Path)
	at := blockPlaces(whole)
	cut := func(i int) []byte { return whole[at[i]:at[i+1]] }
	swapped := slices.Concat(whole[:at[1]], cut(2), cut(1), whole[at[3]:])
	overwrite(t, info.Path, swapped)
	damaged(t, "two blocks swapped", info.Path, rows)
	overwrite(t, info.Path, slices.Concat(whole[:at[1]], cut(0), whole[at[2]:]))
	damaged(t, "one block twice", info.Path, rows)
	overwrite(t, info.Path, slices.Concat(whole[:at[1]], whole[at[2]:]))
	damaged(t, "a block cut out", info.Path, rows)
	overwrite(t, info.Path, whole)

	for _, ends := range [][2]uint64{{5, 21}, {4, 20}, {20, 30}} {
		other := write(t, dir, ends[0], ends[1], rows, opts)
		theirs := contents(t, other.Path)
		if len(theirs) != len(whole) {
			t.Fatalf("files of %d and %d bytes", len(theirs), len(whole))
		}
		for i := range len(at) - 1 {
			overwrite(t, info.Path, slices.Concat(whole[:at[i]], theirs[at[i]:at[i+1]], whole[at[i+1]:]))
			damaged(t, "a block of another run", info.Path, rows)
		}
		last := at[len(at)-1]
		overwrite(t, info.Path, slices.Concat(whole[:last], theirs[last:]))
		damaged(t, "the footer of another run", info.Path, rows)
		overwrite(t, info.Path, slices.Concat(theirs[:36], whole[36:]))
		damaged(t, "the header of another run", info.Path, rows)
		overwrite(t, info.Path, theirs)
		if why := damaged(t, "another run", info.Path, rows); !strings.Contains(why, filepath.Base(other.Path)) {
			t.Errorf("another run under this name: %s", why)
		}
		overwrite(t, info.Path, whole)
	}
}

// TestScanDamage: a scan, and a merge, of runs of which one is damaged end with
// its error, and a merge leaves nothing.
func TestScanDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rows := commitRows(0, 50)
	a := write(t, dir, 0, 1, rows, run.Options{BlockSize: 1000})
	b := write(t, dir, 1, 2, rows, run.Options{BlockSize: 1000})
	whole := contents(t, b.Path)
	at := blockPlaces(whole)
	bad := slices.Clone(whole)
	bad[at[len(at)-2]+20] ^= 1
	overwrite(t, b.Path, bad)
	s, err := run.Scan(t.Context(), []run.Info{a, b}, run.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got, err := collect(s)
	if !errors.Is(err, objstore.ErrCorrupt) || len(got) == 0 || len(got) >= len(rows) {
		t.Errorf("scan: %d rows, %v", len(got), err)
	}
	if _, err := run.Merge(t.Context(), dir, logID, []run.Info{a, b}, run.Options{}); !errors.Is(err, objstore.ErrCorrupt) {
		t.Errorf("merge: %v", err)
	}
	if runs, leftovers, damaged, _ := run.List(dir); len(runs) != 2 || len(leftovers) != 0 || len(damaged) != 0 {
		t.Errorf("after a merge that failed: %v %v %v", runs, leftovers, damaged)
	}
	overwrite(t, b.Path, whole)

	// A file that was replaced since it was listed.
	c := a
	c.To++
	if _, err := run.Scan(t.Context(), []run.Info{c}, run.ScanOptions{}); !errors.Is(err, objstore.ErrCorrupt) {
		t.Errorf("scan of a run that is another: %v", err)
	}
	if _, err := run.Scan(t.Context(), []run.Info{b, a}, run.ScanOptions{}); err == nil {
		t.Error("runs that do not follow each other are scanned")
	}
	if _, err := run.Merge(t.Context(), dir, [8]byte{}, []run.Info{a, b}, run.Options{}); err == nil {
		t.Error("runs of another log are merged")
	}
}
