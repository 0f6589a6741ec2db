package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"caret/api/client"
	"caret/api/v1"
)

const (
	turns   = 8 // of each caller
	turnFor = 2 * time.Second
)

// callers measures what it costs to decide who may: root may everything, and of
// a user the key, the grants on the branch and those on the file are read.
func (b *bench) callers() error {
	root, err := b.startServer("callers")
	if err != nil {
		return err
	}
	user, err := root.grantee(b.ctx)
	if err != nil {
		return err
	}
	who := [2]*server{root, user}
	const clients = 32
	var written [2]atomic.Uint64
	file := func(caller int, n uint64) string { return fmt.Sprintf("/master.bench/%d/%s", caller, path(n)) }
	bodies := make([][]byte, clients)
	for i := range bodies {
		bodies[i] = random(uint64(i), 4096)
	}
	puts, err := root.inTurns(clients, func(caller, worker int) error {
		n := written[caller].Add(1)
		copy(bodies[worker], fmt.Sprintf("%d%020d", caller, n))
		return who[caller].do("PUT", file(caller, n), bodies[worker])
	})
	if err != nil {
		return err
	}
	var read atomic.Uint64
	gets, err := root.inTurns(clients, func(caller, _ int) error { // of what the user has written, as root's it may not read
		return who[caller].do("GET", file(1, read.Add(1)%written[1].Load()+1), nil)
	})
	if err != nil {
		return err
	}
	for i, as := range [][2]turnsOf{puts, gets} {
		b.add(fmt.Sprintf("HTTP: %s of 4 KiB as root, %d clients", []string{"durable PUT", "GET"}[i], clients), "/s", as[0].rate(), 0, true)
		b.add("the same as a user with grants", "/s", as[1].rate(), 0, true)
		b.add("ratio of the two", "", as[1].rate()/as[0].rate(), 0.95, true)
		b.add("the server's CPU for each, root's", "us", as[0].cost(), 0, false)
		b.add("the user's", "us", as[1].cost(), 0, false)
	}
	return root.stop()
}

// turnsOf is what came of one caller's turns.
type turnsOf struct {
	count     int64
	took, cpu time.Duration // cpu is the server's
}

func (t turnsOf) rate() float64 { return float64(t.count) / t.took.Seconds() }
func (t turnsOf) cost() float64 { return float64(t.cpu.Microseconds()) / float64(t.count) }

// inTurns runs fn as two callers in turns, as the machine is not the same from
// second to second.
func (s *server) inTurns(clients int, fn func(caller, worker int) error) (of [2]turnsOf, err error) {
	for turn := range turns {
		for k := range 2 {
			caller := (turn + k) % 2
			cpu := s.cpu()
			count, took, err := parallel(clients, until(time.Now().Add(turnFor)), func(worker int) error { return fn(caller, worker) })
			if err != nil {
				return of, err
			}
			t := &of[caller]
			t.count, t.took, t.cpu = t.count+count, t.took+took, t.cpu+s.cpu()-cpu
		}
	}
	return of, nil
}

// grantee is the server as it is asked by a user who may read and write root's
// branch.
func (s *server) grantee(ctx context.Context) (*server, error) {
	api := client.New(s.url, accessKey, secretKey)
	u, err := api.CreateUser(ctx, v1.User{Name: "grantee"})
	if err != nil {
		return nil, err
	}
	k, err := api.CreateKey(ctx, v1.Key{User: u.Name})
	if err != nil {
		return nil, err
	}
	_, err = s3.New(s3.Options{
		BaseEndpoint: aws.String(s.url), Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	}).PutBucketAcl(ctx, &s3.PutBucketAclInput{Bucket: aws.String("master.bench"), GrantRead: aws.String("id=" + u.ID), GrantWrite: aws.String("id=" + u.ID)})
	return s.as(k.AccessKey, k.SecretKey), err
}
