package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// reloads are what a server does when it gets SIGHUP: it reads or opens again what
// others have replaced, such as certificates and files of logs.
type reloads struct {
	mu   sync.Mutex
	list []reload
}

type reload struct {
	what string // for the log, such as "the TLS certificate"
	do   func() error
}

// add has do called at each SIGHUP, behind those that were added before, and never
// twice at once. If it fails that is logged, and what was in use must stay so.
func (r *reloads) add(what string, do func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, reload{what, do})
}

// run reloads everything.
func (r *reloads) run(log *slog.Logger) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.list {
		if err := l.do(); err != nil {
			log.Error("reload "+l.what+"; what was in use stays", "err", err)
		} else {
			log.Info("reloaded " + l.what)
		}
	}
}

// watch reloads at each SIGHUP, which no longer ends the process, until ctx ends.
func (r *reloads) watch(ctx context.Context, log *slog.Logger) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	go func() {
		defer signal.Stop(hup)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
				r.run(log)
			}
		}
	}()
}
