package index

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"

	"caret/objstore"
)

// ReadOld goes through the rows that badger has in dir, as stores of format
// versions 1 and 2 had them: without checksums of their own, and with badger's
// write-ahead log as the truth. Its tables are verified before.
func ReadOld(dir string, log *slog.Logger, fn func(objstore.Row) error) (err error) {
	if _, err := os.Stat(filepath.Join(dir, badger.ManifestFilename)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s has no %s", objstore.ErrCorrupt, dir, badger.ManifestFilename)
	}
	if err := prepare(dir, Options{KeepLog: true}); err != nil {
		return err
	}
	x := &Index{dir: dir, opts: Options{Log: log}, stuck: newStuck(log)}
	x.noticed.Store(notices.Load())
	watchErrors()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: badger panics: %v", objstore.ErrCorrupt, p)
		}
	}()
	db, err := badger.Open(badgerOptions(dir, x.opts).WithSyncWrites(true).WithLogger(x.stuck))
	if err != nil {
		return openError(err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.View(func(t *badger.Txn) error {
		it := t.NewIterator(badger.DefaultIteratorOptions)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			v, err := it.Item().ValueCopy(nil)
			if err == nil {
				err = x.Damage()
			}
			if err != nil {
				return err
			}
			if v == nil {
				v = []byte{}
			}
			if err := fn(objstore.Row{Key: it.Item().KeyCopy(nil), Value: v}); err != nil {
				return err
			}
		}
		return x.Damage()
	})
}
