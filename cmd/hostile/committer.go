package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"caret/api/v1"
)

// maxWait is the longest that a PUT of a bystander may take, in ms, whatever others ask for;
// maxBusy is that where the machine is busy with other tests, and what runs for seconds is
// still told from what does not.
const (
	maxWait = 50
	maxBusy = 800
)

// work is something that a client may ask for that is as much work as it likes.
type work struct {
	what string
	// prepare makes what the work is about, as a user with a repo of its name.
	prepare func(*worker) error
	// do asks for the work; what comes of it does not matter, but for how long it takes
	// others.
	do func(*worker) error
}

// worker is the user who asks for work.
type worker struct {
	*user
	s    *stage
	v    *server
	ctx  context.Context
	try  int
	repo string // its own, with the branch master
	ids  []string
}

// committer asks for work of any size that runs where all writes wait for one another, and
// measures how long a bystander's PUTs take meanwhile, and the longest that a transaction
// held others up, as the server's metrics have it. As the machine has others to serve, the
// best of some tries counts: what is slow by itself is slow in each.
func committer(s *stage) error {
	v, err := s.start("")
	if err != nil {
		return err
	}
	if err := s.alone(v); err != nil {
		return err
	}
	for i, w := range works {
		if err := s.endure(v, i, w); err != nil {
			return fmt.Errorf("%s: %w", w.what, err)
		}
	}
	return v.stop()
}

// alone shows how long the PUTs take if nobody else is there.
func (s *stage) alone(v *server) error {
	b, err := v.bystander(s.ctx, "alone")
	if err != nil {
		return err
	}
	s.let(s.size(200))
	puts, _, err := b.end()
	s.shown("PUTs of somebody alone", tail(puts, b.puts))
	return err
}

// let lets the bystander go on for so many tenths of a second.
func (s *stage) let(tenths int) {
	select {
	case <-time.After(time.Duration(tenths) * time.Second / 10):
	case <-s.ctx.Done():
	}
}

// workTries is how often each work is asked for at most.
const workTries = 3

// endure measures one work.
func (s *stage) endure(v *server, i int, w work) error {
	u, err := v.user(s.ctx, fmt.Sprint("worker", i))
	if err != nil {
		return err
	}
	most := float64(maxWait)
	if s.small {
		most = maxBusy
	}
	best, shown, longest := math.Inf(1), "", math.Inf(1)
	for try := range workTries {
		k := &worker{user: u, s: s, v: v, ctx: s.ctx, try: try, repo: fmt.Sprintf("work%dt%d", i, try)}
		if _, err := u.api.CreateRepo(s.ctx, v1.Repo{Name: k.repo}); err != nil {
			return err
		}
		if w.prepare != nil {
			if err := w.prepare(k); err != nil {
				return err
			}
		}
		before, err := v.updates(s.ctx)
		if err != nil {
			return err
		}
		b, err := v.bystander(s.ctx, fmt.Sprintf("by%dt%d", i, try))
		if err != nil {
			return err
		}
		s.let(2)
		if err := w.do(k); err != nil {
			return err
		}
		s.let(2) // what waits yet counts too
		puts, _, err := b.end()
		if err != nil {
			return err
		}
		after, err := v.updates(s.ctx)
		if err != nil {
			return err
		}
		longest = min(longest, after.slowestSince(before))
		if ms := puts.worst.Seconds() * 1000; ms < best {
			best, shown = ms, tail(puts, b.puts)
		}
		if best <= most && longest <= most {
			break
		}
	}
	s.shown("PUTs while "+w.what, shown)
	s.atMost("the slowest", best, most, "ms")
	s.atMost("the longest update then, or less", longest, most*1.03, "ms") // 51.2 is a limit of the histogram
	return nil
}

// tail is a pace with what one in a hundred is slower than; took is sorted.
func tail(p pace, took []time.Duration) string {
	return fmt.Sprintf("%s, 99 %% within %s", p, took[len(took)*99/100].Round(10*time.Microsecond))
}

