package main

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
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
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"caret/objstore"
	"caret/objstore/content"
)

// server is the real binary in a process of its own, and who asks it.
type server struct {
	cmd    *exec.Cmd
	url    string
	client *http.Client
	day    string
	access string
	key    []byte // that requests of the day are signed with
}

const (
	accessKey = "BENCH"
	secretKey = "bench-secret"
)

// binary builds the binary, once.
func (b *bench) binary() (string, error) {
	bin := filepath.Join(b.dir, "caret")
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	if out, err := exec.CommandContext(b.ctx, "go", "build", "-o", bin, "caret/cmd/caret").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return bin, nil
}

func (b *bench) startServer(name string) (*server, error) {
	bin, err := b.binary()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(b.ctx, bin, "serve", "--data", filepath.Join(b.dir, name), "--listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "CARET_ROOT_ACCESS_KEY="+accessKey, "CARET_ROOT_SECRET_KEY="+secretKey)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: cmd, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128, WriteBufferSize: 256 << 10, ReadBufferSize: 256 << 10}}}
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if _, url, ok := strings.Cut(lines.Text(), " at "); ok && strings.HasPrefix(url, "http") {
			s.url = url
			break
		}
	}
	if s.url == "" {
		return nil, errors.New("the server did not start")
	}
	go io.Copy(io.Discard, stderr) //nolint:errcheck // only keeps the pipe empty
	s.day = time.Now().UTC().Format("20060102")
	s = s.as(accessKey, secretKey)
	return s, s.do("PUT", "/master.bench", nil)
}

// as is the server as it is asked with another key.
func (s *server) as(accessKey, secretKey string) *server {
	as := *s
	as.access = accessKey
	as.key = sum(sum(sum(sum([]byte("AWS4"+secretKey), s.day), "us-east-1"), "s3"), "aws4_request")
	return &as
}

func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return s.cmd.Wait()
}

func sum(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// do sends a signed request and throws the answer away.
func (s *server) do(method, path string, body []byte) error {
	return s.stream(method, path, bytes.NewReader(body), int64(len(body)))
}

// stream is do with a body that is not held in memory.
func (s *server) stream(method, path string, body io.Reader, size int64) error {
	r, err := http.NewRequest(method, s.url+path, body)
	if err != nil {
		return err
	}
	r.ContentLength = size
	s.sign(r)
	resp, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var failure bytes.Buffer
	w := io.Discard
	if resp.StatusCode != http.StatusOK {
		w = &failure
	}
	// Without the shortcut of io.Discard, which reads 8 KiB at a time.
	if _, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{resp.Body}, make([]byte, 64<<10)); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s %s", method, path, resp.Status, failure.String())
	}
	return nil
}

// sign signs a request cheaply: clients run on the cores that are measured.
func (s *server) sign(r *http.Request) {
	const payload, signed = "UNSIGNED-PAYLOAD", "host;x-amz-content-sha256;x-amz-date"
	now := time.Now().UTC().Format("20060102T150405Z")
	canonical := r.Method + "\n" + r.URL.Path + "\n" + r.URL.RawQuery + "\nhost:" + r.URL.Host + "\nx-amz-content-sha256:" + payload + "\nx-amz-date:" + now + "\n\n" + signed + "\n" + payload
	hash := sha256.Sum256([]byte(canonical))
	scope := s.day + "/us-east-1/s3/aws4_request"
	sig := sum(s.key, "AWS4-HMAC-SHA256\n"+now+"\n"+scope+"\n"+hex.EncodeToString(hash[:]))
	r.Header["X-Amz-Date"], r.Header["X-Amz-Content-Sha256"] = []string{now}, []string{payload}
	r.Header["Authorization"] = []string{"AWS4-HMAC-SHA256 Credential=" + s.access + "/" + scope + ", SignedHeaders=" + signed + ", Signature=" + hex.EncodeToString(sig)}
}

// field reads a number from a file of /proc about the server.
func (s *server) field(file, name string) float64 {
	var v float64
	eachLine(fmt.Sprintf("/proc/%d/%s", s.cmd.Process.Pid, file), func(l string) {
		if rest, ok := strings.CutPrefix(l, name+":"); ok {
			v, _ = strconv.ParseFloat(strings.Fields(rest)[0], 64)
		}
	})
	return v
}

