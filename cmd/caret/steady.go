package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
)

// steady reads a regular file that is to be stored as it was at one moment. Its last
// bytes are not given away if the file has been changed since it was opened: what was
// read would be a file that never was, and without them nothing of it is stored.
type steady struct {
	f    *os.File
	was  fs.FileInfo
	left int64 // bytes
}

// Read implements io.Reader. Unlike a file it cannot be closed by who sends it.
func (s *steady) Read(p []byte) (int, error) {
	n, err := s.f.Read(p)
	if s.left -= int64(n); s.left <= 0 || err == io.EOF {
		if changed := s.check(); changed != nil {
			return 0, &inputError{changed}
		}
	}
	return n, err
}

// check says that the file is not what it was.
func (s *steady) check() error {
	now, err := s.f.Stat()
	if err != nil {
		return err
	}
	if s.left < 0 || now.Size() != s.was.Size() || !now.ModTime().Equal(s.was.ModTime()) {
		return changing(fmt.Sprintf("%s has changed while it was read", oneLine(s.f.Name())))
	}
	return nil
}

// changing is the error that somebody else writes to what is to be stored.
func changing(text string) error {
	return &hinted{fmt.Errorf("%s", text), "run the same again; what is always written to can be copied first"}
}
