package crashtest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

const (
	accessKey = "CRASH"
	secretKey = "crash-test-secret"
	bucket    = "master.crash"
)

// build builds the binary once for a test.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "caret")
	out, err := exec.Command("go", "build", "-o", bin, "caret/cmd/caret").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return bin
}

// server is a caret process.
type server struct {
	cmd *exec.Cmd
	url string
}

// start starts a server and waits until it says where it listens.
func start(t *testing.T, bin, dir string) *server {
	t.Helper()
	return startAt(t, bin, dir, "127.0.0.1:0")
}

func startAt(t *testing.T, bin, dir, address string) *server {
	t.Helper()
	return launch(t, bin, dir, address, accessKey, secretKey)
}

// launch starts a server with a root key; without one it makes its own.
func launch(t *testing.T, bin, dir, address, accessKey, secretKey string) *server {
	t.Helper()
	return launched(t, exec.Command(bin, "serve", "--data", dir, "--listen", address), accessKey, secretKey)
}

// launched starts a server by a command.
func launched(t *testing.T, cmd *exec.Cmd, accessKey, secretKey string) *server {
	t.Helper()
	cmd.Env = append(os.Environ(), "CARET_ROOT_ACCESS_KEY="+accessKey, "CARET_ROOT_SECRET_KEY="+secretKey)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
		if _, url, ok := strings.Cut(lines.Text(), " at "); ok && strings.HasPrefix(url, "http://") {
			go io.Copy(io.Discard, stderr)
			return &server{cmd, url}
		}
	}
	t.Fatalf("the server did not start:\n%s", strings.Join(said, "\n"))
	return nil
}

// kill ends it as a crash would.
func (s *server) kill(t *testing.T) {
	t.Helper()
	s.signal(t, syscall.SIGKILL)
	s.cmd.Wait()
}

func (s *server) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	pid := s.cmd.Process.Pid
	if a := s.cmd.SysProcAttr; a != nil && a.Setpgid {
		pid = -pid // it is run by something else
	}
	if err := syscall.Kill(pid, signal); err != nil {
		t.Error(err)
	}
}

func (s *server) client() *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(s.url), Region: "us-east-1", UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
		HTTPClient:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}},
	})
}

func createBucket(t *testing.T, s *server) {
	t.Helper()
	if _, err := s.client().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
		t.Fatal(err)
	}
}

// write is one write that was tried.
type write struct {
	key   string
	data  string // "" deletes
	acked bool
	id    string // the commit, if it was acknowledged
}

// ledger is what was tried and what was acknowledged, in the order of each
// key; a key has one writer.
type ledger struct {
	mu     sync.Mutex
	writes map[string][]write
	acks   int
}

func (l *ledger) add(w write) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes[w.key] = append(l.writes[w.key], w)
	if w.acked {
		l.acks++
	}
}

// load writes until the server is gone.
func load(ctx context.Context, c *s3.Client, l *ledger, worker, round int, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, uint64(worker)))
	for i := 0; ctx.Err() == nil; i++ {
		w := write{key: fmt.Sprintf("w%d/k%d", worker, rnd.IntN(5))}
		var err error
		switch rnd.IntN(10) {
		case 0:
			w.id, err = remove(ctx, c, w.key)
		case 1:
			w.data = strings.Repeat(fmt.Sprintf("%d.%d.%d multipart ", round, worker, i), 450_000)[:5<<20+rnd.IntN(1<<20)]
			w.id, err = multipart(ctx, c, w.key, w.data)
		default:
			size := []int{10, 600, 4096, 100_000, 1_500_000}[rnd.IntN(5)]
			w.data = (fmt.Sprintf("%d.%d.%d ", round, worker, i) + strings.Repeat(strconv.Itoa(i%10), size))[:size]
			w.id, err = put(ctx, c, w.key, w.data)
		}
		w.acked = err == nil
		l.add(w)
		if err != nil {
			return
		}
	}
}

func put(ctx context.Context, c *s3.Client, key, data string) (string, error) {
	out, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: &key, Body: strings.NewReader(data)})
	if err != nil {
		return "", err
	}
	return *out.VersionId, nil
}

func remove(ctx context.Context, c *s3.Client, key string) (string, error) {
	out, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: &key})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.VersionId), nil
}

