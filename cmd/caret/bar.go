package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// bar is a progress bar, on a terminal only.
type bar struct {
	bar *progressbar.ProgressBar

	mu          sync.Mutex
	what        string
	roomy       bool
	done, files int // files that are transferred, and are to be
}

// roomy is how many columns a terminal has that shows times too.
const roomy = 90

// besideBar is how many columns most of what is beside the bar takes, and the ^C
// that a terminal shows behind it.
const besideBar = 52

// newBar shows how far a transfer is. total is in bytes, -1 if it is not known.
func newBar(p process, total int64, what string) *bar {
	if !terminal(p.stderr) {
		return &bar{}
	}
	wide := columns(p.stderr)
	options := []progressbar.Option{
		progressbar.OptionSetWriter(fileOf(p.stderr)), progressbar.OptionShowBytes(true), progressbar.OptionSetDescription(oneLine(what)),
		progressbar.OptionSetWidth(min(20, max(1, wide-besideBar))), progressbar.OptionThrottle(100 * time.Millisecond), progressbar.OptionClearOnFinish(),
		progressbar.OptionUseIECUnits(true), progressbar.OptionUseANSICodes(p.getenv("TERM") != "dumb"),
	}
	if wide < roomy {
		options = append(options, progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false))
	}
	if total < 0 { // there is no percentage to tell how far it is
		options = append(options, progressbar.OptionShowCount())
	}
	return &bar{bar: progressbar.NewOptions64(total, options...)}
}

// newTransfer shows how many files and bytes of a transfer are done. No files is that
// bytes alone are counted.
func newTransfer(p process, what string, files int, bytes int64) *bar {
	b := newBar(p, bytes, what)
	b.what, b.files, b.roomy = what, files, columns(p.stderr) >= roomy
	if b.bar != nil && files > 0 {
		progressbar.OptionShowCount()(b.bar)
		b.describe()
	}
	return b
}

// file counts a file that is done.
func (b *bar) file() {
	if b.bar == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done++
	b.describe()
}

func (b *bar) describe() {
	text := fmt.Sprintf("%s %d/%d", b.what, b.done, b.files)
	if b.roomy {
		text += " files"
	}
	b.bar.Describe(text)
}

// newCounter shows how many things are done of how many.
func newCounter(p process, what string) *bar {
	if !terminal(p.stderr) {
		return &bar{}
	}
	return &bar{bar: progressbar.NewOptions64(-1, progressbar.OptionSetWriter(fileOf(p.stderr)), progressbar.OptionSetDescription(oneLine(what)),
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
