package commits

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"runtime"
	"testing"
	"time"

	"caret/objstore"
	"caret/objstore/content"
)

// someStates are states with all fields set, or few.
func someStates() []State {
	hash := objstore.Sum([]byte("x"))
	full := State{
		Entry: Entry{
			Content:  content.Content{Hash: hash, Root: content.Ref{Hash: objstore.Sum([]byte("list")), Size: 1 << 40, Level: 3}},
			Modified: time.UnixMilli(1_700_000_000_123).UTC(),
			Attrs: Attrs{
				ContentType: "a/b", ContentEncoding: "gzip", ContentDisposition: "inline", ContentLanguage: "de", CacheControl: "no-store", Expires: "0",
				Meta: map[string]string{"": "no key", "k": "", "l": "v"}, Tags: map[string]string{"t": "u"},
				Checksum: Checksum{Algorithm: "SHA1", Type: "COMPOSITE", Value: "AA==", MD5: "00-2"},
			},
			Parts: []int64{1, 0, 1 << 50}, PartSums: []string{"AA==", "", "BB=="},
		},
		Commit: ID{1}, Removed: []ID{{2}, {3}}, Writer: Writer{User: "u", Home: 7},
	}
	epoch := time.UnixMilli(0).UTC()
	small := content.Content{Hash: hash, Root: content.Ref{Hash: hash, Size: 1}}
	return []State{
		full,
		{Entry: Entry{Modified: epoch}},
		{Entry: Entry{Modified: epoch}, Deleted: true, Unlisted: true, Commit: ID{9}, Removed: []ID{{4}}},
		{Entry: Entry{Modified: epoch, Content: small}, Commit: ID{5}},
	}
}

// damaged checks that an error, if there is one, says that what is stored is damaged.
func damaged(t *testing.T, err error) bool {
	t.Helper()
	if err != nil && !errors.Is(err, objstore.ErrCorrupt) {
		t.Fatalf("an error that is not ErrCorrupt: %v", err)
	}
	return err != nil
}

// TestStatesReadAgain: decode(encode(x)) == x, whatever the mark says.
func TestStatesReadAgain(t *testing.T) {
	t.Parallel()
	for _, s := range someStates() {
		for _, n := range []uint64{1, 300, 1 << 60} {
			s.N = n
			row := encodeRow(&s)
			marked := markEdited(row)
			for _, r := range [][]byte{row, marked, markEdited(marked)} {
				e, err := parseRow(r)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := e.decode(); err != nil || !reflect.DeepEqual(got, s) {
					t.Errorf("read %+v, wrote %+v, %v", got, s, err)
				}
				if clean := withoutMark(e.state); !bytes.Equal(clean, appendState(nil, &s)) {
					t.Errorf("without the mark it is %x", clean)
				}
			}
		}
	}
}

