package local_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"caret/objstore"
	"caret/objstore/local"
	"caret/objstore/objstoretest"
)

func open(t testing.TB, dir string, opts local.Options) *local.Store {
	t.Helper()
	opts.Reserve = -1
	s, err := local.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	objstoretest.Run(t, func(t testing.TB) (objstore.Store, objstoretest.Reopen) {
		dir := t.TempDir()
		opts := local.Options{PackSize: 1 << 20}
		return open(t, dir, opts), func(s objstore.Store) objstore.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, dir, opts)
		}
	})
}

func put(t testing.TB, s objstore.Store, data []byte) objstore.Hash {
	t.Helper()
	h, err := s.Blobs().Put(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Rows().Update(t.Context(), "", func(tx objstore.Writer) error { return tx.Set([]byte("k"), nil) }); err != nil {
		t.Fatal(err)
	}
	return h
}

// TestDamage: damaged bytes are an error, never bytes.
func TestDamage(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(string) error{
		"flipped bit": func(p string) error {
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			b[len(b)/2] ^= 1
			return os.WriteFile(p, b, 0o600)
		},
		"truncated": func(p string) error { return os.Truncate(p, 3000) },
		"empty":     func(p string) error { return os.Truncate(p, 0) },
		"removed":   os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := open(t, dir, local.Options{})
			h := put(t, s, bytes.Repeat([]byte("content "), 10000))
			s.Close()
			if err := damage(filepath.Join(dir, "packs", "00000001.pack")); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir, local.Options{})
			got, err := s.Blobs().Get(t.Context(), h, nil)
			if !errors.Is(err, objstore.ErrCorrupt) || got != nil {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			// Other blobs are not harmed, nor what comes after.
			if h := put(t, s, []byte(strings.Repeat("more", 10000))); h.IsZero() {
				t.Error("nothing can be put any more")
			}
			// Whoever puts it again heals it, for good.
			if h2 := put(t, s, bytes.Repeat([]byte("content "), 10000)); h2 != h {
				t.Errorf("%s, not %s", h2, h)
			}
			for _, rebuild := range []bool{false, true} {
				if _, err := s.Blobs().Get(t.Context(), h, nil); err != nil {
					t.Errorf("healed: %v", err)
				}
				s.Close()
				s = open(t, dir, local.Options{Rebuild: rebuild})
			}
		})
	}
}

// TestHealSmall: a small blob that is damaged in a pack is stored again by whoever
// puts it, also when the damage was found before a restart.
func TestHealSmall(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, local.Options{})
	content := bytes.Repeat([]byte("small"), 100)
	h := put(t, s, content)
	s.Close()
	if err := damageFiles("packs/*", func(b []byte) []byte { b[len(b)-7] ^= 1; return b })(dir); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, local.Options{})
	if got, err := s.Blobs().Get(t.Context(), h, nil); !errors.Is(err, objstore.ErrCorrupt) || got != nil {
		t.Errorf("damaged: %q, %v", got, err)
	}
	put(t, s, []byte("something else"))
	s.Close()
	s = open(t, dir, local.Options{})
	put(t, s, content)
	for _, rebuild := range []bool{false, true} {
		if got, err := s.Blobs().Get(t.Context(), h, nil); !bytes.Equal(got, content) || err != nil {
			t.Errorf("healed: %q, %v", got, err)
		}
		s.Close()
		s = open(t, dir, local.Options{Rebuild: rebuild})
	}
}

func TestLockAndFormat(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, local.Options{})
	if _, err := local.Open(dir, local.Options{}); !errors.Is(err, objstore.ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	s.Close()
	format := filepath.Join(dir, "FORMAT")
	was, err := os.ReadFile(format)
	if err != nil || !strings.HasPrefix(string(was), "caret 3\nstore ") {
		t.Fatalf("%q, %v", was, err)
	}
	for text, want := range map[string]error{
		"caret 4\n": objstore.ErrNewerFormat, "caret 4\nmore\n": objstore.ErrNewerFormat, "garbage": objstore.ErrCorrupt, "caret 3": objstore.ErrCorrupt, "caret 0\n": objstore.ErrCorrupt,
	} {
		if err := os.WriteFile(format, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := local.Open(dir, local.Options{}); !errors.Is(err, want) {
			t.Errorf("format %q: %v", text, err)
		}
	}
	if err := os.Remove(format); err != nil {
		t.Fatal(err)
	}
	open(t, dir, local.Options{}).Close()
	if b, err := os.ReadFile(format); !bytes.Equal(b, was) {
		t.Errorf("written again: %q, %v", b, err)
	}
}

func TestNoSpace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, local.Options{})
	h := put(t, s, []byte("content"))
	s.Close()
	full, err := local.Open(dir, local.Options{Reserve: 1 << 60})
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	if _, err := full.Blobs().Put(t.Context(), []byte("x")); !errors.Is(err, objstore.ErrNoSpace) {
		t.Errorf("put: %v", err)
	}
	if err := full.Rows().Update(t.Context(), "", func(tx objstore.Writer) error { return tx.Set([]byte("a"), nil) }); !errors.Is(err, objstore.ErrNoSpace) {
		t.Errorf("update: %v", err)
	}
	if got, err := full.Blobs().Get(t.Context(), h, nil); err != nil || string(got) != "content" {
		t.Errorf("get: %q, %v", got, err)
	}
}

// TestGroups: concurrent writers share syncs.
func TestGroups(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), local.Options{})
	const writers, rounds = 32, 10
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for j := range rounds {
				put(t, s, fmt.Appendf(nil, "%d %d %0600d", i, j, 0))
			}
		})
	}
	wg.Wait()
	st := s.Stats()
	if st.Transactions != writers*rounds || st.Blobs != writers*rounds {
		t.Errorf("counted %+v", st)
	}
	if st.Groups*2 > st.Transactions {
		t.Errorf("%d transactions had %d syncs", st.Transactions, st.Groups)
	}
}

func BenchmarkPut(b *testing.B) {
	for _, size := range []int{256, 1024, 4096, 16384} {
		for _, where := range []string{"inline", "pack"} {
			inline := 1 << 20
			if where == "pack" {
				inline = -1
			}
			for _, writers := range []int{1, 32} {
				b.Run(fmt.Sprintf("%d/%s/%d", size, where, writers), func(b *testing.B) {
					s := open(b, b.TempDir(), local.Options{SmallMax: inline})
					b.SetBytes(int64(size))
					b.SetParallelism(writers)
					b.RunParallel(func(pb *testing.PB) {
						data := make([]byte, size)
						for i := 0; pb.Next(); i++ {
							copy(data, fmt.Sprintf("%p %d", &data, i))
							put(b, s, data)
						}
					})
				})
			}
		}
	}
}
