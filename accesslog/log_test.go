package accesslog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"caret/accesslog"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func open(t *testing.T, path string) *accesslog.Log {
	t.Helper()
	l, err := accesslog.Open(path, nil, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// lines reads a log of which every line must be one of JSON.
func lines(t *testing.T, text string) (list []map[string]any) {
	t.Helper()
	if text != "" && !strings.HasSuffix(text, "\n") {
		t.Errorf("the log ends in the midst of a line: %q", text)
	}
	for line := range strings.Lines(text) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		list = append(list, v)
	}
	return list
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestFile: what was added is in the file when the log is closed, in a file that nobody else
// reads; another log goes on behind it.
func TestFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	for round := range 2 {
		l := open(t, path)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for k := range 500 {
					l.Add(&accesslog.Entry{ID: fmt.Sprint(round, i, k), Operation: "GetObject", Status: 200})
				}
			})
		}
		wg.Wait()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l.Add(&accesslog.Entry{ID: "late"})
		if err := l.Close(); err != nil || l.Dropped() != 1 {
			t.Errorf("closed again: %v; dropped %d, want 1", err, l.Dropped())
		}
	}
	seen := map[any]bool{}
	for _, v := range lines(t, readFile(t, path)) {
		seen[v["id"]] = true
	}
	if len(seen) != 8000 {
		t.Errorf("%d lines of 8000", len(seen))
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

// TestHostileNames: whatever is in a name, its line is one line of printable text, of limited
// length, and says what it was as far as it is UTF-8.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for c := rune(0); c < 0x2100; c++ {
		all.WriteRune(c)
	}
	path := filepath.Join(t.TempDir(), "access.log")
	l := open(t, path)
	names := []string{
		"a\nb", "a\r\n{\"id\":\"forged\"}\n", "\x1b[2J\u009b2J\u0085x\x7f", "\u2028\u2029\ufeff", "\"\\", "<&>", "\xff\xfe", "é€😀", strings.Repeat("é", 100_000), all.String()[:1000],
	}
	for i, n := range names {
		l.Add(&accesslog.Entry{ID: fmt.Sprint(i), Object: n, Bucket: n, Version: n, User: n, Path: n, Ref: n, Repo: n, Operation: n, Method: n, Error: n, Key: n, Commit: n, Address: n})
	}
	l.Close()
	text := readFile(t, path)
	for _, c := range text {
		if unicode.IsControl(c) && c != '\n' || c == '\u2028' || c == '\u2029' {
			t.Errorf("%U is in the log", c)
		}
	}
	list := lines(t, text)
	if len(list) != len(names) {
		t.Fatalf("%d lines of %d names", len(list), len(names))
	}
	for i, v := range list {
		want := strings.ToValidUTF8(names[i], "\ufffd")
		if names[i] == "\xff\xfe" {
			want = "\ufffd\ufffd"
		}
		if len(want) > 1024 {
			want = want[:1024] + "..."
		}
		if v["id"] != fmt.Sprint(i) || v["key"] != want || v["bucket"] != want || v["method"] != want {
			t.Errorf("%q is told as %q", want, v["key"])
		}
	}
}

// TestLine: a line has every field of its entry, by the name that the entry's tag says.
func TestLine(t *testing.T) {
	t.Parallel()
	var e accesslog.Entry
	v := reflect.ValueOf(&e).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString(fmt.Sprint("text ", i))
		case reflect.Int, reflect.Int64:
			f.SetInt(int64(i))
		case reflect.Float64:
			f.SetFloat(0.125)
		case reflect.Bool:
			f.SetBool(true)
		default:
			f.Set(reflect.ValueOf(time.Date(2026, 11, 20, 12, 0, 0, 123456000, time.UTC)))
		}
	}
	path := filepath.Join(t.TempDir(), "access.log")
	l := open(t, path)
	l.Add(&e)
	l.Close()
	var got accesslog.Entry
	d := json.NewDecoder(strings.NewReader(readFile(t, path)))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil || got != e {
		t.Errorf("%+v, want %+v; %v", got, e, err)
	}
}