// works are what a client may ask for.
var works = []work{
	{"merges have patterns tried at many paths", conflicting, mergeWithPatterns},
	{"files are deleted that are not there", nil, deleteAbsent},
	{"versions of one key are removed", manyVersions, removeVersions},
	{"versions are named by prefixes of commits", manyOpen, removeByPrefix},
	{"a bucket of deleted files is deleted", tombstones, deleteBucket},
	{"a repo of many branches is deleted", manyBranches, deleteRepo},
	{"a user with many keys is deleted", nil, deleteUser},
	{"uploads of many parts are aborted", manyParts, abortUpload},
	{"settings of a branch are long", longSettings, putSmall},
	{"very many files are finished and given up", nil, finishMany},
}

// each calls fn for 0 to n-1, some at a time.
func (k *worker) each(n int, fn func(i int) error) error {
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for w := range errs {
		wg.Go(func() {
			for i := w; i < n && errs[w] == nil; i += len(errs) {
				errs[w] = fn(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// must is ask of what has to succeed.
func (k *worker) must(method, path string, body []byte, headers ...string) (answer, error) {
	a, err := k.ask(k.ctx, method, path, body, headers...)
	if err == nil && a.status >= http.StatusBadRequest {
		err = fmt.Errorf("%s %.100s: %d %s", method, path, a.status, a.code)
	}
	return a, err
}

// put makes n files under prefix on a branch, in one commit.
func (k *worker) put(branch string, n int, prefix string, size int) error {
	return k.putTar(branch, n, func(i int) string { return fmt.Sprint(prefix, i) }, size)
}

// putTar makes n files of size bytes, by their names, in one commit.
func (k *worker) putTar(branch string, n int, name func(int) string, size int) error {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	content := bytes.Repeat([]byte{byte('0' + size)}, size)
	for i := range n {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name(i), Mode: 0o644, Size: int64(size)}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := w.Write(content); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	_, err := k.must(http.MethodPut, "/"+branch+"."+k.repo+"/archive.tar", b.Bytes(), "X-Amz-Meta-Snowball-Auto-Extract", "true")
	return err
}

// mergedAtOnce is about the most that a merge is about which is made in one transaction.
const mergedAtOnce = 50

func conflicting(k *worker) error {
	name := func(i int) string { return strings.Repeat("a", 900) + fmt.Sprint(i) }
	if err := k.putTar("master", mergedAtOnce, name, 1); err != nil {
		return err
	}
	if _, err := k.api.CreateBranch(k.ctx, k.repo, "dev", "master"); err != nil {
		return err
	}
	return errors.Join(k.putTar("master", mergedAtOnce, name, 2), k.putTar("dev", mergedAtOnce, name, 3))
}

func mergeWithPatterns(k *worker) error {
	ctx, cancel := context.WithCancel(k.ctx)
	var wg sync.WaitGroup
	wg.Go(func() { // so that the merges have to be done at once
		for i := 0; ctx.Err() == nil; i++ {
			k.ask(ctx, http.MethodPut, "/master."+k.repo+"/"+strings.Repeat("a", 900)+fmt.Sprint(i%mergedAtOnce), []byte(fmt.Sprint(i))) //nolint:errcheck // it is cut off
		}
	})
	defer wg.Wait()
	defer cancel()
	pattern := "*" + strings.Repeat("{a,a}", 7) + "b"
	if err := k.refused(pattern + strings.Repeat("{a,a}", 5)); err != nil {
		return err
	}
	rules := []v1.MergeRule{{Pattern: pattern, Strategy: "ours"}, {Strategy: "ours"}}
	for range k.s.size(20) {
		// It may be that the branch changes all the time.
		_, err := k.api.Merge(ctx, k.repo, v1.Merge{From: "dev", Into: "master", Rules: rules, NoFastForward: true, Squash: true})
		if err != nil && strings.Contains(err.Error(), "braces") {
			return err
		}
	}
	return nil
}

// refused wants a pattern to be refused as one that is too much work.
func (k *worker) refused(pattern string) error {
	_, err := k.api.Merge(k.ctx, k.repo, v1.Merge{From: "dev", Into: "master", Rules: []v1.MergeRule{{Pattern: pattern, Strategy: "ours"}}})
	if err == nil || !strings.Contains(err.Error(), "braces") {
		return fmt.Errorf("pattern %.50s...: %w", pattern, err)
	}
	return nil
}

func deleteAbsent(k *worker) error {
	paths := make([]string, k.s.size(500_000))
	for i := range paths {
		paths[i] = strconv.Itoa(i)
	}
	if _, err := k.api.Delete(k.ctx, k.repo, v1.Delete{Ref: "master", Paths: paths}); err != nil {
		return err
	}
	list := deletion(1000, func(i int) (string, string) { return strconv.Itoa(i), "" })
	for range k.s.size(20) {
		if _, err := k.must(http.MethodPost, "/master."+k.repo+"?delete", list); err != nil {
			return err
		}
	}
	return nil
}

// deletion is a document of DeleteObjects.
func deletion(n int, item func(int) (key, version string)) []byte {
	var b bytes.Buffer
	b.WriteString("<Delete><Quiet>true</Quiet>")
	for i := range n {
		key, version := item(i)
		fmt.Fprintf(&b, "<Object><Key>%s</Key>", key)
		if version != "" {
			fmt.Fprintf(&b, "<VersionId>%s</VersionId>", version)
		}
		b.WriteString("</Object>")
	}
	b.WriteString("</Delete>")
	return b.Bytes()
}

func manyVersions(k *worker) error {
	n := k.s.size(20_000)
	k.ids = make([]string, n)
	return k.each(n, func(i int) error {
		a, err := k.must(http.MethodPut, "/master."+k.repo+"/k", []byte(strconv.Itoa(i)))
		k.ids[i] = a.header.Get("X-Amz-Version-Id")
		return err
	})
}

func removeVersions(k *worker) error {
	for at := 0; at+1 < len(k.ids) && at < 4000; at += 1000 {
		list := deletion(min(1000, len(k.ids)-at), func(i int) (string, string) { return "k", k.ids[at+i] })
		if _, err := k.must(http.MethodPost, "/master."+k.repo+"?delete", list); err != nil {
			return err
		}
	}
	return nil
}

func manyOpen(k *worker) error {
	n := k.s.size(5000)
	k.ids = make([]string, n)
	return k.each(n, func(i int) error {
		c, err := k.api.StartCommit(k.ctx, k.repo, "master", "")
		k.ids[i] = c.ID
		return err
	})
}

func removeByPrefix(k *worker) error {
	list := deletion(1000, func(i int) (string, string) { return "k", k.ids[i%len(k.ids)][:8] })
	for range k.s.size(20) {
		if _, err := k.must(http.MethodPost, "/master."+k.repo+"?delete", list); err != nil {
			return err
		}
	}
	return nil
}

func tombstones(k *worker) error {
	n := k.s.size(200_000)
	if err := k.put("master", n, "f", 1); err != nil {
		return err
	}
	if _, err := k.api.CreateBranch(k.ctx, k.repo, "dev", "master"); err != nil {
		return err
	}
	paths := make([]string, n)
	for i := range paths {
		paths[i] = fmt.Sprint("f", i)
	}
	_, err := k.api.Delete(k.ctx, k.repo, v1.Delete{Ref: "dev", Paths: paths})
	return err
}

func deleteBucket(k *worker) error {
	_, err := k.must(http.MethodDelete, "/dev."+k.repo, nil)
	return err
}

func manyBranches(k *worker) error {
	return k.each(k.s.size(5000), func(i int) error {
		_, err := k.api.CreateBranch(k.ctx, k.repo, fmt.Sprint("b", i), "")
		return err
	})
}

func deleteRepo(k *worker) error { return k.api.DeleteRepo(k.ctx, k.repo, true) }

func deleteUser(k *worker) error {
	name := fmt.Sprint("many-keys", k.try)
	u, err := k.v.user(k.ctx, name)
	if err != nil {
		return err
	}
	err = k.each(k.s.size(10_000), func(int) error {
		_, err := u.api.CreateKey(k.ctx, v1.Key{User: name})
		return err
	})
	if err != nil {
		return err
	}
	return k.v.root.api.DeleteUser(k.ctx, name)
}

func manyParts(k *worker) error {
	a, err := k.must(http.MethodPost, "/master."+k.repo+"/k?uploads", nil)
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(a.body), "<UploadId>")
	id, _, _ := strings.Cut(rest, "<")
	k.ids = []string{id}
	return k.each(k.s.size(10_000), func(i int) error {
		_, err := k.must(http.MethodPut, fmt.Sprintf("/master.%s/k?partNumber=%d&uploadId=%s", k.repo, i+1, id), []byte("x"))
		return err
	})
}

func abortUpload(k *worker) error {
	_, err := k.must(http.MethodDelete, "/master."+k.repo+"/k?uploadId="+k.ids[0], nil)
	return err
}

// longSettings gives a branch as long a CORS document as there may be.
func longSettings(k *worker) error {
	var b bytes.Buffer
	b.WriteString(`<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod>`)
	for i := 0; b.Len() < 63<<10; i++ {
		fmt.Fprintf(&b, "<AllowedOrigin>http://%d.example</AllowedOrigin>", i)
	}
	b.WriteString(`</CORSRule></CORSConfiguration>`)
	_, err := k.must(http.MethodPut, "/master."+k.repo+"?cors", b.Bytes())
	return err
}

func putSmall(k *worker) error {
	return k.each(k.s.size(2000), func(i int) error {
		_, err := k.must(http.MethodPut, fmt.Sprintf("/master.%s/%d", k.repo, i), []byte("x"))
		return err
	})
}

// finishMany stages many files, finishes them, and stages as many that are given up.
func finishMany(k *worker) error {
	n := k.s.size(100_000)
	for _, last := range []func(id string) error{
		func(id string) error {
			_, err := k.api.FinishCommit(k.ctx, k.repo, id, v1.FinishCommit{})
			return err
		},
		func(id string) error { return k.api.AbortCommit(k.ctx, k.repo, id) },
	} {
		c, err := k.api.StartCommit(k.ctx, k.repo, "master", "")
		if err == nil {
			err = k.put(c.ID, n, "s", 1)
		}
		if err == nil {
			err = last(c.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// updates is how many updates took no longer than each limit, in ms.
type updates map[float64]float64

// updates reads them from the server's metrics.
func (v *server) updates(ctx context.Context) (updates, error) {
	a, err := v.root.ask(ctx, http.MethodGet, "/_caret/metrics", nil)
	if err != nil {
		return nil, err
	}
	u := make(updates)
	for lines := bufio.NewScanner(bytes.NewReader(a.body)); lines.Scan(); {
		rest, ok := strings.CutPrefix(lines.Text(), `caret_update_seconds_bucket{le="`)
		if !ok {
			continue
		}
		le, count, _ := strings.Cut(rest, `"} `)
		limit, err := strconv.ParseFloat(le, 64)
		if err != nil {
			return nil, err
		}
		if u[limit*1000], err = strconv.ParseFloat(count, 64); err != nil {
			return nil, err
		}
	}
	if len(u) == 0 {
		return nil, errors.New("the metrics have no caret_update_seconds")
	}
	return u, nil
}

// slowestSince is the lowest limit that none of the updates since then took longer than.
func (u updates) slowestSince(before updates) float64 {
	all := u[math.Inf(1)] - before[math.Inf(1)]
	slowest := math.Inf(1)
	for limit, n := range u {
		if n-before[limit] == all {
			slowest = min(slowest, limit)
		}
	}
	return slowest
}
