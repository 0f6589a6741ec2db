package api

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"

	v1 "caret/api/v1"
	"caret/pfs"
	"caret/pfs/byterange"
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
	q := c.URL.Query()
	var list pfs.ListPage
	err = c.view(pfs.ActList, "", func(snap *pfs.Snapshot) (err error) {
		list, err = snap.List(c.Context(), pfs.ListOptions{Prefix: q.Get("prefix"), Delimiter: q.Get("delimiter"), After: after, Limit: limit})
		return err
	})
	if err != nil {
		return err
	}
	page := wirePage(list.Items, len(list.Items), wireFile, nil)
	for i := range page.Items {
		page.Items[i].Meta = nil // who lists may not be who reads
	}
	page.Next = list.Next
	return c.ok(page)
}

func (s *server) statFile(c *call) error {
	_, info, err := c.find()
	if err != nil {
		return err
	}
	return c.ok(wireFile(pfs.Item{Info: info}))
}

// find finds the file that ref and path in the query mean.
func (c *call) find() (snap *pfs.Snapshot, info pfs.Info, err error) {
	path := c.URL.Query().Get("path")
	err = c.view(pfs.ActRead, path, func(s *pfs.Snapshot) (err error) {
		snap = s
		info, err = s.Stat(c.Context(), path)
		return err
	})
	return snap, info, err
}

func (s *server) getFile(c *call) error {
	snap, info, err := c.find()
	if err != nil {
		return err
	}
	h := c.w.Header()
	off, length, status, err := wanted(c.Header.Get("Range"), info.Size())
	if err != nil {
		h.Set("Content-Range", byterange.Unsatisfied(info.Size()))
		return err
	}
	body, err := snap.Read(c.Context(), info, off, length)
	if err != nil {
		return err
	}
	defer body.Close()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Accept-Ranges", "bytes")
	h.Set("X-Caret-Hash", info.Content.Hash.String())
	h.Set("X-Caret-Commit", info.Commit.String())
	h.Set("Content-Length", strconv.FormatInt(length, 10))
	if status == http.StatusPartialContent {
		h.Set("Content-Range", byterange.ContentRange(off, length, info.Size()))
	}
	if length == 0 || c.Method == http.MethodHead {
		c.w.WriteHeader(status)
		return nil
	}
	w := &startWriter{w: c.w, status: status}
	if _, err = io.Copy(w, body); err == nil {
		return nil
	}
	if !w.started {
		h.Del("Content-Length")
		h.Del("Content-Range")
		return err
	}
	if c.Context().Err() == nil {
		s.opts.Log.Error("read failed midway", "repo", snap.Repo, "path", info.Path, "err", err)
	}
	panic(http.ErrAbortHandler) // so that no client takes it for the end
}

// startWriter sends the status before the first bytes, which are verified:
// damage that is found there is still an error.
type startWriter struct {
	w       http.ResponseWriter
	status  int
	started bool
}

func (s *startWriter) Write(p []byte) (int, error) {
	if !s.started {
		s.started = true
		s.w.WriteHeader(s.status)
	}
	return s.w.Write(p)
}

// wanted reads a Range header. What is malformed, or several ranges, means
// the whole file (RFC 9110, section 14.2), and so do numbers of over 62 bits.
func wanted(spec string, size int64) (off, length int64, status int, err error) {
	r, ok := byterange.Parse(spec)
	if !ok || max(r.First, r.Last) >= 1<<62 {
		return 0, size, http.StatusOK, nil
	}
	if off, length, ok = r.Within(size); !ok {
		return 0, 0, 0, fmt.Errorf("%w: the file has %d bytes, %s is not in it", errRange, size, spec)
	}
	return off, length, http.StatusPartialContent, nil
}

func (s *server) putFile(c *call) error {
	q := c.URL.Query()
	ref, err := c.queryRef()
	if err != nil {
		return err
	}
	if _, err := c.fs.Target(c.Context(), ref, pfs.ActWrite, q.Get("path")); err != nil {
		return err // before the body comes
	}
	w := c.fs.NewFile(c.Context(), c.caller.Length)
	defer w.Abort()
	in, sum := io.Reader(bodyReader{c.caller.Body}), md5.New()
	if s.opts.MD5 {
		in = io.TeeReader(in, sum)
	}
	if _, err := w.ReadFrom(in); err != nil {
		return err
	}
	part, err := w.Close()
	if err != nil {
		return err
	}
	attrs := pfs.Attrs{ContentType: c.Header.Get("Content-Type")}
	if s.opts.MD5 {
		attrs.Checksum.MD5 = hex.EncodeToString(sum.Sum(nil))
	}
	done, err := c.fs.Put(c.Context(), ref, q.Get("path"), part.Content, attrs, c.options(q.Get("message")))
	if err != nil {
		return err
	}
	return c.ok(v1.Written{Commit: done.Commit.String(), Files: 1})
}

// perDeletion is about how many bytes a path takes that is to be deleted, besides its own.
const perDeletion = 512

func (s *server) deleteFiles(c *call) error {
	var in v1.Delete
	if err := c.read(&in); err != nil {
		return err
	}
	if err := c.reserve(int64(len(in.Paths)) * perDeletion); err != nil {
		return err
	}
	ref, err := c.ref(in.Ref)
	if err != nil {
		return err
	}
	remove := c.fs.Delete
	if in.DryRun {
		remove = c.fs.Deletable
	}
	done, err := remove(c.Context(), ref, pfs.Files(in.Paths...), c.options(in.Message))
	if err != nil {
		return err
	}
	out := v1.Written{}
	if !done.Commit.IsZero() {
		out.Commit = done.Commit.String()
	}
	for _, it := range done.Items {
		if !it.Existed {
			continue
		}
		if out.Files++; in.DryRun && out.Files <= maxDiff {
			out.Changes = append(out.Changes, wireDifference(pfs.Difference{Path: it.Was.Path, Old: it.Was}))
		}
	}
	return c.ok(out)
}
