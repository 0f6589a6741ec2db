package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// silent answers with text and then with nothing more, until the request is
// given up.
type silent struct {
	text io.Reader
	ctx  context.Context
}

func (s silent) Read(p []byte) (int, error) {
	if n, err := s.text.Read(p); err == nil {
		return n, nil
	}
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestSilence: a connection that says nothing any more is taken for lost, and
// one that cannot be made is tried again less and less often.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		event := func(id string) string { return fmt.Sprintf("id: %s\nevent: commit\ndata: {%q:%q}\n\n", id, "id", id) }
		const down = 8
		tries := 0
		c := New("http://server", "access key", "secret key")
		c.http = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			text := ": watching\nid: a\n\n" + strings.TrimSuffix(event("b"), "\n") // the blank line never comes
			switch tries++; {
			case tries > down+1:
				if last := r.Header.Get("Last-Event-ID"); last != "a" {
					t.Errorf("goes on behind %q, want a", last)
				}
				text = event("b") + event("c")
			case tries > 1:
				return nil, io.ErrUnexpectedEOF
			}
			return &http.Response{
				StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}},
				Body: io.NopCloser(silent{strings.NewReader(text), r.Context()}),
			}, nil
		})}
		began := time.Now()
		got := ""
		for x, err := range c.Watch(t.Context(), "r", "master", "", "") {
			if err != nil {
				t.Fatal(err)
			}
			if got += x.ID; got == "bc" {
				break
			}
			if took := time.Since(began); took < silence || took > silence+down*maxPause {
				t.Errorf("the commit came after %s", took)
			}
			<-time.After(10 * silence) // whoever takes a commit may take long; the clock is the bubble's
		}
		if got != "bc" || tries != down+2 {
			t.Errorf("%q, %d connections", got, tries)
		}
	})
}
