// Command pipeline is an example of a data pipeline that writes thousands of
// files as one commit: it starts a commit, stages files in it through plain S3
// from several writers, and finishes it. Until then nobody else sees any of
// them, and from then on everybody sees all.
//
// It can be run again after whatever ended it early, a crash of the server
// included: the id of its commit is kept in a file, and what is staged already
// is not written again.
//
//	go run ./testdata/pipeline -repo sales -files 10000
//
// The server and the key are those of AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and
// AWS_SECRET_ACCESS_KEY, as `caret env` prints them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"caret/api/client"
	"caret/api/v1"
)

// pipeline is one run.
type pipeline struct {
	repo, branch   string
	files, writers int
	state          string // the file that keeps the commit's id
	api            *client.Client
	s3             *s3.Client
}

func main() {
	var p pipeline
	flag.StringVar(&p.repo, "repo", "sales", "repo to write to; it must be there")
	flag.StringVar(&p.branch, "branch", "master", "branch to write to")
	flag.IntVar(&p.files, "files", 10_000, "how many files it makes")
	flag.IntVar(&p.writers, "writers", 4, "how many are written at a time")
	flag.StringVar(&p.state, "state", "pipeline.commit", "file that keeps the id of the commit until it is finished")
	flag.Parse()
	endpoint, id, secret := os.Getenv("AWS_ENDPOINT_URL"), os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	p.api = client.New(endpoint, id, secret)
	p.s3 = s3.New(s3.Options{
		BaseEndpoint: aws.String(endpoint), Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
	})
	if err := p.run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "pipeline:", err)
		os.Exit(1)
	}
}

func (p *pipeline) run(ctx context.Context) error {
	id, err := p.open(ctx)
	if err != nil {
		return err
	}
	fmt.Println("commit", id)
	c, err := p.api.Commit(ctx, p.repo, id)
	if err != nil {
		return err
	}
	if c.Open {
		if err := p.stage(ctx, id); err != nil {
			return err
		}
		fmt.Println("finishing")
		if c, err = p.api.FinishCommit(ctx, p.repo, id, v1.FinishCommit{}); err != nil {
			return err
		}
	} // else the run before was ended between the finish and here
	fmt.Println("finished", c.Files)
	return os.Remove(p.state)
}

// open is the commit of the run before, or a new one.
func (p *pipeline) open(ctx context.Context) (string, error) {
	text, err := os.ReadFile(p.state)
	if err == nil {
		return strings.TrimSpace(string(text)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	o, err := p.api.StartCommit(ctx, p.repo, p.branch, fmt.Sprintf("%d files", p.files))
	if err != nil {
		return "", err
	}
	// A commit whose id is lost costs nothing: it is dropped after a while.
	return o.ID, os.WriteFile(p.state, []byte(o.ID+"\n"), 0o666)
}

// stage writes what is not there yet to the bucket of the open commit.
func (p *pipeline) stage(ctx context.Context, id string) error {
	bucket := aws.String(id + "." + p.branch + "." + p.repo)
	there := make(map[string]bool)
	for list := s3.NewListObjectsV2Paginator(p.s3, &s3.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String("out/")}); list.HasMorePages(); {
		page, err := list.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, o := range page.Contents {
			there[*o.Key] = true
		}
	}
	var staged atomic.Int64
	staged.Store(int64(len(there)))
	fmt.Println("staged", len(there))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(p.writers)
	for i := range p.files {
		key := fmt.Sprintf("out/%05d.csv", i)
		if there[key] {
			continue
		}
		g.Go(func() error {
			_, err := p.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader(content(i))})
			if err != nil {
				return err
			}
			if n := staged.Add(1); n%1000 == 0 {
				fmt.Println("staged", n)
			}
			return nil
		})
	}
	return g.Wait()
}

// content is what the pipeline computes for one file.
func content(i int) string { return fmt.Sprintf("%d,%d\n", i, i*i) }
