package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/y"
	"github.com/klauspost/compress/s2"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"

	"caret/objstore"
)

// verifiers is how many tables are read at once: one alone leaves the disk, or
// the processor, idle.
const verifiers = 2

// verifyTables reads tables of badger and checks every byte. Those that badger
// removes meanwhile do not matter.
func verifyTables(paths []string) error {
	var wg sync.WaitGroup
	errs := make([]error, verifiers)
	for i := range verifiers {
		wg.Go(func() {
			for n := i; n < len(paths) && errs[i] == nil; n += verifiers {
				errs[i] = verifyTable(paths[n])
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func verifyTable(path string) (err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if errors.Is(err, unix.EIO) {
		return fmt.Errorf("%w: read table %s: %w", objstore.ErrCorrupt, path, err)
	}
	if err != nil {
		return err // it says nothing of the table: too few descriptors, no right to read
	}
	// A table whose index is damaged can make the code that reads it panic.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: table %s: %v", objstore.ErrCorrupt, path, p)
		}
	}()
	if err := checkTable(b); err != nil {
		return fmt.Errorf("%w: table %s: %w", objstore.ErrCorrupt, path, err)
	}
	return nil
}

// checkTable checks a table: blocks, then an index of them, its length, its
// checksum and the length of that, the lengths in 4 bytes, big-endian.
// https://github.com/dgraph-io/badger/blob/main/table/builder.go
func checkTable(b []byte) error {
	rest, sum, ok := cutSized(b)
	if !ok {
		return errors.New("it is cut off")
	}
	rest, index, ok := cutSized(rest)
	if !ok {
		return errors.New("its index is cut off")
	}
	if err := checkSum(index, sum); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	root := fb.GetRootAsTableIndex(index, 0)
	at := 0
	for i := range root.OffsetsLength() {
		var block fb.BlockOffset
		if !root.Offsets(&block, i) || int(block.Offset()) != at || int(block.Len()) > len(rest)-at {
			return fmt.Errorf("block %d: it is not where the index says", i)
		}
		if err := checkBlock(rest[at : at+int(block.Len())]); err != nil {
			return fmt.Errorf("block %d at %d: %w", i, at, err)
		}
		at += int(block.Len())
	}
	if at != len(rest) {
		return fmt.Errorf("%d bytes behind the last block", len(rest)-at)
	}
	return nil
}

// cutSized splits what ends with a piece and its length.
func cutSized(b []byte) (rest, piece []byte, ok bool) {
	n := len(b) - 4
	if n < 0 || int(binary.BigEndian.Uint32(b[n:])) > n {
		return nil, nil, false
	}
	size := int(binary.BigEndian.Uint32(b[n:]))
	return b[:n-size], b[n-size : n], true
}

// maxBlock is far above what a block has in memory, which is 4 KiB and a row.
const maxBlock = 64 << 20

func checkBlock(b []byte) error {
	if n, err := s2.DecodedLen(b); err != nil || n > maxBlock {
		return errors.New("its length is damaged")
	}
	data, err := s2.Decode(nil, b)
	if err != nil {
		return err
	}
	data, sum, ok := cutSized(data)
	if !ok {
		return errors.New("its checksum is cut off")
	}
	return checkSum(data, sum)
}

func checkSum(data, sum []byte) error {
	want := new(pb.Checksum)
	if err := proto.Unmarshal(sum, want); err != nil {
		return err
	}
	switch want.Algo {
	case pb.Checksum_CRC32C, pb.Checksum_XXHash64:
	default:
		return fmt.Errorf("checksum of kind %d", want.Algo)
	}
	if y.CalculateChecksum(data, want.Algo) != want.Sum {
		return errors.New("it has another checksum")
	}
	return nil
}
