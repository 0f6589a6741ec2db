package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// bystander is somebody with a repo of their own who goes on working meanwhile.
type bystander struct {
	u     *user
	stop  context.CancelFunc
	wg    sync.WaitGroup
	puts  []time.Duration
	gets  []time.Duration
	fails []error
}

// bystander makes a user with a repo who puts and gets 4 KiB, over and over, until
// asked for what came of it.
func (v *server) bystander(ctx context.Context, name string) (*bystander, error) {
	u, err := v.user(ctx, name)
	if err != nil {
		return nil, err
	}
	a, err := u.ask(ctx, http.MethodPut, "/master."+name, nil)
	if err == nil && a.status != http.StatusOK {
		err = fmt.Errorf("make a bucket: %d %s", a.status, a.code)
	}
	if err != nil {
		return nil, err
	}
	b := &bystander{u: u}
	ctx, b.stop = context.WithCancel(ctx)
	b.wg.Go(func() { b.work(ctx, "/master."+name+"/") })
	return b, nil
}

func (b *bystander) work(ctx context.Context, bucket string) {
	body := make([]byte, 4096)
	for i := 0; ctx.Err() == nil; i++ {
		copy(body, fmt.Sprint(i))
		path := fmt.Sprint(bucket, i%100)
		put := b.time(ctx, http.MethodPut, path, body)
		get := b.time(ctx, http.MethodGet, path, nil)
		if ctx.Err() == nil {
			b.puts, b.gets = append(b.puts, put), append(b.gets, get)
		}
	}
}

func (b *bystander) time(ctx context.Context, method, path string, body []byte) time.Duration {
	began := time.Now()
	a, err := b.u.ask(ctx, method, path, body)
	took := time.Since(began)
	if err == nil && a.status != http.StatusOK {
		err = fmt.Errorf("%s: %d %s", method, a.status, a.code)
	}
	if err != nil && ctx.Err() == nil {
		b.fails = append(b.fails, err)
	}
	return took
}

// pace is how long requests took.
type pace struct {
	n             int
	middle, worst time.Duration
}

func paceOf(took []time.Duration) pace {
	if len(took) == 0 {
		return pace{}
	}
	slices.SortFunc(took, cmp.Compare)
	return pace{len(took), took[len(took)/2], took[len(took)-1]}
}

func (p pace) String() string {
	return fmt.Sprintf("%d, median %s, slowest %s", p.n, p.middle.Round(10*time.Microsecond), p.worst.Round(10*time.Microsecond))
}

// end ends the work and says how it went; it is an error if some of it failed.
func (b *bystander) end() (puts, gets pace, err error) {
	b.stop()
	b.wg.Wait()
	if len(b.fails) > 0 {
		err = fmt.Errorf("%d requests of a bystander failed, the first by: %w", len(b.fails), b.fails[0])
	}
	if len(b.puts) == 0 {
		err = errors.Join(err, errors.New("a bystander got nothing done"))
	}
	return paceOf(b.puts), paceOf(b.gets), err
}
