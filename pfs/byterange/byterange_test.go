package byterange_test

import (
	"testing"

	"caret/pfs/byterange"
)

const most = 1<<63 - 1

func TestParse(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]byterange.Range{
		"bytes=0-0":                    {0, 0},
		"bytes=007-9":                  {7, 9},
		"bytes=5-":                     {5, -1},
		"bytes=-5":                     {-1, 5},
		"bytes=-0":                     {-1, 0},
		"bytes=9223372036854775807-":   {most, -1},
		"bytes=0-99999999999999999999": {0, most},
		"bytes=-99999999999999999999":  {-1, most},
	} {
		if got, ok := byterange.Parse(spec); !ok || got != want {
			t.Errorf("%s: %+v, %v, want %+v", spec, got, ok, want)
		}
	}
	for _, spec := range []string{
		"", "bytes", "bytes=", "bytes=-", "bytes=x", "bytes=1", "bytes=x-", "bytes=1-x", "bytes=+1-2", "bytes=--1",
		"bytes=4-2", "bytes=99999999999999999999-5", "bytes=99999999999999999999x-", "bytes=0-1,3-4", "bytes= 0-1",
		"lines=1-2", "BYTES=0-1",
	} {
		if got, ok := byterange.Parse(spec); ok {
			t.Errorf("%q is %+v", spec, got)
		}
	}
}

func TestWithin(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		spec              string
		size, off, length int64 // length 0: not one byte is there
	}{
		{"bytes=0-0", 10, 0, 1},
		{"bytes=2-4", 10, 2, 3},
		{"bytes=5-", 10, 5, 5},
		{"bytes=-3", 10, 7, 3},
		{"bytes=-30", 10, 0, 10},
		{"bytes=8-100", 10, 8, 2},
		{"bytes=9-99999999999999999999", 10, 9, 1},
		{"bytes=-99999999999999999999", 10, 0, 10},
		{"bytes=0-99999999999999999999", most, 0, most},
		{"bytes=10-", 10, 0, 0},
		{"bytes=99-100", 10, 0, 0},
		{"bytes=-0", 10, 0, 0},
		{"bytes=99999999999999999999-", 10, 0, 0},
		{"bytes=0-", 0, 0, 0},
		{"bytes=0-0", 0, 0, 0},
		{"bytes=-1", 0, 0, 0},
	} {
		r, parsed := byterange.Parse(tt.spec)
		off, length, ok := r.Within(tt.size)
		if !parsed || ok != (tt.length > 0) || off != tt.off || length != tt.length {
			t.Errorf("%s of %d bytes: %d at %d, %v", tt.spec, tt.size, length, off, ok)
		}
	}
}

func TestContentRange(t *testing.T) {
	t.Parallel()
	if got := byterange.ContentRange(2, 3, 10); got != "bytes 2-4/10" {
		t.Error(got)
	}
	if got := byterange.Unsatisfied(10); got != "bytes */10" {
		t.Error(got)
	}
}

// FuzzParse: what is parsed is what String writes, and lies within the
// content, unless it begins behind it or is empty.
func FuzzParse(f *testing.F) {
	f.Add("bytes=0-4", int64(10))
	f.Add("bytes=-4", int64(10))
	f.Add("bytes=99999999999999999999-", int64(most))
	f.Fuzz(func(t *testing.T, spec string, size int64) {
		r, ok := byterange.Parse(spec)
		if !ok || size < 0 {
			return
		}
		if back, ok := byterange.Parse(r.String()); !ok || back != r {
			t.Errorf("%q is %+v and then %+v", spec, r, back)
		}
		off, length, ok := r.Within(size)
		if ok && (off < 0 || length < 1 || off > size-length) {
			t.Errorf("%q of %d bytes: %d bytes at %d", spec, size, length, off)
		}
		if outside := r.First >= size || size == 0 || r.First < 0 && r.Last == 0; ok == outside {
			t.Errorf("%q of %d bytes: %v", spec, size, ok)
		}
	})
}
