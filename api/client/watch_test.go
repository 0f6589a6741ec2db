package client_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"caret/api"
	"caret/api/client"
	"caret/api/v1"
	"caret/objstore"
	"caret/objstore/memory"
	"caret/pfs"
)

// A pipeline reacts to what is committed.
func ExampleClient_Watch() {
	url, stop := serve() // elsewhere: caret serve
	defer stop()
	ctx := context.Background()
	c := client.New(url, "access key", "secret key")
	if _, err := c.CreateRepo(ctx, v1.Repo{Name: "sales"}); err != nil {
		fmt.Println(err)
		return
	}
	for _, name := range []string{"in/a.csv", "notes", "in/b.csv"} {
		if _, err := c.Put(ctx, "sales", "master", name, "", "add "+name, strings.NewReader(name), int64(len(name))); err != nil {
			fmt.Println(err)
			return
		}
	}
	// All there are, and then those to come. The next run goes on behind the
	// last one's ID.
	for commit, err := range c.Watch(ctx, "sales", "master", "in/", v1.Beginning) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(commit.N, commit.Message)
		if commit.N == 3 {
			break
		}
	}
	// Output:
	// 1 add in/a.csv
	// 3 add in/b.csv
}

// watched is a repo r that is served, and what a stream of it needs.
type watched struct {
	*client.Client
	t     *testing.T
	fs    *pfs.FS // as root sees it
	url   string
	ticks chan chan time.Time // of each stream that begins
	who   pfs.Caller
}

// watchServer serves a repo through around.
func watchServer(t *testing.T, around func(http.Handler) http.Handler) *watched {
	t.Helper()
	w := &watched{t: t, ticks: make(chan chan time.Time, 1), who: pfs.Root}
	system, err := pfs.Open(t.Context(), memory.New(), pfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.fs = system.As(pfs.Root)
	if _, err := w.fs.CreateRepo(t.Context(), pfs.Repo{Name: "r"}); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(around(w.handler(system)))
	t.Cleanup(func() {
		system.EndWatches()
		srv.Close()
		system.Close()
	})
	w.url = srv.URL
	w.Client = client.New(srv.URL, "access key", "secret key")
	return w
}

func (w *watched) handler(system *pfs.System) http.Handler {
	return api.New(system, api.Options{
		Authenticate: func(r *http.Request) (api.Caller, error) {
			return api.Caller{Caller: w.who, Body: r.Body}, nil
		},
		Ticker: func(time.Duration) (<-chan time.Time, func()) {
			c := make(chan time.Time)
			select {
			case w.ticks <- c:
			default:
			}
			return c, func() {}
		},
	})
}

func unchanged(h http.Handler) http.Handler { return h }

func (w *watched) put(path string) string {
	w.t.Helper()
	x, err := w.Put(w.t.Context(), "r", "master", path, "", "", strings.NewReader("x"), 1)
	if err != nil {
		w.t.Fatal(err)
	}
	return x.Commit
}

// stream asks for events as any client of the protocol would.
func (w *watched) stream(query, last string) (*bufio.Reader, chan<- time.Time) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), "GET", w.url+v1.Prefix+"repos/r/branches/master/events"+query, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" {
		w.t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	return bufio.NewReader(resp.Body), <-w.ticks
}

// expect reads the next event, whose lines begin with want.
func (w *watched) expect(r *bufio.Reader, want ...string) {
	w.t.Helper()
	for _, prefix := range append(want, "\n") {
		if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, prefix) {
			w.t.Fatalf("%q, %v, want %q", line, err, prefix)
		}
	}
}

