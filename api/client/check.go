package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"

	v1 "caret/api/v1"
)

// CheckOptions say what Check checks.
type CheckOptions struct {
	Repo  string // "" checks all that is stored
	Quick bool   // rows alone, no content
	// At, if set, is called about every second with how far the check is, and with
	// what it came to in the end.
	At func(v1.Checked)
}

// errCutOff: a check ended without saying that it was done.
var errCutOff = errors.New("the check was cut off; the server's log tells more")

// Check has the server read all that is stored and verify it, for administrators, and
// is what is damaged, as it is found. The sequence ends after the first error.
func (c *Client) Check(ctx context.Context, opt CheckOptions) iter.Seq2[v1.Damage, error] {
	return func(yield func(v1.Damage, error) bool) {
		q := url.Values{}
		if opt.Repo != "" {
			q.Set("repo", opt.Repo)
		}
		if opt.Quick {
			q.Set("quick", "true")
		}
		resp, err := c.do(ctx, request{method: http.MethodGet, path: []string{"check"}, query: q})
		if err != nil {
			yield(v1.Damage{}, err)
			return
		}
		defer resp.Body.Close()
		for lines := json.NewDecoder(resp.Body); ; {
			var line v1.CheckLine
			if err := lines.Decode(&line); err != nil {
				if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
					err = fmt.Errorf("%w: %w", errCutOff, io.ErrUnexpectedEOF)
				}
				yield(v1.Damage{}, err)
				return
			}
			switch at := line.Progress; {
			case line.Damage != nil:
				if !yield(*line.Damage, nil) {
					return
				}
			case at != nil && opt.At != nil:
				opt.At(*at)
			case line.Done != nil:
				if opt.At != nil {
					opt.At(*line.Done)
				}
				return
			}
		}
	}
}