// device is how many bytes were written to the device that the bench is on, by
// whomever: what a process is said to have written counts all of a large page
// for each byte that changes in it.
func (b *bench) device() (written float64) {
	var st unix.Stat_t
	if unix.Stat(b.dir, &st) != nil {
		return 0
	}
	eachLine("/proc/diskstats", func(l string) {
		f := strings.Fields(l)
		if len(f) > 9 && f[0] == fmt.Sprint(unix.Major(st.Dev)) && f[1] == fmt.Sprint(unix.Minor(st.Dev)) {
			written, _ = strconv.ParseFloat(f[9], 64)
		}
	})
	return written * 512
}

// cpu is the CPU time the server has used.
func (s *server) cpu() time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond // of 1/100 s
}

func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	rand.NewChaCha8(key).Read(b) //nolint:errcheck // never fails
	return b
}

// http measures small objects through the whole server.
func (b *bench) http() error {
	s, err := b.startServer("http")
	if err != nil {
		return err
	}
	var n atomic.Uint64
	unix.Sync()
	written := b.device()
	for _, writers := range writerCounts {
		bodies := make([][]byte, writers)
		for i := range bodies {
			bodies[i] = random(uint64(i), 4096)
		}
		count, took, err := parallel(writers, until(time.Now().Add(measureFor)), func(w int) error {
			k := n.Add(1)
			copy(bodies[w], fmt.Sprintf("%020d", k))
			return s.do("PUT", "/master.bench/"+path(k), bodies[w])
		})
		if err != nil {
			return err
		}
		limit := 0.0
		if writers == 32 {
			limit = 4357 // 5x a peer that syncs, 1.7x the fastest that does not
		}
		b.add(fmt.Sprintf("HTTP: durable PUT of 4 KiB, %d clients on the same cores", writers), "/s", float64(count)/took.Seconds(), limit, true)
	}
	top := n.Load()
	unix.Sync()
	b.add("bytes written to the device per PUT of 4 KiB", "bytes", (b.device()-written)/float64(top), 0, false)
	count, took, err := parallel(32, until(time.Now().Add(measureFor)), func(int) error {
		return s.do("GET", "/master.bench/"+path(n.Add(1)%top+1), nil)
	})
	if err != nil {
		return err
	}
	b.add("HTTP: GET of 4 KiB, 32 clients on the same cores", "/s", float64(count)/took.Seconds(), 6693, true)
	return s.stop()
}

const mib = 1 << 20

// large measures large objects, and what of the work is hashing and cutting.
func (b *bench) large() error {
	s, err := b.startServer("large")
	if err != nil {
		return err
	}
	const size, rounds, clients = 64 * mib, 6, 4
	bodies := make([][]byte, clients)
	for i := range bodies {
		bodies[i] = random(uint64(i), size)
	}
	unix.Sync()
	written, cpu, begin := b.device(), s.cpu(), time.Now()
	for r := range rounds {
		if _, _, err := parallel(clients, oneEach(clients), func(w int) error {
			for i := 0; i < size; i += 4096 { // new content without making it anew
				bodies[w][i]++
			}
			return s.do("PUT", fmt.Sprintf("/master.bench/%d-%d", r, w), bodies[w])
		}); err != nil {
			return err
		}
	}
	took, total := time.Since(begin), float64(rounds*clients*size)
	used := (s.cpu() - cpu).Seconds()
	unix.Sync()
	written = b.device() - written
	b.add("PUT of 64 MiB, 4 clients on the same cores", "MiB/s", total/mib/took.Seconds(), 507, true)
	plain, err := b.plainWrites(bodies, rounds)
	if err != nil {
		return err
	}
	b.add("the disk alone: the same bytes written to plain files, each synced", "MiB/s", total/mib/plain.Seconds(), 0, true)
	hash, chunk := costs(bodies[0])
	b.add("share of the server's CPU in PUT that is hashing", "%", 100*hash*total/used, 0, false)
	b.add("share of the server's CPU in PUT that is cutting", "%", 100*chunk*total/used, 0, false)
	b.add("bytes written to the device per byte of PUT", "", written/total, 1.15, false)
	begin = time.Now()
	var n atomic.Int64
	count, _, err := parallel(clients, func(done int64) bool { return done >= 4*rounds*clients }, func(int) error {
		i := int(n.Add(1)) % (rounds * clients)
		return s.do("GET", fmt.Sprintf("/master.bench/%d-%d", i/clients, i%clients), nil)
	})
	if err != nil {
		return err
	}
	b.add("GET of 64 MiB, 4 clients on the same cores, every byte verified", "MiB/s", float64(count*size)/mib/time.Since(begin).Seconds(), 2116, true)
	return s.stop()
}

