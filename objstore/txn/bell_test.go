package txn

import (
	"sync"
	"sync/atomic"
	"testing"
)

// TestBell: whoever asks for the next ring before it looks misses nothing.
func TestBell(t *testing.T) {
	t.Parallel()
	var b Bell
	var n atomic.Int64
	const most = 2000
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				next := b.Next()
				if n.Load() >= most {
					return
				}
				<-next
			}
		})
	}
	for range most {
		n.Add(1)
		b.Ring()
	}
	wg.Wait()
}

// BenchmarkRing is what a writer pays where nobody watches.
func BenchmarkRing(b *testing.B) {
	var x Bell
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			x.Ring()
		}
	})
}
