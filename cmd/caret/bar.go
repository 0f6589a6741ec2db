package main

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// bar is a progress bar, on a terminal only.
type bar struct{ bar *progressbar.ProgressBar }

// newBar shows how far a transfer is. total is in bytes, -1 if it is not known.
func newBar(p process, total int64, what string) *bar {
	if !terminal(p.stderr) {
		return &bar{}
	}
	options := []progressbar.Option{
		progressbar.OptionSetWriter(p.stderr), progressbar.OptionShowBytes(true), progressbar.OptionSetDescription(what),
		progressbar.OptionSetWidth(20), progressbar.OptionThrottle(100 * time.Millisecond), progressbar.OptionClearOnFinish(),
		progressbar.OptionUseIECUnits(true),
	}
	if total < 0 { // there is no percentage to tell how far it is
		options = append(options, progressbar.OptionShowCount())
	}
	return &bar{progressbar.NewOptions64(total, options...)}
}

// newCounter shows how many things are done of how many.
func newCounter(p process, what string) *bar {
	if !terminal(p.stderr) {
		return &bar{}
	}
	return &bar{progressbar.NewOptions64(-1, progressbar.OptionSetWriter(p.stderr), progressbar.OptionSetDescription(what),
		progressbar.OptionSetWidth(20), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionShowCount())}
}

// set says how far it is.
func (b *bar) set(done, total int64) {
	if b.bar != nil {
		b.bar.ChangeMax64(total)
		b.bar.Set64(done) //nolint:errcheck // it is only a picture
	}
}

// reader counts what is read from r.
func (b *bar) reader(r io.Reader) io.Reader {
	if b.bar == nil {
		return r
	}
	return io.TeeReader(r, b.bar)
}

// add counts bytes that need not be transferred.
func (b *bar) add(n int64) {
	if b.bar != nil {
		b.bar.Add64(n) //nolint:errcheck // it is only a picture
	}
}

// at says what is being done, and how much is done so far.
func (b *bar) at(what string, done int64) {
	if b.bar != nil {
		b.bar.Describe(what)
		b.bar.Set64(done) //nolint:errcheck // it is only a picture
	}
}

func (b *bar) finish() {
	if b.bar != nil {
		b.bar.Finish() //nolint:errcheck // it is only a picture
	}
}
