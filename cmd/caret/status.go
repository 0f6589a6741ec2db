package main

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"caret/api/v1"
	"caret/objstore/local"
)

// limits are what a server has only so much of, as its status shows them.
type limits struct{ list []func() v1.Limit }

// add adds a limit: get says how much there is of it now, and may be; 0 is any number.
// unit is "bytes" or "".
func (l *limits) add(name, unit string, get func() (now, most int64)) {
	l.list = append(l.list, func() v1.Limit {
		now, most := get()
		return v1.Limit{Name: name, Now: now, Most: most, Unit: unit}
	})
}

// addFiles adds those of connections and files.
func (l *limits) addFiles(conns *connections, fds *files) {
	l.add("connections", "", func() (int64, int64) {
		open, most := conns.count()
		return int64(open), int64(most)
	})
	l.add("files", "", func() (int64, int64) {
		open, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			return 0, int64(fds.limit)
		}
		return int64(len(open)), int64(fds.limit)
	})
}

// now are all of them, by name.
func (l *limits) now() []v1.Limit {
	out := make([]v1.Limit, 0, len(l.list))
	for _, get := range l.list {
		out = append(out, get())
	}
	slices.SortFunc(out, func(a, b v1.Limit) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// reporter says how a server is.
type reporter struct {
	health  *health
	store   *local.Store
	limits  limits
	started time.Time
}

// status is all but the jobs.
func (r *reporter) status(ctx context.Context) (v1.Status, error) {
	ready := r.health.ready(ctx)
	used, err := r.store.DiskUsage()
	if err != nil {
		return v1.Status{}, err
	}
	space, err := r.store.Space()
	if err != nil {
		return v1.Status{}, err
	}
	return v1.Status{
		Ready: ready.ok, Health: ready.text, Version: version, Store: storeID(r.store.ID()).String(),
		Started: r.started.UTC(), Uptime: int64(time.Since(r.started).Seconds()),
		Disk: v1.Disk{
			Size: space.Size, Free: space.Free, Reserve: space.Reserve,
			Index: used.Index, Log: used.Log, Packs: used.Packs,
		},
		Limits: r.limits.now(),
	}, nil
}
