package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestPatience: a server that is silent for too long, wherever in an exchange, is
// given up; what is slow elsewhere is not its fault.
func TestPatience(t *testing.T) {
	t.Parallel()
	answer := func(body io.Reader) *http.Response {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(body), ContentLength: 4}
	}
	wait := func(r *http.Request) error {
		<-r.Context().Done()
		return r.Context().Err()
	}
	read := func(t *testing.T, c *Client) error {
		body, _, err := c.Get(t.Context(), "r", "master", "f")
		if err != nil {
			return err
		}
		defer body.Close()
		<-time.After(2 * patience) // who reads may take long
		_, err = io.ReadAll(body)
		return err
	}
	put := func(t *testing.T, c *Client) error {
		slow := readerFunc(func() { <-time.After(2 * patience) })
		_, err := c.Put(t.Context(), "r", "master", "f", "", "", io.MultiReader(slow, strings.NewReader("data")), -1)
		return err
	}
	list := func(t *testing.T, c *Client) error {
		_, err := c.Files(t.Context(), "r", "master", "", "", "", 0)
		return err
	}
	for how, x := range map[string]struct {
		call   func(*testing.T, *Client) error
		serve  transport
		silent bool
	}{
		"no answer": {list, func(r *http.Request) (*http.Response, error) { return nil, wait(r) }, true},
		"half an answer": {list, func(r *http.Request) (*http.Response, error) {
			return answer(silent{strings.NewReader("{"), r.Context()}), nil
		}, true},
		"no file": {read, func(r *http.Request) (*http.Response, error) { return nil, wait(r) }, true},
		"half a file": {read, func(r *http.Request) (*http.Response, error) {
			return answer(silent{strings.NewReader("da"), r.Context()}), nil
		}, true},
		"a file":        {read, func(*http.Request) (*http.Response, error) { return answer(strings.NewReader("data")), nil }, false},
		"takes nothing": {put, func(r *http.Request) (*http.Response, error) { return nil, wait(r) }, true},
		"says nothing":  {put, func(r *http.Request) (*http.Response, error) { io.Copy(io.Discard, r.Body); return nil, wait(r) }, true},
		"takes and thanks": {put, func(r *http.Request) (*http.Response, error) {
			io.Copy(io.Discard, r.Body)
			return answer(strings.NewReader("{}")), nil
		}, false},
	} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := New("http://server", "access key", "secret key")
				c.http = &http.Client{Transport: x.serve}
				began := time.Now()
				err := x.call(t, c)
				if x.silent != errors.Is(err, errSilent) || !x.silent && err != nil {
					t.Errorf("after %s: %v", time.Since(began), err)
				}
			})
		})
	}
}

// readerFunc is an empty reader that does something first.
type readerFunc func()

func (f readerFunc) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

// TestEndlessAnswer: an answer that does not end does not fill the memory.
func TestEndlessAnswer(t *testing.T) {
	t.Parallel()
	c := New("http://server", "access key", "secret key")
	c.http = &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(io.MultiReader(strings.NewReader(`{"items":["`), spaces{}))}, nil
	})}
	if _, err := c.Files(t.Context(), "r", "master", "", "", "", 0); !errors.Is(err, errLong) {
		t.Error(err)
	}
}

// spaces are without end.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte{' '}, len(p))), nil }

// TestBodyAgain: a body that can be sent again on another connection still can.
func TestBodyAgain(t *testing.T) {
	t.Parallel()
	c := New("http://server", "access key", "secret key")
	c.http = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		for range 2 {
			body, err := r.GetBody()
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(body); err != nil || string(b) != "data" {
				t.Errorf("%q, %v", b, err)
			}
		}
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("{}"))}, nil
	})}
	if _, err := c.Put(context.Background(), "r", "master", "f", "", "", bytes.NewReader([]byte("data")), 4); err != nil {
		t.Error(err)
	}
}
