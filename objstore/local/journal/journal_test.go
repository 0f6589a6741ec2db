package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"caret/objstore"
)

var testID = ID{1, 2, 3, 4, 5, 6, 7, 8}

// openLog opens the log in dir behind what Follow finds after kept.
func openLog(t testing.TB, dir string, kept uint64) *Journal {
	t.Helper()
	j, err := reopen(dir, kept)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.closeFiles() })
	return j
}

func reopen(dir string, kept uint64) (*Journal, error) {
	s, err := ReadDir(dir)
	if err != nil {
		return nil, err
	}
	last, _, err := s.Follow(testID, kept)
	if err != nil {
		return nil, err
	}
	return s.Open(testID, kept, last, Options{Size: 1})
}

func record(n int) *Record {
	data := bytes.Repeat([]byte{byte(n)}, 10+n%7*1000)
	return &Record{
		Rows:  []objstore.Row{{Key: fmt.Appendf(nil, "key %d", n), Value: data}, {Key: []byte("deleted")}, {Key: []byte("empty"), Value: []byte{}}},
		Blobs: []Blob{{Hash: objstore.Sum(data), Data: data}},
	}
}

func write(t testing.TB, j *Journal, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		if err := errors.Join(j.Append(record(n)), j.Sync()); err != nil {
			t.Fatal(err)
		}
	}
}

// check finds the records from one LSN to another, and their blobs at their places.
func check(t testing.TB, j *Journal, from, to uint64) {
	t.Helper()
	var got []Record
	for _, s := range j.Segments() {
		list, err := s.Records(from - 1)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, list...)
	}
	if len(got) != int(to-from)+1 {
		t.Fatalf("%d records, not %d to %d", len(got), from, to)
	}
	for i, r := range got {
		n := int(from) + i
		want := record(n)
		if r.LSN != uint64(n) || len(r.Rows) != 3 || !slices.EqualFunc(r.Rows, want.Rows, func(a, b objstore.Row) bool {
			return bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value) && (a.Value == nil) == (b.Value == nil)
		}) {
			t.Fatalf("record %d is %d, %q", n, r.LSN, r.Rows)
		}
		b := r.Blobs[0]
		data, err := b.At.Read(nil, len(b.Data))
		if err != nil || !bytes.Equal(data, want.Blobs[0].Data) || !bytes.Equal(b.Data, data) {
			t.Fatalf("blob of record %d: %d bytes, %v", n, len(data), err)
		}
	}
}

// TestReuse: segments are written to again when what they have is kept elsewhere,
// and what they had before is not taken for records.
func TestReuse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := openLog(t, dir, 0)
	kept := uint64(0)
	for n := 1; n <= 40; n++ {
		write(t, j, n, n)
		if n%3 == 0 {
			if err := j.Seal(); err != nil {
				t.Fatal(err)
			}
		}
		if len(j.Segments()) > 2 {
			s := j.Sealed()
			kept = s.Last()
			j.Free(s)
		}
		check(t, openCopy(t, dir, kept), kept+1, uint64(n))
	}
	if files, err := filepath.Glob(filepath.Join(dir, "*"+suffix)); len(files) > maxSegments || err != nil {
		t.Errorf("%d segments, %v", len(files), err)
	}
}

// openCopy opens a copy of a log that is in use.
func openCopy(t testing.TB, dir string, kept uint64) *Journal {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return openLog(t, to, kept)
}

// TestTorn: what a crash leaves of records that nobody was told of is not there,
// and does not come back.
func TestTorn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := openLog(t, dir, 0)
	write(t, j, 1, 5)
	end := j.active.end
	for n := 6; n <= 8; n++ { // of one group, not synced
		if err := j.Append(record(n)); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(j.active.path)
	if err != nil {
		t.Fatal(err)
	}
	b[end+headerSize+3] ^= 1 // of 6; 7 and 8 are whole
	if err := os.WriteFile(j.active.path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	j = openCopy(t, dir, 0)
	check(t, j, 1, 5)
	// The same record is written at the same place, before one of the old ones.
	write(t, j, 6, 6)
	check(t, openCopy(t, j.dir, 0), 1, 6)
}

// TestLost: every byte of a record that was synced counts.
func TestLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := openLog(t, dir, 0)
	write(t, j, 1, 3)
	b, err := os.ReadFile(j.active.path)
	if err != nil {
		t.Fatal(err)
	}
	ack, err := os.ReadFile(filepath.Join(dir, ackedName))
	if err != nil {
		t.Fatal(err)
	}
	b = b[:j.active.end+100]
	to := t.TempDir()
	for at := int64(0); at < j.active.end; at += 1 + at%31 {
		for _, acked := range [][]byte{ack, nil} {
			damaged := bytes.Clone(b)
			damaged[at] ^= 1 << (at % 8)
			if err := errors.Join(os.WriteFile(filepath.Join(to, "01.log"), damaged, 0o600), os.WriteFile(filepath.Join(to, ackedName), acked, 0o600)); err != nil {
				t.Fatal(err)
			}
			s, err := ReadDir(to, testID)
			if err != nil {
				t.Fatal(err)
			}
			last, reached, err := s.Follow(testID, 0)
			// Without the file nobody knows of the last one that it was synced.
			if known := acked != nil || last < 2; known != errors.Is(err, objstore.ErrCorrupt) {
				t.Fatalf("byte %d, acked %t: %d to %d, %v", at, acked != nil, last, reached, err)
			}
			if list, err := s.Beyond(testID, last); err != nil || len(list) != 2-int(last) {
				t.Fatalf("byte %d: behind %d there are %d, %v", at, last, len(list), err)
			}
		}
	}
}

