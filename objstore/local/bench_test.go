package local_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"caret/objstore"
	"caret/objstore/local"
)

const (
	benchFolders = 1000
	benchFiles   = 100 // in each
)

func benchPath(i int) string { return fmt.Sprintf("data/%04d/%08d", i/benchFiles, i) }

// benchRows is a store with rows as history has them: two lineages of entries,
// and the versions before them of every tenth.
func benchRows(b *testing.B) *local.Store {
	dir := b.TempDir()
	s := open(b, dir, local.Options{})
	const step = 5000
	value := make([]byte, 120)
	for i := 0; i < benchFolders*benchFiles; i += step {
		err := update(s, func(tx objstore.Writer) (err error) {
			for j := i; j < i+step; j++ {
				err = errors.Join(err, tx.Set([]byte("e-line-01"+benchPath(j)), value))
				if j%10 == 0 {
					err = errors.Join(err, tx.Set([]byte("e-line-02"+benchPath(j)), value), tx.Set([]byte("v-line-01"+benchPath(j)+"\x00\x00\x01"), value))
				}
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	// Closing writes out what is in memory.
	s.Close()
	return open(b, dir, local.Options{})
}

func benchView(b *testing.B, s *local.Store, fn func(tx objstore.Reader) error) {
	if err := s.Rows().View(b.Context(), fn); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkScan is reading in one View each: all of a range, seeks from folder
// to folder in the three ranges that a listing merges, the first row of a
// range, and the first rows of a hundred ranges.
func BenchmarkScan(b *testing.B) {
	s := benchRows(b)
	ranges := []objstore.Range{objstore.Prefix([]byte("e-line-01data/")), objstore.Prefix([]byte("e-line-02data/")), objstore.Prefix([]byte("v-line-01data/"))}
	b.Run("rows10000", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			benchView(b, s, func(tx objstore.Reader) error {
				c := objstore.Scan(tx, ranges[0])
				for n := range 10000 {
					if !c.Next() || len(c.Value()) != 120 {
						return fmt.Errorf("row %d: %w", n, c.Err())
					}
				}
				return nil
			})
		}
	})
	for _, reverse := range []bool{false, true} {
		b.Run(fmt.Sprintf("seeks3x1000/reverse=%t", reverse), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				benchView(b, s, func(tx objstore.Reader) error {
					for _, r := range ranges {
						r.Reverse = reverse
						c := objstore.Scan(tx, r)
						for folder := range benchFolders {
							if reverse {
								c.Seek([]byte(string(r.Start[:9]) + fmt.Sprintf("data/%04d0", benchFolders-1-folder)))
							} else {
								c.Seek([]byte(string(r.Start[:9]) + fmt.Sprintf("data/%04d/", folder)))
							}
							if !c.Next() || len(c.Value()) != 120 {
								return fmt.Errorf("folder %d: %w", folder, c.Err())
							}
						}
					}
					return nil
				})
			}
		})
	}
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			benchView(b, s, func(tx objstore.Reader) error {
				c := objstore.Scan(tx, objstore.Prefix([]byte("v-line-01"+benchPath(i*7919%100000/10*10))))
				if !c.Next() {
					return fmt.Errorf("row %d: %w", i, c.Err())
				}
				return nil
			})
		}
	})
	b.Run("first100", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			benchView(b, s, func(tx objstore.Reader) error {
				for j := range 100 {
					c := objstore.Scan(tx, objstore.Prefix([]byte("v-line-01"+benchPath((i+j)*7919%100000/10*10))))
					if !c.Next() {
						return fmt.Errorf("row %d: %w", j, c.Err())
					}
				}
				return nil
			})
		}
	})
}

// BenchmarkUpdate is transactions that read and write what a commit of one
// path does.
func BenchmarkUpdate(b *testing.B) {
	for _, writers := range []int{1, 32, 64} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			s := open(b, b.TempDir(), local.Options{})
			var next atomic.Uint64
			b.SetParallelism((writers + 1) / 2) // of two processors
			if writers == 1 {
				for b.Loop() {
					benchCommit(b, s, next.Add(1))
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					benchCommit(b, s, next.Add(1))
				}
			})
			st := s.Stats()
			b.ReportMetric(float64(st.Transactions)/float64(st.Groups), "txns/sync")
		})
	}
}

func benchCommit(b *testing.B, s *local.Store, i uint64) {
	path := benchPath(int(i * 7919 % 100000))
	err := update(s, func(tx objstore.Writer) error {
		head, err := tx.Get([]byte("h-line-01"))
		if err != nil && !errors.Is(err, objstore.ErrNotFound) {
			return err
		}
		if _, err := tx.Get([]byte("b-repo-master")); err != nil && !errors.Is(err, objstore.ErrNotFound) {
			return err
		}
		var n uint64
		if err == nil {
			n = binary.BigEndian.Uint64(head)
		}
		number := binary.BigEndian.AppendUint64(nil, n+1)
		entry := []byte("e-line-01" + path)
		old, err := tx.Get(entry)
		if err == nil {
			err = tx.Set([]byte("v-line-01"+path+"\x00\x00"+string(number)), old)
		} else if errors.Is(err, objstore.ErrNotFound) {
			err = nil
		}
		return errors.Join(err, tx.Set(entry, make([]byte, 120)), tx.Set([]byte("h-line-01"), number),
			tx.Set([]byte("c-line-01"+string(number)), make([]byte, 150)),
			tx.Set(fmt.Appendf(nil, "i%016x", i*0x9e3779b97f4a7c15), number))
	})
	if err != nil {
		b.Fatal(err)
	}
}

func update(s *local.Store, fn func(objstore.Writer) error) error {
	return s.Rows().Update(context.Background(), "", fn)
}
