package api

import (
	v1 "caret/api/v1"
)

// status tells administrators how the server is. What it says of the process is for whoever
// runs it to know.
func (s *server) status(c *call) error {
	jobs, err := c.fs.Jobs(c.Context())
	if err != nil {
		return err
	}
	out := v1.Status{Ready: true, Health: "ok", Limits: []v1.Limit{}}
	if s.opts.Status != nil {
		if out, err = s.opts.Status(c.Context()); err != nil {
			return err
		}
	}
	out.Jobs = v1.Jobs{
		OpenCommits: jobs.OpenCommits, Finishing: jobs.Finishing, Staging: jobs.Staging,
		Uploads: jobs.Uploads, Unpacking: jobs.Unpacking, Folding: jobs.Folding, Dropping: jobs.Dropping,
	}
	return c.ok(out)
}
