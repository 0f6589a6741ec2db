package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"caret/api/v1"
)

func statusCommand(p process) *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "show how the server is: health, disk, what goes on, limits",
		Description: "It is for administrators. The exit status is 1 if the server is not ready.\n\nEXAMPLES:\n   caret status\n   caret status -o json",
		Flags:       clientFlags(outputFlags()...),
		Action:      onServer(p, status),
	}
}

func status(c *call) error {
	s, err := c.cl.Status(c.ctx)
	if err != nil {
		return err
	}
	d := s.Disk
	pairs := []string{
		"health", s.Health,
		"version", s.Version,
		"store", s.Store,
		"up", fmt.Sprintf("%s, since %s", time.Duration(s.Uptime)*time.Second, s.Started.UTC().Format(time.RFC3339)),
		"disk", fmt.Sprintf("%s free of %s; writes are taken above %s", c.pr.size(d.Free), c.pr.size(d.Size), c.pr.size(d.Reserve)),
		"used", fmt.Sprintf("%s: packs %s, index %s, log %s", c.pr.size(d.Packs+d.Index+d.Log), c.pr.size(d.Packs), c.pr.size(d.Index), c.pr.size(d.Log)),
		"open", openWork(s.Jobs),
		"background", backgroundWork(s.Jobs),
	}
	for _, l := range s.Limits {
		pairs = append(pairs, l.Name, limitText(c.pr, l))
	}
	if err := c.pr.details(s, pairs...); err != nil {
		return err
	}
	if !s.Ready {
		return fmt.Errorf("the server is not ready: %s", s.Health)
	}
	return nil
}

// openWork says what waits for clients.
func openWork(j v1.Jobs) string {
	text := count(j.OpenCommits, "commit")
	if j.Finishing > 0 {
		text += fmt.Sprintf(" (%d being finished)", j.Finishing)
	}
	text += ", " + count(j.Uploads, "upload")
	if j.Unpacking > 0 {
		text += fmt.Sprintf(" (%d being unpacked)", j.Unpacking)
	}
	return text
}

// backgroundWork says what the server does besides.
func backgroundWork(j v1.Jobs) string {
	var list []string
	for _, w := range []struct {
		n    int
		text string
	}{{j.Staging, "staging"}, {j.Folding, "folding"}, {j.Dropping, "dropping"}} {
		if w.n > 0 {
			list = append(list, fmt.Sprintf("%s %d", w.text, w.n))
		}
	}
	if list == nil {
		return "idle"
	}
	return strings.Join(list, ", ")
}

// limitText says how much there is of something, and may be.
func limitText(pr printer, l v1.Limit) string {
	show := func(n int64) string {
		if l.Unit == "bytes" {
			return pr.size(n)
		}
		return fmt.Sprint(n)
	}
	if l.Most == 0 {
		return show(l.Now) + ", unlimited"
	}
	return fmt.Sprintf("%s of %s", show(l.Now), show(l.Most))
}
