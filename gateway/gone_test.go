package gateway_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"caret/pfs"
)

// halfSent sends a PUT of an archive of which only the first sent bytes come, and
// returns the status of the answer.
func (s server) halfSent(t *testing.T, body []byte, sent int) int {
	t.Helper()
	r, err := http.NewRequest("PUT", s.URL+"/"+bucket+"/a.tar", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Meta-Snowball-Auto-Extract", "true")
	sign(t, r, accessKey, secretKey, time.Now())
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(wire.Bytes()[:wire.Len()-len(body)+sent]); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil {
		t.Fatalf("after %d bytes: %v", sent, err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// TestArchiveOfClientThatIsGone: an archive of which the end does not come is not stored,
// wherever it is cut; and what is told of one that came whole is what happened.
func TestArchiveOfClientThatIsGone(t *testing.T) {
	t.Parallel()
	s, _ := newBucket(t)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := range 4 {
		if err := w.WriteHeader(&tar.Header{Name: fmt.Sprint("member", i), Size: 600, Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte("x"), 600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	body := append(b.Bytes(), make([]byte, 2048)...) // padded, as tar does it
	for sent := 0; sent < len(body); sent += 256 {
		if status := s.halfSent(t, body, sent); status < 400 {
			t.Errorf("%d of %d bytes: %d", sent, len(body), status)
		}
	}
	s.checkEmpty(t)
	for range 20 {
		before, err := s.fs.Open(t.Context(), pfs.Ref{Repo: "sales"}, pfs.ActList, "")
		if err != nil {
			t.Fatal(err)
		}
		status := s.halfSent(t, body, len(body))
		now, err := s.fs.Open(t.Context(), pfs.Ref{Repo: "sales"}, pfs.ActList, "")
		if made := err == nil && now.N == before.N+1; err != nil || made != (status == 200) {
			t.Errorf("whole: made %v, and %d is told, %v", made, status, err)
		}
	}
}
