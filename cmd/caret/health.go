package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"caret/objstore"
	"caret/pfs"
)

// health finds out whether a server can do what it is asked for.
type health struct {
	system *pfs.System
	store  objstore.Store

	mu     sync.Mutex
	asking chan struct{} // closed when the store has answered; nil if it is not being asked
	last   state         // what it answered then
}

// state is how a server is.
type state struct {
	ok   bool
	text string // "ok", or what is wrong, for machines: no names
}

func (s state) write(w http.ResponseWriter) {
	if !s.ok {
		http.Error(w, s.text, http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, s.text)
}

// answerWithin is how long the store may take to answer.
const answerWithin = 5 * time.Second

// live says whether the process should go on.
func (h *health) live() state {
	if h.store.Failure() != nil {
		return state{text: pfs.ErrFailed.Error()}
	}
	return state{true, "ok"}
}

// ready says whether requests should be sent here. A store that does not answer, as its
// disk hangs, is asked once, however many want to know.
func (h *health) ready(ctx context.Context) state {
	if s := h.live(); !s.ok {
		return s
	}
	late := time.NewTimer(answerWithin)
	defer late.Stop()
	select {
	case <-h.ask(context.WithoutCancel(ctx)):
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.last
	case <-late.C:
		return state{text: fmt.Sprintf("the store has not answered for %s", answerWithin)}
	case <-ctx.Done():
		return state{text: "nobody waits for the answer"}
	}
}

// ask has the store asked, unless it is being asked.
func (h *health) ask(ctx context.Context) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.asking == nil {
		done := make(chan struct{})
		h.asking = done
		go func() {
			s := h.look(ctx)
			h.mu.Lock()
			defer h.mu.Unlock()
			h.last, h.asking = s, nil
			close(done)
		}()
	}
	return h.asking
}

// look asks the store.
func (h *health) look(ctx context.Context) state {
	if err := h.system.Ready(ctx); err != nil {
		return state{text: "the store cannot be read"}
	}
	// Reads go on without room for writes, and a server that is asked for them must not
	// be taken away.
	switch err := h.system.Writable(ctx); {
	case errors.Is(err, pfs.ErrNoSpace):
		return state{true, "ok, read-only: " + pfs.ErrNoSpace.Error()}
	case h.store.Failure() != nil:
		return h.live()
	case err != nil:
		return state{true, "ok, read-only: the store takes no writes for now"}
	}
	return state{true, "ok"}
}
