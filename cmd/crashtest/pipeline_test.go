package crashtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"caret/api/client"
	"caret/api/v1"
)

const pipelineFiles = 10_000

// TestPipeline runs the example in testdata/pipeline, kills the server while
// it stages files and while it finishes, starts it again, and runs the
// pipeline anew until it succeeds. All the while a reader lists the branch,
// and sees nothing or everything.
func TestPipeline(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("long")
	}
	bin, dir := build(t), t.TempDir()
	example := filepath.Join(t.TempDir(), "pipeline")
	if out, err := exec.Command("go", "build", "-o", example, "caret/testdata/pipeline").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	s := start(t, bin, dir)
	p := piped{t: t, bin: bin, dir: dir, example: example, server: s, address: strings.TrimPrefix(s.url, "http://"), whole: make(chan struct{})}
	defer func() { p.server.kill(t) }()
	api := client.New(s.url, accessKey, secretKey)
	if _, err := api.CreateRepo(t.Context(), v1.Repo{Name: "sales"}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	read := make(chan string)
	go func() { read <- p.poll(ctx, s.client()) }()
	for _, at := range []string{"staged 2000", "staged 6000", "finishing", "finishing", ""} {
		if p.run(at) {
			break
		}
	}
	select {
	case <-p.whole:
	case wrong := <-read:
		t.Fatal(wrong)
	case <-time.After(time.Minute):
		t.Error("the reader never sees all files")
	}
	stop()
	if wrong := <-read; wrong != "" {
		t.Error(wrong)
	}
	if p.none.Load() == 0 || p.kills < 3 {
		t.Errorf("%d looks before, %d kills: nothing was tried", p.none.Load(), p.kills)
	}
	t.Logf("%d kills; the reader looked %d times before and %d times after", p.kills, p.none.Load(), p.all.Load())
	log, err := api.Log(t.Context(), "sales", "master", client.LogFilter{}, "", 0)
	if err != nil || len(log.Items) != 1 || log.Items[0].Files != pipelineFiles {
		t.Fatalf("the log: %+v, %v", log, err)
	}
	p.check(s.client())
}

// piped is a pipeline and its server.
type piped struct {
	t                          *testing.T
	bin, dir, example, address string
	server                     *server
	kills                      int
	none, all                  atomic.Int64  // how often the reader saw nothing, and everything
	whole                      chan struct{} // closed when it first sees everything
}

// run runs the pipeline, and kills the server a moment after it says at. It
// says whether the pipeline succeeded.
func (p *piped) run(at string) bool {
	t := p.t
	cmd := exec.Command(p.example, "-files", fmt.Sprint(pipelineFiles), "-state", filepath.Join(filepath.Dir(p.example), "pipeline.commit"))
	cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL=http://"+p.address, "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey, "AWS_MAX_ATTEMPTS=1")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if lines.Text() == at && !killed {
			killed = true
			p.kills++
			<-time.After(time.Duration(rand.IntN(12)) * time.Millisecond) // anywhere in what comes next
			p.server.kill(t)
		}
	}
	err = cmd.Wait()
	if killed {
		p.server = startAt(t, p.bin, p.dir, p.address)
	} else if err != nil {
		t.Fatalf("the pipeline failed: %v\n%s", err, stderr.String())
	}
	return err == nil
}

// poll lists the branch again and again, and says what it saw that it should
// not have.
func (p *piped) poll(ctx context.Context, c *s3.Client) string {
	for ctx.Err() == nil {
		n, err := count(ctx, c)
		switch {
		case err != nil: // the server is down
		case n == 0 && p.all.Load() == 0:
			p.none.Add(1)
		case n == pipelineFiles:
			if p.all.Add(1) == 1 {
				close(p.whole)
			}
		default:
			return fmt.Sprintf("the reader saw %d of %d files, after it had seen all %d times", n, pipelineFiles, p.all.Load())
		}
	}
	return ""
}

func count(ctx context.Context, c *s3.Client) (n int, err error) {
	list := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: aws.String("master.sales"), Prefix: aws.String("out/")})
	for list.HasMorePages() {
		page, err := list.NextPage(ctx)
		if err != nil {
			return 0, err
		}
		n += len(page.Contents)
	}
	return n, nil
}

// check reads some of the files.
func (p *piped) check(c *s3.Client) {
	if n, err := count(p.t.Context(), c); n != pipelineFiles {
		p.t.Errorf("%d files are there, %v", n, err)
	}
	for i := 0; i < pipelineFiles; i += 97 {
		out, err := c.GetObject(p.t.Context(), &s3.GetObjectInput{Bucket: aws.String("master.sales"), Key: aws.String(fmt.Sprintf("out/%05d.csv", i))})
		if err != nil {
			p.t.Fatal(err)
		}
		data, err := io.ReadAll(out.Body)
		out.Body.Close()
		if want := fmt.Sprintf("%d,%d\n", i, i*i); err != nil || string(data) != want {
			p.t.Errorf("file %d is %q, %v", i, data, err)
		}
	}
}