// TestEvents is the stream on the wire.
func TestEvents(t *testing.T) {
	t.Parallel()
	w := watchServer(t, unchanged)
	r, ticks := w.stream("", "")
	w.expect(r, ": ", "id: .0\n") // before there is anything to tell
	a := w.put("in/a")
	event := func(id string) []string {
		return []string{"id: " + id + "\n", "event: commit\n", `data: {"id":"` + id + `",`}
	}
	w.expect(r, event(a)...)
	ticks <- time.Time{}
	w.expect(r, ": ", "id: "+a+"\n")
	b := w.put("b")
	w.expect(r, event(b)...)

	r, ticks = w.stream("?after=HEAD^&path=in/", "")
	w.expect(r, ": ", "id: "+a+"\n")
	ticks <- time.Time{}
	w.expect(r, ": ", "id: "+b+"\n") // looked at, not to be told
	c := w.put("in/c")
	w.expect(r, event(c)...)

	r, _ = w.stream("?after=.0", a) // where it was goes before where it began
	w.expect(r, ": ", "id: "+a+"\n")
	w.expect(r, event(b)...)
	w.expect(r, event(c)...)

	r, _ = w.stream("?after=.0", "")
	w.expect(r, ": ", "id: .0\n")
	w.expect(r, event(a)...)
	if err := w.DeleteBranch(t.Context(), "r", "master"); err != nil {
		t.Fatal(err)
	}
	w.expect(r, event(b)...)
	w.expect(r, event(c)...)
	w.expect(r, "event: error\n", `data: {"status":404,"code":"no_such_branch","message":"`)
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("behind the error: %v", err)
	}
}

// TestWatchRefused: what can be said before the stream begins has its status.
func TestWatchRefused(t *testing.T) {
	t.Parallel()
	w := watchServer(t, unchanged)
	w.put("a")
	if _, err := w.CreateBranch(t.Context(), "r", "other", "master"); err != nil {
		t.Fatal(err)
	}
	x, err := w.Put(t.Context(), "r", "other", "a", "", "", strings.NewReader("y"), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		repo, branch, after, code string
		status                    int
	}{
		{"absent", "master", "", "no_such_repo", 404},
		{"r", "absent", "", "no_such_branch", 404},
		{"r", "HEAD^", "", "invalid_name", 400},
		{"r", "master", "HEAD^^x", "invalid_expression", 400},
		{"r", "master", "HEAD^9", "no_such_version", 404},
		{"r", "master", "other", "no_such_commit", 404},
		{"r", "master", x.Commit, "diverged", 409},
	} {
		n := 0
		for _, err := range w.Watch(t.Context(), tt.repo, tt.branch, "", tt.after) {
			var e *client.Error
			if n++; !errors.As(err, &e) || e.Code != tt.code || e.Status != tt.status {
				t.Errorf("%+v: %v", tt, err)
			}
		}
		if n != 1 {
			t.Errorf("%+v: %d times", tt, n)
		}
	}
	resp, err := http.Head(w.url + v1.Prefix + "repos/r/branches/master/events")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
}

// TestWatchRevoked: taking access away ends a stream, at once and with nothing
// told of what is committed then.
func TestWatchRevoked(t *testing.T) {
	t.Parallel()
	for _, idle := range []bool{false, true} {
		for name, revoke := range map[string]func(w *watched, key string) error{
			"key":  func(w *watched, key string) error { _, err := w.fs.DeleteKey(t.Context(), key, false); return err },
			"acl":  func(w *watched, _ string) error { return allow(w.fs, "nobody") },
			"user": func(w *watched, _ string) error { _, err := w.fs.DeleteUser(t.Context(), "ann", false); return err },
		} {
			t.Run(fmt.Sprint(name, " ", idle), func(t *testing.T) {
				t.Parallel()
				w := watchServer(t, unchanged)
				w.t = t
				u, err := w.fs.CreateUser(t.Context(), pfs.User{Name: "ann"})
				if err != nil {
					t.Fatal(err)
				}
				k, err := w.fs.CreateKey(t.Context(), pfs.Key{User: "ann"})
				if err != nil {
					t.Fatal(err)
				}
				if err := allow(w.fs, u.ID); err != nil {
					t.Fatal(err)
				}
				w.who = pfs.Holder(k.AccessKey)
				r, ticks := w.stream("", "")
				w.expect(r, ": ", "id: .0\n")
				ticks <- time.Time{}
				w.expect(r, ": ", "id: .0\n")
				if err := revoke(w, k.AccessKey); err != nil {
					t.Fatal(err)
				}
				if !idle {
					if err := commit(w.fs); err != nil {
						t.Fatal(err)
					}
				}
				w.expect(r, "event: error\n", `data: {"status":403,"code":"access_denied"`)
			})
		}
	}
}