func multipart(ctx context.Context, c *s3.Client, key, data string) (string, error) {
	up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: &key})
	if err != nil {
		return "", err
	}
	var parts []types.CompletedPart
	for i, piece := range []string{data[:5<<20], data[5<<20:]} {
		n := aws.Int32(int32(i + 1))
		out, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: aws.String(bucket), Key: &key, UploadId: up.UploadId, PartNumber: n, Body: strings.NewReader(piece)})
		if err != nil {
			return "", err
		}
		parts = append(parts, types.CompletedPart{PartNumber: n, ETag: out.ETag})
	}
	out, err := c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: aws.String(bucket), Key: &key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	if err != nil {
		return "", err
	}
	return *out.VersionId, nil
}

// get reads a key, "" if it is not there or the version deleted it.
func get(c *s3.Client, key, version string) (string, error) {
	in := &s3.GetObjectInput{Bucket: aws.String(bucket), Key: &key}
	if version != "" {
		in.VersionId = &version
	}
	out, err := c.GetObject(context.Background(), in)
	var e smithy.APIError
	if errors.As(err, &e) && (e.ErrorCode() == "NoSuchKey" || e.ErrorCode() == "MethodNotAllowed") {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(out.Body)
	return b.String(), err
}

// check: every acknowledged write can be read by its commit, and the state of
// each key is its last acknowledged write or a later one that was tried, whole.
func (l *ledger) check(t *testing.T, c *s3.Client, round int) {
	t.Helper()
	for _, lost := range l.losses(c) {
		t.Errorf("round %d: %s", round, lost)
	}
}

// losses is what check finds.
func (l *ledger) losses(c *s3.Client) (lost []string) {
	for key, writes := range l.writes {
		now, err := get(c, key, "")
		if err != nil {
			lost = append(lost, fmt.Sprintf("%s: %v", key, err))
			continue
		}
		possible := false
		for i := len(writes) - 1; i >= 0; i-- {
			if writes[i].data == now {
				possible = true
			}
			if writes[i].acked {
				break
			}
			if i == 0 && now == "" {
				possible = true
			}
		}
		if !possible {
			lost = append(lost, fmt.Sprintf("%s has %d bytes that are neither its last acknowledged write nor a later one", key, len(now)))
		}
		for _, w := range writes[max(0, len(writes)-8):] {
			if !w.acked || w.id == "" {
				continue
			}
			if then, err := get(c, key, w.id); err != nil || then != w.data {
				lost = append(lost, fmt.Sprintf("%s at %s: %d bytes, %v; acknowledged were %d", key, w.id, len(then), err, len(w.data)))
			}
		}
		// What was not acknowledged is settled from now on.
		l.writes[key] = []write{{key: key, data: now, acked: true}}
	}
	return lost
}

func TestKill(t *testing.T) {
	t.Parallel()
	rounds := 4
	if s := os.Getenv("CARET_CRASH_ROUNDS"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("%d rounds, seed %d", rounds, seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	bin, dir := build(t), t.TempDir()
	l := &ledger{writes: map[string][]write{}}
	s := start(t, bin, dir)
	createBucket(t, s)
	for round := range rounds {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		var wg sync.WaitGroup
		c := s.client()
		for worker := range 8 {
			wg.Go(func() { load(ctx, c, l, worker, round, seed+uint64(round)) })
		}
		<-time.After(time.Duration(50+rnd.IntN(900)) * time.Millisecond) // the random moment
		s.kill(t)
		wg.Wait()
		cancel()
		s = start(t, bin, dir)
		l.check(t, s.client(), round)
		checkListing(t, s, round)
	}
	t.Logf("%d acknowledged writes survived %d kills", l.acks, rounds)
	s.kill(t)
	if l.acks == 0 {
		t.Error("nothing was acknowledged: the load does not work")
	}
}

// checkListing: what is listed can be read, whole.
func checkListing(t *testing.T, s *server, round int) {
	t.Helper()
	c := s.client()
	head, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucket)})
	if err != nil {
		t.Errorf("round %d: list: %v", round, err)
		return
	}
	for _, o := range head.Contents {
		data, err := get(c, *o.Key, "")
		if err != nil || int64(len(data)) != *o.Size {
			t.Errorf("round %d: %s is listed with %d bytes and has %d, %v", round, *o.Key, *o.Size, len(data), err)
		}
	}
}
