package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"caret/objstore/local"
)

func rebuildCommand(p process) *cli.Command {
	var dir string
	var accept bool
	data := dataFlag("`DIR` of a server that is not running")
	data.Destination = &dir
	return &cli.Command{
		Name: "rebuild", Usage: "make the index of a data directory anew",
		Description: "Everything is in DIR/log and DIR/packs; the index beside them finds it.\n" +
			"A start makes that anew when it is missing or damaged; this does it at once.\n" +
			"What was there before is kept in DIR/set-aside until the next time.\n\n" +
			"If the log itself has lost something that the index does not have either, a\n" +
			"start refuses. --accept-loss then keeps everything that can be read; `caret\n" +
			"fsck` says what is missing afterwards.\n\n" +
			"EXAMPLES:\n   caret rebuild\n   caret rebuild --data /srv/s3 --accept-loss",
		Flags: outputFlags(data, &cli.BoolFlag{Name: "accept-loss", Usage: "keep what can be read of a damaged log, and set the rest aside", Destination: &accept}),
		Action: onLine(p, func(c *call) error {
			if _, err := arguments(c.line); err != nil {
				return err
			}
			return rebuild(c, dir, accept)
		}),
	}
}

func rebuild(c *call, dir string, acceptLoss bool) error {
	if _, err := os.Stat(filepath.Join(dir, "log")); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(dir, "FORMAT")); err != nil {
			return fmt.Errorf("%s is no data directory of caret: %w", dir, err)
		}
	}
	bar := newCounter(c.process, "rows")
	defer bar.finish()
	begin := time.Now()
	var rows uint64
	store, err := local.Open(dir, local.Options{
		Rebuild: true, AcceptLoss: acceptLoss,
		Log: slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Progress: func(done, total uint64) {
			rows = done
			bar.set(int64(done), int64(total))
		},
	})
	if err != nil {
		return err
	}
	if err := store.Close(); err != nil {
		return err
	}
	bar.finish()
	took := time.Since(begin)
	fmt.Fprintf(c.stderr, "made the index of %s anew: %d rows in %s\n", dir, rows, took.Round(time.Millisecond))
	return c.pr.result(struct {
		Data    string  `json:"data"`
		Rows    uint64  `json:"rows"`
		Seconds float64 `json:"seconds"`
	}{dir, rows, took.Seconds()}, "")
}