// FuzzState: what can be read of a row is read again as it is written, and the mark
// changes nothing of it.
func FuzzState(f *testing.F) {
	for _, s := range someStates() {
		s.N = 300
		f.Add(encodeRow(&s))
		f.Add(markEdited(encodeRow(&s)))
	}
	f.Add([]byte{1, byte(stateSize << 3), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Add([]byte{1, byte(stateCommit<<3 | 2), 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, row []byte) {
		e, err := parseRow(row)
		if damaged(t, err) {
			return
		}
		s, err := e.decode()
		if damaged(t, err) {
			return
		}
		if s.Content.Root.Size < 0 {
			t.Fatalf("size %d", s.Content.Root.Size)
		}
		once := encodeRow(&s)
		if len(once) > 2*len(row)+64 {
			t.Fatalf("%d bytes have become %d", len(row), len(once))
		}
		again, err := parseRow(once)
		if err != nil {
			t.Fatal(err)
		}
		s2, err := again.decode()
		if err != nil || !bytes.Equal(encodeRow(&s2), once) {
			t.Fatalf("%+v is read again as %+v, %v", s, s2, err)
		}
		marked, err := parseRow(markEdited(once))
		if err != nil || marked.flags()&flagEdited == 0 || !bytes.Equal(withoutMark(marked.state), again.state) {
			t.Fatalf("marked it is %x, %v", marked.state, err)
		}
		_ = withoutMark(e.state)
		_ = markEdited(row)
	})
}

// FuzzRecord: so are records of commits.
func FuzzRecord(f *testing.F) {
	full := Commit{
		ID: ID{1}, Time: time.UnixMilli(1_700_000_000_123).UTC(), Author: "a", Message: "m", ParentHash: objstore.Sum(nil), ChangesHash: objstore.Sum(nil),
		Parents: []ID{{}, {2}, {3}}, paths: []string{"p", "q"}, Files: 2,
	}
	f.Add(encodeRecord(&full))
	many := Commit{ID: ID{1}, Files: 1 << 40}
	f.Add(encodeRecord(&many))
	f.Add([]byte{byte(recordFiles << 3), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		pos := Pos{Lineage: 1, N: 2}
		c, err := decodeRecord(pos, b)
		if damaged(t, err) {
			return
		}
		if c.Files < 0 {
			t.Fatalf("%d files", c.Files)
		}
		once := encodeRecord(&c)
		again, err := decodeRecord(pos, once)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(encodeRecord(&again), once) || again.Files != c.Files || len(again.Parents) != len(c.Parents) {
			t.Fatalf("%+v is read again as %+v", c, again)
		}
	})
}

// FuzzLineage: and lineages, heads and positions, of which each is one encoding of what
// it says.
func FuzzLineage(f *testing.F) {
	l := Lineage{Repo: 1, Fork: Pos{Lineage: 2, N: 3}, Layers: []Layer{{N: 4, ID: ID{1}}, {N: 5, ID: ID{2}}}}
	h := Head{N: 1, ID: ID{1}, Time: time.UnixMilli(5).UTC(), Hash: objstore.Sum(nil)}
	for _, b := range [][]byte{l.encode(), h.encode(), encodePos(Pos{Lineage: 300, N: 1 << 60}), nil} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, err := decodeLineage(9, b); !damaged(t, err) {
			if again, err := decodeLineage(9, l.encode()); err != nil || !reflect.DeepEqual(again, l) {
				t.Fatalf("%+v is read again as %+v, %v", l, again, err)
			}
		}
		if h, err := decodeHead(b); !damaged(t, err) && !bytes.Equal(h.encode(), b) {
			t.Fatalf("head %+v", h)
		}
		if p, err := decodePos(b); !damaged(t, err) {
			if again, err := decodePos(encodePos(p)); err != nil || again != p {
				t.Fatalf("%v is read again as %v, %v", p, again, err)
			}
		}
	})
}

// FuzzVersionKey: keys of replaced states are taken apart as they were put together.
func FuzzVersionKey(f *testing.F) {
	f.Add([]byte("p"), uint64(3))
	f.Add([]byte{0, 0xff, 0, 0}, uint64(1<<60))
	f.Fuzz(func(t *testing.T, b []byte, n uint64) {
		path, got, err := parseVersionKey(versionKey(8, string(b), n))
		if err != nil || got != n || !bytes.Equal(path, b) {
			t.Fatalf("%q, %d: %q, %d, %v", b, n, path, got, err)
		}
		_, _, err = parseVersionKey(b)
		damaged(t, err)
		_, err = keyLineageID(b)
		damaged(t, err)
	})
}

// TestHostileLengths: a length in a row is never that of what is allocated. It is not
// parallel, as it looks at what the process allocates.
func TestHostileLengths(t *testing.T) {
	var before, behind runtime.MemStats
	runtime.ReadMemStats(&before)
	for field := range 30 {
		for _, length := range []uint64{1 << 20, 1 << 31, 1 << 40, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
			b := binary.AppendUvarint([]byte{byte(field<<3 | 2)}, length)
			for _, b := range [][]byte{b, append(b, make([]byte, 100)...)} {
				if _, err := decodeState(b); field > 0 && !errors.Is(err, objstore.ErrCorrupt) {
					t.Errorf("field %d of %d bytes in a state: %v", field, length, err)
				}
				if _, err := decodeRecord(Pos{}, b); field > 0 && !errors.Is(err, objstore.ErrCorrupt) {
					t.Errorf("field %d of %d bytes in a record: %v", field, length, err)
				}
				if _, err := decodeLineage(1, b); field > 0 && !errors.Is(err, objstore.ErrCorrupt) {
					t.Errorf("field %d of %d bytes in a lineage: %v", field, length, err)
				}
			}
		}
	}
	runtime.ReadMemStats(&behind)
	if got := behind.TotalAlloc - before.TotalAlloc; got > 16<<20 {
		t.Errorf("%d bytes were allocated", got)
	}
}