// TestNoRoom: who can't have a segment is told, and tries again later.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	fail := errors.New("disk full")
	s, err := ReadDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	full := true
	j, err := s.Open(testID, 0, 0, Options{Size: 1, Fault: func(point string) error {
		if full && point == "log.allocate" {
			return fail
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := j.Room(); !errors.Is(err, fail) {
			t.Errorf("there is room: %v", err)
		}
	}
	full = false
	if err := j.Room(); err != nil {
		t.Error(err)
	}
	write(t, j, 1, 2)
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

// TestUnsynced: a record that a killed process did not sync is on disk before it
// is said to be.
func TestUnsynced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := openLog(t, dir, 0)
	write(t, j, 1, 3)
	if err := j.Append(record(4)); err != nil {
		t.Fatal(err)
	}
	s, err := ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	fault := func(point string) error {
		if point == "log.open.sync" {
			return broken
		}
		return nil
	}
	if j, err := s.Open(testID, 0, 4, Options{Size: 1, Fault: fault}); !errors.Is(err, broken) {
		t.Errorf("opened: %v, %v", j, err)
	}
	if _, lsn, _, err := readAcked(dir); lsn != 3 || err != nil {
		t.Errorf("%d are said to be on disk, %v", lsn, err)
	}
	if j, err := s.Open(testID, 4, 4, Options{Size: 1, Fault: fault}); err != nil {
		t.Errorf("nothing is needed of it: %v", err)
	} else if err := j.Close(); err != nil {
		t.Error(err)
	}
}

// TestBroken: behind a record that could not be written or synced nothing is.
func TestBroken(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"log.write", "log.sync", "log.acked"} {
		s, err := ReadDir(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		broken, fails := errors.New("broken"), 1
		j, err := s.Open(testID, 0, 0, Options{Size: 1, Fault: func(point string) error {
			if point == at && fails > 0 {
				fails--
				return broken
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		if err := errors.Join(j.Append(record(1)), j.Sync()); !errors.Is(err, broken) {
			t.Errorf("%s: %v", at, err)
		}
		if err := j.Append(record(2)); !errors.Is(err, broken) {
			t.Errorf("after %s a record is written: %v", at, err)
		}
		if err := j.Sync(); !errors.Is(err, broken) {
			t.Errorf("after %s it is synced: %v", at, err)
		}
	}
}

// TestRefuse: all who wait for room are told that there will be none, and who
// comes later too.
func TestRefuse(t *testing.T) {
	t.Parallel()
	j := openLog(t, t.TempDir(), 0)
	for n := 1; len(j.Segments()) < maxSegments || j.Roomy(); n++ {
		if err := j.Room(); err != nil {
			t.Fatal(err)
		}
		write(t, j, n, n)
		if err := j.Seal(); err != nil {
			t.Fatal(err)
		}
	}
	broken := errors.New("broken")
	told := make(chan error)
	for range 3 {
		go func() { told <- j.Room() }()
	}
	j.Refuse(broken)
	for range 3 {
		if err := <-told; !errors.Is(err, broken) {
			t.Errorf("there is room: %v", err)
		}
	}
	if err := j.Room(); !errors.Is(err, broken) {
		t.Errorf("there is room: %v", err)
	}
}

// TestNoAcked: a file beside the log that can't be read is an error, and not taken for
// one that is damaged.
func TestNoAcked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ackedName), 0o700); err != nil {
		t.Fatal(err)
	}
	if s, err := ReadDir(dir); err == nil || errors.Is(err, objstore.ErrCorrupt) {
		t.Errorf("read: %v, %v", s, err)
	}
}

// TestBody: what is decoded is what was encoded, and nothing makes the decoder panic.
func TestBody(t *testing.T) {
	t.Parallel()
	piece := rapid.SliceOfN(rapid.Byte(), 0, 300)
	rapid.Check(t, func(t *rapid.T) {
		var r Record
		for range rapid.IntRange(0, 3).Draw(t, "blobs") {
			data := piece.Draw(t, "blob")
			r.Blobs = append(r.Blobs, Blob{Hash: objstore.Sum(data), Data: data})
		}
		for range rapid.IntRange(0, 3).Draw(t, "rows") {
			row := objstore.Row{Key: piece.Draw(t, "key")}
			if rapid.Bool().Draw(t, "set") {
				row.Value = piece.Draw(t, "value")
			}
			r.Rows = append(r.Rows, row)
		}
		body := r.appendBody(nil)
		got, err := decodeBody(body)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(r) {
			t.Fatalf("%v, %v\n%v", got, err, r)
		}
		if len(body) > 0 {
			body[rapid.IntRange(0, len(body)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "by"))
		}
		decodeBody(body) // it must not panic
	})
}

func FuzzBody(f *testing.F) {
	f.Add(record(3).appendBody(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeBody(b)
		if err != nil {
			return
		}
		again, err := decodeBody(r.appendBody(nil))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(r) {
			t.Fatalf("%v, %v", again, err)
		}
	})
}

// TestFirstStart: what a kill leaves in the first start of all is a log without records.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, size := range map[string]int{"01.log": MinSize, ackedName: 0} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := ReadDir(dir); err != nil || !s.Empty() {
			t.Errorf("%s alone: not empty, %v", name, err)
		}
	}
	write(t, openLog(t, dir, 0), 1, 2)
}

// TestLookalikes: bytes that somebody stores that look like records of a log are none.
func TestLookalikes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := openLog(t, dir, 0)
	write(t, j, 1, 2)
	h := header{length: 3, lsn: 3, synced: 99, id: ID{9}, before: j.sum, body: checksum([]byte("abc"))}
	if _, err := j.active.f.WriteAt(append(h.append(nil), "abc"...), j.active.end); err != nil {
		t.Fatal(err)
	}
	check(t, openCopy(t, dir, 0), 1, 2)
}
