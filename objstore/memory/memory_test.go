package memory_test

import (
	"testing"

	"caret/objstore"
	"caret/objstore/memory"
	"caret/objstore/objstoretest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	objstoretest.Run(t, func(testing.TB) (objstore.Store, objstoretest.Reopen) { return memory.New(), nil })
}
