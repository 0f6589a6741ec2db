package run

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"caret/objstore"
)

// forgery is a file whose checksums are right, and not what it says.
type forgery struct {
	blocks []forgedBlock
	foot   footer
	before string // bytes between the blocks and the footer
}

type forgedBlock struct {
	plain     []byte
	raw, rows int
	data      []byte // in place of plain compressed
}

func (f forgery) write(t *testing.T, path string, is identity) {
	t.Helper()
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	file := is.appendHeader(nil)
	for i, b := range f.blocks {
		if b.data == nil {
			b.data = enc.EncodeAll(b.plain, nil)
		}
		block := slices.Concat(make([]byte, blockHeaderSize), b.data)
		is.putBlockHeader(block, uint64(i), b.raw, b.rows)
		file = append(file, block...)
	}
	file = append(file, f.before...)
	file = is.appendFooter(file, f.foot, int64(len(file)))
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestForged: a file with the right checksums that says what is not so is damaged.
func TestForged(t *testing.T) {
	t.Parallel()
	is := identity{from: 1, to: 2}
	at := Path(t.TempDir(), 1, 2)
	block := func(keys ...string) forgedBlock {
		var rows []Row
		for _, k := range keys {
			rows = append(rows, Row{Key: []byte(k)})
		}
		plain := built(rows...)
		return forgedBlock{plain: plain, raw: len(plain), rows: len(keys)}
	}
	change := func(b forgedBlock, fn func(*forgedBlock)) []forgedBlock {
		fn(&b)
		return []forgedBlock{b}
	}
	a, b := block("a", "b"), block("c")
	twice := slices.Repeat([]byte("x"), 1<<20)
	for name, f := range map[string]forgery{
		"right":                {blocks: []forgedBlock{a, b}, foot: footer{blocks: 2, rows: 3}},
		"fewer blocks":         {blocks: []forgedBlock{a, b}, foot: footer{blocks: 3, rows: 3}},
		"more blocks":          {blocks: []forgedBlock{a, b}, foot: footer{blocks: 1, rows: 3}},
		"fewer rows":           {blocks: []forgedBlock{a, b}, foot: footer{blocks: 2, rows: 4}},
		"more rows":            {blocks: []forgedBlock{a, b}, foot: footer{blocks: 2, rows: 2}},
		"blocks out of order":  {blocks: []forgedBlock{b, a}, foot: footer{blocks: 2, rows: 3}},
		"a key twice":          {blocks: []forgedBlock{b, b}, foot: footer{blocks: 2, rows: 2}},
		"bytes between":        {blocks: []forgedBlock{a}, foot: footer{blocks: 1, rows: 2}, before: "?"},
		"raw too small":        {blocks: change(a, func(b *forgedBlock) { b.raw-- }), foot: footer{blocks: 1, rows: 2}},
		"raw too large":        {blocks: change(a, func(b *forgedBlock) { b.raw++ }), foot: footer{blocks: 1, rows: 2}},
		"rows in the block":    {blocks: change(a, func(b *forgedBlock) { b.rows-- }), foot: footer{blocks: 1, rows: 1}},
		"no rows in the block": {blocks: change(a, func(b *forgedBlock) { b.rows = 0 }), foot: footer{blocks: 1}},
		"huge":                 {blocks: change(a, func(b *forgedBlock) { b.raw = 1<<32 - 1 }), foot: footer{blocks: 1, rows: 2}},
		"a bomb":               {blocks: change(a, func(b *forgedBlock) { b.plain = twice }), foot: footer{blocks: 1, rows: 2}},
		"no zstd":              {blocks: change(a, func(b *forgedBlock) { b.data = []byte("none") }), foot: footer{blocks: 1, rows: 2}},
		"nothing compressed":   {blocks: change(a, func(b *forgedBlock) { b.data = []byte{} }), foot: footer{blocks: 1, rows: 2}},
		"negative bulk":        {foot: footer{bulks: []Bulk{{Offset: -1}}}},
	} {
		f.write(t, at, is)
		r, err := Open(at)
		if err == nil {
			err = r.Verify(t.Context())
			r.Close()
		}
		if name == "right" && err != nil || name != "right" && !errors.Is(err, objstore.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	back := Path(filepath.Dir(at), 2, 2)
	forgery{}.write(t, back, identity{from: 2, to: 2})
	if _, err := Open(back); !errors.Is(err, objstore.ErrCorrupt) {
		t.Errorf("a run of nothing: %v", err)
	}
}
