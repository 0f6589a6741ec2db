package main

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// bar is a progress bar, on a terminal only.
type bar struct{ bar *progressbar.ProgressBar }

func newBar(p process, total int64, what string) *bar {
	if !terminal(p.stderr) {
		return &bar{}
	}
	return &bar{progressbar.NewOptions64(total, progressbar.OptionSetWriter(p.stderr), progressbar.OptionShowBytes(true),
		progressbar.OptionSetDescription(what), progressbar.OptionSetWidth(20), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(), progressbar.OptionUseIECUnits(true))}
}

// reader counts what is read from r.
func (b *bar) reader(r io.Reader) io.Reader {
	if b.bar == nil {
		return r
	}
	return io.TeeReader(r, b.bar)
}

// writer counts what is written to w.
func (b *bar) writer(w io.Writer) io.Writer {
	if b.bar == nil {
		return w
	}
	return io.MultiWriter(w, b.bar)
}

func (b *bar) finish() {
	if b.bar != nil {
		b.bar.Finish() //nolint:errcheck // it is only a picture
	}
}
