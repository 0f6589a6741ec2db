package gateway

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"caret/gateway/checksum"
	"caret/pfs"
	"caret/pfs/byterange"
)

// getObject is GetObject and HeadObject.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
func (r *request) getObject() error {
	if err := r.checkOverrides(); err != nil {
		return err
	}
	s, info, err := r.stat()
	if err != nil {
		return err
	}
	r.describeObject(s, &info)
	if err := r.conditions(&info); err != nil {
		return err
	}
	off, length, partial, err := r.wanted(&info)
	if err != nil {
		return err
	}
	h := r.w.Header()
	h.Set("Content-Length", strconv.FormatInt(length, 10))
	status := http.StatusOK
	if partial {
		status = http.StatusPartialContent
		h.Set("Content-Range", byterange.ContentRange(off, length, info.Size()))
	}
	if strings.EqualFold(r.Header.Get("X-Amz-Checksum-Mode"), "ENABLED") {
		r.showSum(&info, partial)
	}
	if r.Method == http.MethodHead || length == 0 {
		r.w.WriteHeader(status)
		return nil
	}
	return r.send(s, &info, off, length, status)
}

// stat finds the object that the request names.
func (r *request) stat() (s *pfs.Snapshot, info pfs.Info, err error) {
	err = r.look(func(_ *pfs.View, on *pfs.Snapshot) (err error) {
		s = on
		info, err = s.Stat(r.Context(), r.key)
		return err
	})
	return s, info, r.gone(err)
}

// showSum sets the headers of the checksum of what is sent: the object, or a
// part of a composite. A range has none.
func (r *request) showSum(info *pfs.Info, partial bool) {
	sum := info.Attrs.Checksum
	n, err := strconv.Atoi(r.query.Get("partNumber"))
	switch {
	case !partial:
		showChecksum(r.w.Header(), sum)
	case err == nil && sum.Type == checksum.Composite && n <= len(info.PartSums):
		showChecksum(r.w.Header(), pfs.Checksum{Algorithm: sum.Algorithm, Type: sum.Type, Value: info.PartSums[n-1]})
	}
}

// gone adds to the news that there is no object that it was deleted, and by
// which version, if so.
func (r *request) gone(err error) error {
	var deleted *pfs.DeletedError
	if !errors.As(err, &deleted) {
		return err
	}
	last := &deleted.Last
	h := r.w.Header()
	h.Set("X-Amz-Delete-Marker", "true")
	h.Set("X-Amz-Version-Id", last.Commit.String())
	if r.query.Get("versionId") == last.Commit.String() {
		h.Set("Allow", http.MethodDelete)
		h.Set("Last-Modified", lastModified(last.Modified))
		return errMethod.with("The version is a delete marker.")
	}
	return err
}

// send streams a range. The status goes out with the first verified bytes,
// so that damage there is still an error; behind them the connection is cut,
// which no client takes for the end.
func (r *request) send(s *pfs.Snapshot, info *pfs.Info, off, length int64, status int) error {
	body, err := s.Read(r.Context(), *info, off, length)
	if err != nil {
		return err
	}
	defer body.Close()
	w := &startWriter{w: r.w, status: status}
	if _, err = io.Copy(w, body); err == nil {
		return nil
	}
	if !w.started {
		return err
	}
	if r.Context().Err() == nil {
		r.g.log.Error("read failed midway", "bucket", r.bucket, "key", r.key, "err", err)
	}
	panic(http.ErrAbortHandler)
}

// startWriter sends the status before the first bytes.
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

// conditions decides If-Match, If-Unmodified-Since, If-None-Match and
// If-Modified-Since in the order of RFC 9110, section 13.2.2.
func (r *request) conditions(info *pfs.Info) error {
	since := func(name string) (time.Time, bool) {
		t, err := http.ParseTime(r.Header.Get(name))
		return t, err == nil
	}
	modified := info.Modified.Truncate(time.Second)
	if v := r.Header.Get("If-Match"); v != "" {
		if !matches(v, info) {
			return errPrecondition
		}
	} else if t, ok := since("If-Unmodified-Since"); ok && modified.After(t) {
		return errPrecondition
	}
	if v := r.Header.Get("If-None-Match"); v != "" {
		if matches(v, info) {
			return errNotModified
		}
	} else if t, ok := since("If-Modified-Since"); ok && !modified.After(t) {
		return errNotModified
	}
	return nil
}

func matches(header string, info *pfs.Info) bool {
	return parseMatch(header).Fits(info)
}

// wanted is the range of the object to send.
func (r *request) wanted(info *pfs.Info) (off, length int64, partial bool, err error) {
	size := info.Size()
	if p := r.query.Get("partNumber"); p != "" {
		return r.wantedPart(info, p)
	}
	spec := r.Header.Get("Range")
	if spec == "" || !r.rangeStillGood(info) {
		return 0, size, false, nil
	}
	span, ok := parseRange(spec)
	if !ok {
		return 0, size, false, nil
	}
	if off, length, ok = span.Within(size); !ok {
		r.w.Header().Set("Content-Range", byterange.Unsatisfied(size))
		return 0, 0, false, errInvalidRange
	}
	return off, length, true, nil
}

// rangeStillGood decides If-Range.
func (r *request) rangeStillGood(info *pfs.Info) bool {
	v := r.Header.Get("If-Range")
	if v == "" {
		return true
	}
	if t, err := http.ParseTime(v); err == nil {
		return info.Modified.Truncate(time.Second).Equal(t)
	}
	return v == r.g.etagOf(info)
}

// wantedPart is the range of a part; an object that was written in one piece
// has one.
func (r *request) wantedPart(info *pfs.Info, p string) (off, length int64, partial bool, err error) {
	n, err := strconv.Atoi(p)
	if err != nil || n < 1 || n > pfs.MaxParts {
		return 0, 0, false, errInvalidArgument.with("partNumber must be 1 to %d, not %q.", pfs.MaxParts, p)
	}
	if r.Header.Get("Range") != "" {
		return 0, 0, false, errInvalidRequest.with("Range and partNumber cannot be given together.")
	}
	parts := info.Parts
	if len(parts) == 0 {
		parts = []int64{info.Size()}
	} else {
		r.w.Header().Set("X-Amz-Mp-Parts-Count", strconv.Itoa(len(parts)))
	}
	if n > len(parts) {
		return 0, 0, false, &apiError{416, "InvalidPartNumber", "The object has no part of that number."}
	}
	for _, size := range parts[:n-1] {
		off += size
	}
	return off, parts[n-1], parts[n-1] > 0, nil
}

// parseRange reads a Range header. White space behind its "=" is let pass.
func parseRange(spec string) (r byterange.Range, ok bool) {
	set, ok := strings.CutPrefix(spec, "bytes=")
	if !ok {
		return r, false
	}
	return byterange.Parse("bytes=" + strings.TrimSpace(set))
}