// TestReopen: after its file was moved away the log goes on in another one, and no line is in
// neither or both. If no other can be made it goes on in the old one.
func TestReopen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "access.log")
	l := open(t, path)
	for i := range 20 {
		for k := range 100 {
			l.Add(&accesslog.Entry{ID: fmt.Sprint(i, " ", k)})
		}
		if err := os.Rename(path, filepath.Join(dir, fmt.Sprint("old", i))); err != nil {
			t.Fatal(err)
		}
		if err := l.Reopen(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(path, filepath.Join(dir, "old")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err == nil {
		t.Error("opened a folder")
	}
	l.Add(&accesslog.Entry{ID: "last"})
	l.Close()
	files, err := filepath.Glob(filepath.Join(dir, "old*"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[any]int{}
	for _, f := range files {
		for _, v := range lines(t, readFile(t, f)) {
			seen[v["id"]]++
		}
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s is there %d times", id, n)
		}
	}
	if len(seen) != 2001 || seen["last"] != 1 {
		t.Errorf("%d lines, want 2001", len(seen))
	}
}

// TestTorn: a line that a crash cut short stays one of its own.
func TestTorn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	if err := os.WriteFile(path, []byte(`{"id":"1"}`+"\n"+`{"id":"2`), 0o600); err != nil {
		t.Fatal(err)
	}
	l := open(t, path)
	l.Add(&accesslog.Entry{ID: "3"})
	l.Close()
	if got := strings.Split(readFile(t, path), "\n"); len(got) != 4 || got[1] != `{"id":"2` || !strings.Contains(got[2], `"id":"3"`) {
		t.Errorf("%q", got)
	}
}

// sink is a file that takes what it is told to.
type sink struct {
	mu    sync.Mutex
	text  bytes.Buffer
	left  int           // bytes that it takes; -1: all
	taken chan struct{} // gets one for each write
	gate  chan struct{} // closed when it takes anything at all
}

func (s *sink) Write(p []byte) (int, error) {
	if s.taken != nil {
		s.taken <- struct{}{}
	}
	if s.gate != nil {
		<-s.gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left >= 0 && len(p) > s.left {
		n, _ := s.text.Write(p[:s.left])
		s.left = 0
		return n, errors.New("no space left on device")
	}
	if s.left >= 0 {
		s.left -= len(p)
	}
	return s.text.Write(p)
}

func (s *sink) take(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = n
}

// TestSlow: a file that takes nothing holds up no request. What does not fit into the buffer
// is dropped and counted, and the log says how many lines are missing, and where.
func TestSlow(t *testing.T) {
	t.Parallel()
	out := &sink{left: -1, taken: make(chan struct{}, 100), gate: make(chan struct{})}
	l, err := accesslog.Open("-", out, quiet())
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 1000)
	l.Add(&accesslog.Entry{ID: "first"})
	<-out.taken // it is stuck with that one
	const n = 8000
	for i := range n {
		l.Add(&accesslog.Entry{ID: fmt.Sprint(i), Object: long})
	}
	dropped := l.Dropped()
	if dropped < n/3 || dropped > 2*n/3 {
		t.Errorf("%d lines of %d KB dropped, of a buffer of 4 MiB", dropped, n)
	}
	close(out.gate)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	list := lines(t, out.text.String())
	if last := list[len(list)-1]; last["dropped"] != float64(dropped) || len(list) != 1+n-int(dropped)+1 {
		t.Errorf("%d lines, %d dropped; the last is %v", len(list), dropped, last)
	}
}

// TestFull: what a full disk does not take is dropped and counted, what it takes afterwards
// begins a line, and the server's log says so once.
func TestFull(t *testing.T) {
	t.Parallel()
	out := &sink{left: 250, taken: make(chan struct{}, 100)}
	var said bytes.Buffer
	l, err := accesslog.Open("-", out, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	add := func(ids ...string) {
		for _, id := range ids {
			l.Add(&accesslog.Entry{ID: id})
		}
		<-out.taken
	}
	add("1", "2", "3", "4") // it takes two, and a part of another
	add("5")                // nothing
	for deadline := time.Now().Add(10 * time.Second); l.Dropped() < 3 && time.Now().Before(deadline); {
		<-time.After(time.Millisecond)
	}
	out.take(-1)
	add("6")
	l.Close()
	text := strings.Split(strings.TrimSpace(out.text.String()), "\n")
	if len(text) != 5 || !strings.Contains(text[1], `"id":"2"`) || !strings.Contains(text[2], `"id":"3"`) || !strings.Contains(text[3], `"id":"6"`) || !strings.Contains(text[4], `"dropped":3`) {
		t.Errorf("%q", text)
	}
	if n := strings.Count(said.String(), "cannot be written"); n != 1 || l.Dropped() != 3 || !strings.Contains(said.String(), "written again") {
		t.Errorf("dropped %d; said %s", l.Dropped(), said.String())
	}
}

type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type known struct {
	http.ResponseWriter
	e *accesslog.Entry
}

func (k known) AccessEntry() *accesslog.Entry { return k.e }

// TestOf: the entry is found through whatever wraps the writer; without one there is another,
// and an id in the answer.
func TestOf(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("GET", "/b/k?X-Amz-Signature=secret", nil)
	r.RemoteAddr = "[2001:db8::1]:4711"
	w := httptest.NewRecorder()
	e := accesslog.New(w, r)
	if e.Address != "2001:db8::1" || e.Method != "GET" || len(e.ID) != 16 || w.Header().Get("x-amz-request-id") != e.ID {
		t.Errorf("%+v", e)
	}
	if got := accesslog.Of(wrapped{wrapped{known{wrapped{w}, e}}}, r); got != e {
		t.Error("it was not found")
	}
	if got := accesslog.Of(wrapped{w}, r); got == e || got.ID != w.Header().Get("x-amz-request-id") {
		t.Errorf("%+v", got)
	}
}

func BenchmarkAdd(b *testing.B) {
	l, err := accesslog.Open("-", io.Discard, quiet())
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	e := accesslog.Entry{
		Time: time.Now().UTC(), ID: "0123456789ABCDEF", Address: "192.0.2.1", User: "alice", Key: "CARETABCDEFGHIJKLMNO", Method: "GET", Operation: "GetObject",
		Bucket: "master.sales", Object: "june/figures.csv", Commit: "0123456789abcdef0123456789abcdef", Status: 200, Sent: 4096, Seconds: 0.000123,
	}
	b.ReportAllocs()
	for b.Loop() {
		l.Add(&e)
	}
}
