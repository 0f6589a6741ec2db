package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"caret/api/v1"
)

// silentBodies announce long documents, as of thousands of names to delete, and send
// nothing of them, or next to nothing, while a bystander lists.
func silentBodies(s *stage) error {
	v, b, err := s.memoryServer()
	if err != nil {
		return err
	}
	if err := v.publicObject(s.ctx, mib); err != nil {
		return err
	}
	n := s.size(300)
	held, err := v.hold(s.ctx, n, func(int) string {
		return fmt.Sprintf("POST /master.public?delete HTTP/1.1\r\nHost: x\r\nContent-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==\r\nContent-Length: %d\r\n\r\n<Delete>", 4*mib)
	}, nil)
	if err != nil {
		return err
	}
	defer held.end()
	lists := v.root.times(s, 20*time.Second, http.MethodGet, "/master.public?list-type=2")
	s.shown("lists of a bystander", lists.String())
	s.atMost("the slowest of them", lists.worst.Seconds(), 2, "s")
	held.end()
	return v.after(s, b, fmt.Sprintf("most memory resident under %d documents that do not come", n))
}

// times sends a request over and over for a while; one that fails is reported.
func (u *user) times(s *stage, enough time.Duration, method, path string) pace {
	var took []time.Duration
	failed := map[string]int{}
	if s.small {
		enough /= 4
	}
	for began := time.Now(); time.Since(began) < enough; {
		at := time.Now()
		a, err := u.ask(s.ctx, method, path, nil)
		took = append(took, time.Since(at))
		if err == nil && a.status >= http.StatusBadRequest {
			err = fmt.Errorf("%d %s", a.status, a.code)
		}
		if err != nil {
			failed[err.Error()]++
		}
	}
	s.is(method+" "+path+" that failed", failed, map[string]int{})
	return paceOf(took)
}

// allBack says whether the memory of requests is given back, once there are none.
func (v *server) allBack(ctx context.Context) (used int64, err error) {
	for began := time.Now(); ; {
		st, err := v.root.api.Status(ctx)
		if err != nil {
			return 0, err
		}
		used, ok := limitNamed(st, "memory of requests")
		if !ok {
			return 0, errors.New("the status does not tell the memory of requests")
		}
		if used == 0 || time.Since(began) > 30*time.Second {
			return used, nil
		}
		select {
		case <-ctx.Done():
			return used, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func limitNamed(st v1.Status, name string) (now int64, ok bool) {
	for _, l := range st.Limits {
		if l.Name == name {
			return l.Now, true
		}
	}
	return 0, false
}
