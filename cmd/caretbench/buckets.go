package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"caret/api/client"
	"caret/api/v1"
)

// manyBranches is how many branches there are when buckets are listed.
const manyBranches = 11000

// buckets measures what ListBuckets costs where there are many: as much as there is to
// tell.
func (b *bench) buckets() (err error) {
	root, err := b.startServer("buckets")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.stop()) }()
	api := client.New(root.url, accessKey, secretKey)
	var made atomic.Int64
	_, took, err := parallel(32, func(done int64) bool { return done >= manyBranches }, func(int) error {
		_, err := api.CreateBranch(b.ctx, "bench", fmt.Sprintf("b%05d", made.Add(1)), "")
		return err
	})
	if err != nil {
		return err
	}
	b.add("HTTP: create 11,000 branches, 32 clients, each", "ms", ms(took)/manyBranches, 0, false)
	few, err := root.user(b.ctx, "few")
	if err != nil {
		return err
	}
	none, err := root.user(b.ctx, "none")
	if err != nil {
		return err
	}
	for _, branch := range []string{"b00001", "b05000", "b10999"} {
		if _, err := api.Grant(b.ctx, "bench", branch, "few", "read"); err != nil {
			return err
		}
	}
	for _, ask := range []struct {
		what, path string
		as         *server
		limit      float64
	}{
		{"ListBuckets of 11,000 branches: root's first page of 1000", "/?max-buckets=1000", root, 20},
		{"all of root's, in one page of 10,000", "/", root, 0},
		{"of a user with 3 of them", "/", few, 5},
		{"of a user with none", "/", none, 5},
	} {
		took, err := timed(50, func(int) error { return ask.as.do("GET", ask.path, nil) })
		if err != nil {
			return err
		}
		b.add(ask.what, "ms", ms(took), ask.limit, false)
	}
	return nil
}

// user is the server as it is asked by a user who was granted nothing yet.
func (s *server) user(ctx context.Context, name string) (*server, error) {
	api := client.New(s.url, accessKey, secretKey)
	if _, err := api.CreateUser(ctx, v1.User{Name: name}); err != nil {
		return nil, err
	}
	k, err := api.CreateKey(ctx, v1.Key{User: name})
	return s.as(k.AccessKey, k.SecretKey), err
}