// plainWrites is how long the disk takes for bodies without a server.
func (b *bench) plainWrites(bodies [][]byte, rounds int) (time.Duration, error) {
	dir := filepath.Join(b.dir, "plain")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, err
	}
	begin := time.Now()
	for r := range rounds {
		if _, _, err := parallel(len(bodies), oneEach(len(bodies)), func(w int) error {
			f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%d-%d", r, w)))
			if err != nil {
				return err
			}
			_, err = f.Write(bodies[w])
			return errors.Join(err, f.Sync(), f.Close())
		}); err != nil {
			return 0, err
		}
	}
	took := time.Since(begin)
	return took, os.RemoveAll(dir)
}

// oneEach lets each of n workers run once.
func oneEach(n int) func(int64) bool {
	var begun atomic.Int64
	return func(int64) bool { return begun.Add(1) > int64(n) }
}

// costs is the CPU time per byte of hashing and of cutting, alone.
func costs(data []byte) (hash, chunk float64) {
	begin := time.Now()
	objstore.Sum(data) // each byte is hashed as part of its chunk and of the whole
	objstore.Sum(data)
	hash = time.Since(begin).Seconds() / float64(len(data))
	begin = time.Now()
	c, err := content.NewChunker(bytes.NewReader(data), make([]byte, 4*mib))
	if err != nil {
		return hash, 0
	}
	for err == nil {
		_, err = c.Next()
	}
	return hash, time.Since(begin).Seconds() / float64(len(data))
}

// endless is a body of n bytes that no two readers share.
type endless struct {
	block []byte
	off   int
	left  int64
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(int64(len(p)), e.left)], e.block[e.off:])
	e.off = (e.off + n) % len(e.block)
	e.left -= int64(n)
	return n, nil
}

// memory measures how much a server holds under many uploads at once.
func (b *bench) memory() error {
	s, err := b.startServer("memory")
	if err != nil {
		return err
	}
	const uploads, size = 64, 256 * mib
	block := random(1, 8*mib+4099)
	var n atomic.Int64
	if _, _, err := parallel(uploads, oneEach(uploads), func(int) error {
		i := int(n.Add(1))
		return s.stream("PUT", fmt.Sprintf("/master.bench/%d", i), &endless{block: block, off: i * 65537, left: size}, size)
	}); err != nil {
		return err
	}
	b.add("most memory resident under 64 concurrent uploads of 256 MiB", "MiB", s.field("status", "VmHWM")/1024, 512, false)
	return s.stop()
}

// dedup measures what is stored for content that is there already, or nearly.
func (b *bench) dedup() error {
	e, err := b.openEngine("dedup")
	if err != nil {
		return err
	}
	const size = 1 << 30
	data := random(7, size)
	store := func() error {
		w := e.fs.NewFile(b.ctx, size)
		defer w.Abort()
		if _, err := w.ReadFrom(bytes.NewReader(data)); err != nil {
			return err
		}
		_, err := w.Close()
		return err
	}
	if err := store(); err != nil {
		return err
	}
	first := e.store.Stats().Bytes
	if err := store(); err != nil {
		return err
	}
	again := e.store.Stats().Bytes - first
	b.add("bytes stored for the same 1 GiB again", "bytes", float64(again), 0.5, false)
	copy(data[size/2:], random(8, mib))
	if err := store(); err != nil {
		return err
	}
	b.add("stored for 1 GiB with 1 MiB changed in its middle", "MiB", float64(e.store.Stats().Bytes-first)/mib, 8, false)
	return e.close()
}
