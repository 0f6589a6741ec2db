package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"caret/objstore"
	"caret/objstore/local/disk"
)

// acked is the file that says up to where the log was synced, and whose it is.
// It is written after each sync and before anybody is told, and not synced: it
// may say less than is so, after a power cut, and never more.
type acked struct{ f *os.File }

const (
	ackedMagic = 0x314b4143 // "CAK1"
	ackedSize  = 4 + 8 + 8 + 4
)

func appendAcked(b []byte, id ID, lsn uint64) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint32(b, ackedMagic)
	b = append(b, id[:]...)
	b = binary.LittleEndian.AppendUint64(b, lsn)
	return binary.LittleEndian.AppendUint32(b, checksum(b[at:]))
}

// readAcked reads the file; ok says whether it is there and whole. What is
// damaged is told by an error, though the log can do without.
func readAcked(dir string) (id ID, lsn uint64, ok bool, err error) {
	path := filepath.Join(dir, ackedName)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return id, 0, false, nil
	}
	if err != nil {
		return id, 0, false, err
	}
	if len(b) == 0 { // as a kill leaves it in the first start of all
		return id, 0, false, nil
	}
	if len(b) != ackedSize || binary.LittleEndian.Uint32(b) != ackedMagic ||
		binary.LittleEndian.Uint32(b[ackedSize-4:]) != checksum(b[:ackedSize-4]) {
		return id, 0, false, fmt.Errorf("%w: %s", objstore.ErrCorrupt, path)
	}
	return ID(b[4:12]), binary.LittleEndian.Uint64(b[12:]), true, nil
}

func openAcked(dir string, id ID, lsn uint64) (*acked, error) {
	f, err := os.OpenFile(filepath.Join(dir, ackedName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	a := &acked{f}
	if err := errors.Join(a.set(id, lsn), f.Truncate(ackedSize), f.Sync(), disk.SyncDir(dir)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return a, nil
}

func (a *acked) set(id ID, lsn uint64) error {
	_, err := a.f.WriteAt(appendAcked(make([]byte, 0, ackedSize), id, lsn), 0)
	return err
}