// allow lets one user alone read branch master.
func allow(fs *pfs.FS, user string) error {
	return fs.ChangeSettings(context.Background(), pfs.Ref{Repo: "r"}, pfs.ActOwn, func(set *pfs.Settings) error {
		set.ACL.Grants = []pfs.Grant{{User: user, Permission: pfs.PermRead}}
		return nil
	})
}

// commit makes one without the API.
func commit(fs *pfs.FS) error {
	ctx := context.Background()
	f := fs.NewFile(ctx, 0)
	defer f.Abort()
	p, err := f.Close()
	if err != nil {
		return err
	}
	_, err = fs.Put(ctx, pfs.Ref{Repo: "r"}, "f", p.Content, pfs.Attrs{}, pfs.WriteOptions{})
	return err
}

// cutter ends connections in the midst of an answer.
type cutter struct {
	http.ResponseWriter
	left int // bytes
}

func (c *cutter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *cutter) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left >= 0 {
		return c.ResponseWriter.Write(p)
	}
	c.ResponseWriter.Write(p[:len(p)+c.left])
	http.NewResponseController(c.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

// TestWatchBroken: however often connections break, and wherever in an event,
// whoever watches gets the log, each commit once.
func TestWatchBroken(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	rnd := rand.New(rand.NewPCG(1, 2))
	cuts := 0
	w := watchServer(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if !strings.HasSuffix(r.URL.Path, "/events") {
				h.ServeHTTP(rw, r)
				return
			}
			mu.Lock()
			cuts++
			cut := &cutter{rw, rnd.IntN(4000)}
			mu.Unlock()
			h.ServeHTTP(cut, r)
		})
	})
	const n = 60
	var wg sync.WaitGroup
	var got []string
	begun := make(chan struct{})
	wg.Go(func() {
		for x, err := range w.Watch(t.Context(), "r", "master", "", v1.Beginning) {
			if err != nil {
				t.Error(err)
				break
			}
			if got = append(got, x.ID); len(got) == 1 {
				close(begun)
			}
			if len(got) == n {
				break
			}
		}
	})
	want := []string{w.put("0")}
	<-begun
	for i := 1; i < n; i++ {
		want = append(want, w.put(fmt.Sprint(i)))
	}
	wg.Wait()
	if !slices.Equal(got, want) {
		t.Errorf("%d commits %v, want %v", len(got), got, want)
	}
	if cuts < 3 {
		t.Errorf("only %d connections", cuts)
	}
}

// TestWatchRestart: a server that shuts down does not wait for who watches,
// and whoever does goes on with the next one.
func TestWatchRestart(t *testing.T) {
	// Not in parallel, to see what is left running.
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	w := &watched{t: t, who: pfs.Root}
	store := memory.New()
	addr := "127.0.0.1:0"
	start := func() (fs *pfs.FS, stop func()) {
		fs, addr, stop = w.listen(store, addr)
		return fs, stop
	}
	fs, stop := start()
	if _, err := fs.CreateRepo(t.Context(), pfs.Repo{Name: "r"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	numbers := make(chan uint64)
	var end error
	var wg sync.WaitGroup
	wg.Go(func() {
		for x, err := range client.New("http://"+addr, "access key", "secret key").Watch(ctx, "r", "master", "", v1.Beginning) {
			if end = err; err == nil {
				numbers <- x.N
			}
		}
	})
	for i := range 3 {
		if err := commit(fs); err != nil {
			t.Fatal(err)
		}
		if n := <-numbers; n != uint64(i+1) {
			t.Fatalf("commit %d, want %d", n, i+1)
		}
		stop()
		fs, stop = start()
	}
	cancel()
	wg.Wait()
	if !errors.Is(end, context.Canceled) {
		t.Errorf("ended with %v", end)
	}
	stop()
}

// listen serves store at addr until it is stopped as a server is.
func (w *watched) listen(store objstore.Store, addr string) (*pfs.FS, string, func()) {
	w.t.Helper()
	system, err := pfs.Open(w.t.Context(), store, pfs.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		w.t.Fatal(err)
	}
	srv := &http.Server{Handler: w.handler(system)}
	srv.RegisterOnShutdown(system.EndWatches)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	return system.As(pfs.Root), ln.Addr().String(), func() {
		if err := srv.Shutdown(context.Background()); err != nil {
			w.t.Error(err)
		}
		<-done
		system.Close()
	}
}
