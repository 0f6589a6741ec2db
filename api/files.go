package api

import (
	"io"
	"net/http"
	"strconv"

	"caret/api/v1"
	"caret/commits"
	"caret/pfs"
)

func wireFile(it pfs.Item) v1.File {
	if it.Prefix != "" {
		return v1.File{Prefix: it.Prefix}
	}
	return v1.File{
		Path: it.Path, Size: it.Size(), Hash: it.Content.Hash.String(), Modified: &it.Modified,
		Commit: it.Commit.String(), ContentType: it.Attrs.ContentType, Meta: it.Attrs.Meta,
	}
}

func (s *server) listFiles(c *call) error {
	after, limit, err := c.page()
	if err != nil {
		return err
	}
	snap, err := s.snapshot(c)
	if err != nil {
		return err
	}
	q := c.URL.Query()
	list, err := snap.List(c.Context(), pfs.ListOptions{Prefix: q.Get("prefix"), Delimiter: q.Get("delimiter"), After: after, Limit: limit})
	if err != nil {
		return err
	}
	page := wirePage(list.Items, len(list.Items), wireFile, nil)
	page.Next = list.Next
	return c.ok(page)
}

func (s *server) statFile(c *call) error {
	_, info, err := s.find(c)
	if err != nil {
		return err
	}
	return c.ok(wireFile(pfs.Item{Info: info}))
}

// find finds the file that ref and path in the query mean.
func (s *server) find(c *call) (*pfs.Snapshot, pfs.Info, error) {
	snap, err := s.snapshot(c)
	if err != nil {
		return nil, pfs.Info{}, err
	}
	info, err := snap.Stat(c.Context(), c.URL.Query().Get("path"))
	return snap, info, err
}

func (s *server) getFile(c *call) error {
	snap, info, err := s.find(c)
	if err != nil {
		return err
	}
	body, err := snap.Read(c.Context(), info, 0, -1)
	if err != nil {
		return err
	}
	defer body.Close()
	h := c.w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.FormatInt(info.Size(), 10))
	h.Set("X-Caret-Hash", info.Content.Hash.String())
	n, err := io.Copy(c.w, body)
	if err == nil {
		return nil
	}
	if n == 0 {
		h.Del("Content-Length")
		return err
	}
	panic(http.ErrAbortHandler) // so that no client takes it for the end
}

func (s *server) putFile(c *call) error {
	q := c.URL.Query()
	ref, err := c.ref(q.Get("ref"))
	if err != nil {
		return err
	}
	if err := s.fs.CheckWritable(c.Context(), ref); err != nil {
		return err
	}
	w := s.fs.NewFile(c.Context(), c.caller.Length)
	defer w.Abort()
	if _, err := w.ReadFrom(c.caller.Body); err != nil {
		return err
	}
	part, err := w.Close()
	if err != nil {
		return err
	}
	attrs := commits.Attrs{ContentType: c.Header.Get("Content-Type")}
	done, err := s.fs.Put(c.Context(), ref, q.Get("path"), part.Content, attrs, c.options(q.Get("message")))
	if err != nil {
		return err
	}
	return c.ok(v1.Written{Commit: done.Commit.String(), Files: 1})
}

func (s *server) deleteFiles(c *call) error {
	var in v1.Delete
	if err := c.read(&in); err != nil {
		return err
	}
	ref, err := c.ref(in.Ref)
	if err != nil {
		return err
	}
	done, err := s.fs.Delete(c.Context(), ref, in.Paths, c.options(in.Message))
	if err != nil {
		return err
	}
	out := v1.Written{}
	if !done.Commit.IsZero() {
		out.Commit = done.Commit.String()
	}
	for _, existed := range done.Existed {
		if existed {
			out.Files++
		}
	}
	return c.ok(out)
}
