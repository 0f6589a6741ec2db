package budget

import (
	"context"
	"errors"
	"io"
)

// firstRead is how many bytes ReadAll reads before it counts: not worth it, and less than
// what a connection takes anyway.
const firstRead = 16 << 10

// ReadAll reads all of r. What that takes of memory is counted as it comes, not as it is
// announced: who sends nothing holds nothing. The share is to be released when the bytes are
// no longer needed; with an error there is none. ErrBusy as Share.Reserve has it, and r's
// own errors.
func (b *Budget) ReadAll(ctx context.Context, k Kind, r io.Reader) (data []byte, s *Share, err error) {
	s = b.None(k)
	defer func() {
		if err != nil {
			s.Release()
			data, s = nil, nil
		}
	}()
	data = make([]byte, 0, firstRead)
	for {
		n, err := r.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if errors.Is(err, io.EOF) {
			return data, s, nil
		}
		if err != nil {
			return nil, s, err
		}
		if len(data) < cap(data) {
			continue
		}
		more := cap(data)
		if s != nil && s.n == 0 {
			more *= 2 // what was not counted is from now on
		}
		if err := s.Reserve(ctx, int64(more)); err != nil {
			return nil, s, err
		}
		data = append(make([]byte, 0, 2*cap(data)), data...)
	}
}
