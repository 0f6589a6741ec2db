package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"caret/gateway/percent"
)

// mutants sends requests that are nearly right, signed by the root key so that nothing
// keeps them out, and looks that none meets a fault of the server. What it sends follows
// from the seed alone.
func mutants(s *stage) error {
	v, err := s.start("", "--domain", mutantDomain, "--access-log", s.dir+"/access.log")
	if err != nil {
		return err
	}
	b, err := v.breeder(s.ctx, s.seed)
	if err != nil {
		return err
	}
	faults, silent, fine := 0, 0, 0
	n := s.size(20000)
	for i := range n {
		if i%renewAfter == renewAfter-1 {
			if err := b.renew(s.ctx); err != nil {
				return err
			}
		}
		m := b.mutant()
		status, err := b.send(s.ctx, m)
		switch {
		case err != nil:
			silent++
			s.shown("no answer", fmt.Sprintf("%.300q: %v", m.text(), err))
		case status >= 500 && !slices.Contains([]int{501, 503, 505, 507}, status):
			faults++
			s.shown("a fault", fmt.Sprintf("%.3000q: %d", m.text(), status))
		case status < 300:
			fine++
		}
	}
	s.shown("requests", fmt.Sprintf("%d of seed %d, of which %d were taken", n, s.seed, fine))
	s.is("answered by a fault of the server", faults, 0)
	s.is("not answered", silent, 0)
	s.is("are there among them that are no garbage", fine > n/100, true)
	s.is("readiness", readiness(s.ctx, v), "200")
	return v.stop()
}

const (
	mutantDomain = "s3.mutants"
	renewAfter   = 500 // mutants
)

// mutant is a request as it is sent, but for its signature.
type mutant struct {
	method, host, path, query string
	headers                   [][2]string
	body                      []byte
	chunked, presigned        bool
	absolute                  bool // the host stands in the first line, where it may have any letters
}

// breeder makes mutants.
type breeder struct {
	*rand.Rand
	url    *url.URL
	root   *user
	conn   net.Conn
	in     *bufio.Reader
	bases  []mutant
	values []string
}

// breeder makes one, and what requests can be about.
func (v *server) breeder(ctx context.Context, seed uint64) (*breeder, error) {
	u, err := url.Parse(v.url)
	if err != nil {
		return nil, err
	}
	b := &breeder{Rand: rand.New(rand.NewPCG(seed, 1)), url: u, root: v.root}
	return b, b.renew(ctx)
}

// renew makes what requests are about anew: mutants delete it.
func (b *breeder) renew(ctx context.Context) error {
	var last, up answer
	for _, r := range [][3]string{
		{"POST", "/_caret/v1/repos/mutants/branches/master/protect", `{"protected":false}`}, {"DELETE", "/_caret/v1/repos/mutants?force=true", ""},
		{"PUT", "/master.mutants", ""}, {"PUT", "/master.mutants/k", "one"}, {"PUT", "/master.mutants/dir/a", "two"}, {"PUT", "/master.mutants/k", "three"},
		{"POST", "/master.mutants/up?uploads", ""},
	} {
		a, err := b.root.ask(ctx, r[0], r[1], []byte(r[2]))
		if err != nil || a.status != http.StatusOK && !strings.HasPrefix(r[1], "/_caret/") {
			return errors.Join(fmt.Errorf("%s %s: %d", r[0], r[1], a.status), err)
		}
		last, up = up, a
	}
	_, id, _ := strings.Cut(string(up.body), "<UploadId>")
	id, _, _ = strings.Cut(id, "</UploadId>")
	part, err := b.root.ask(ctx, "PUT", "/master.mutants/up?partNumber=1&uploadId="+id, []byte("part"))
	if err != nil {
		return err
	}
	open, err := b.root.api.StartCommit(ctx, "mutants", "master", "")
	if err != nil {
		return err
	}
	commit, etag := last.header.Get("X-Amz-Version-Id"), part.header.Get("Etag")
	b.bases, b.values = nil, append(slices.Clone(oddValues), commit, commit[:8], open.ID, id, etag)
	replace := strings.NewReplacer("{commit}", commit, "{upload}", id, "{etag}", etag, "{open}", open.ID)
	for _, line := range mutantBases {
		f := strings.SplitN(replace.Replace(line), " ", 3)
		m := mutant{method: f[0]}
		m.path, m.query, _ = strings.Cut(f[1], "?")
		if len(f) == 3 {
			m.body = []byte(f[2])
		}
		for h := ""; bytes.HasPrefix(m.body, []byte("[")); m.headers = append(m.headers, pair(h, ":")) {
			h, f[2], _ = strings.Cut(string(m.body[1:]), "] ")
			m.body = []byte(f[2])
		}
		b.bases = append(b.bases, m)
	}
	return nil
}

func pair(s, separator string) [2]string {
	name, value, _ := strings.Cut(s, separator)
	return [2]string{name, value}
}

// mutant is one of the bases with up to four things changed.
func (b *breeder) mutant() *mutant {
	m := b.bases[b.IntN(len(b.bases))]
	m.headers, m.body, m.host = slices.Clone(m.headers), bytes.Clone(m.body), b.url.Host
	if bucket, key, ok := strings.Cut(strings.TrimPrefix(m.path, "/"), "/"); ok && b.IntN(4) == 0 && !strings.HasPrefix(m.path, "/_") {
		m.host, m.path = bucket+"."+mutantDomain, "/"+key
	}
	m.presigned, m.chunked = b.IntN(5) == 0, b.IntN(8) == 0
	for range b.IntN(5) {
		[...]func(*mutant){b.changePath, b.changeQuery, b.changeQuery, b.changeHeader, b.changeHeader, b.changeBody, b.changeBody, b.changeHost, b.changeMethod}[b.IntN(9)](&m)
	}
	return &m
}

func one[T any](b *breeder, of []T) T { return of[b.IntN(len(of))] }

// short is an odd value that fits into a header: a server closes the connection on more.
func (b *breeder) short() string {
	v := one(b, b.values)
	return v[:min(len(v), 1200)]
}

func (b *breeder) changeMethod(m *mutant) {
	m.method = one(b, []string{"GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE"})
}

func (b *breeder) changeHost(m *mutant) {
	switch b.IntN(8) {
	case 0:
		m.host = percent.Encode(b.short(), "") + "." + mutantDomain
	case 1:
		m.host, m.absolute = strings.Repeat(one(b, []string{"\u023a", "\u0130", "\u212a", "K"}), b.IntN(40))+"."+mutantDomain, true
	}
}

// changePath puts something odd in the place of a piece of the path, or next to one.
func (b *breeder) changePath(m *mutant) {
	pieces := strings.Split(m.path[1:], "/")
	i := b.IntN(len(pieces))
	odd := percent.Encode(b.short(), "")
	switch b.IntN(4) {
	case 0:
		pieces[i] = odd
	case 1:
		pieces[i] += odd
	case 2:
		pieces = slices.Insert(pieces, i, odd)
	case 3:
		pieces[i] = odd + "." + pieces[i]
	}
	m.path = "/" + strings.Join(pieces, "/")
}

// changeQuery gives a parameter another value, leaves one out, or adds one.
func (b *breeder) changeQuery(m *mutant) {
	var pairs []string
	if m.query != "" {
		pairs = strings.Split(m.query, "&")
	}
	added := one(b, mutantParameters) + "=" + percent.Encode(b.short(), "")
	switch {
	case len(pairs) == 0 || b.IntN(3) == 0:
		pairs = append(pairs, added)
	case b.IntN(3) == 0:
		i := b.IntN(len(pairs))
		pairs = slices.Delete(pairs, i, i+1)
	default:
		i := b.IntN(len(pairs))
		pairs[i] = pair(pairs[i], "=")[0] + "=" + percent.Encode(b.short(), "")
	}
	m.query = strings.Join(pairs, "&")
}

// changeHeader sets, adds or removes a header.
func (b *breeder) changeHeader(m *mutant) {
	value := strings.NewReplacer("\n", "", "\r", "", "\x00", "").Replace(b.short())
	if len(m.headers) > 0 && b.IntN(2) == 0 {
		i := b.IntN(len(m.headers))
		if b.IntN(4) == 0 {
			m.headers = slices.Delete(m.headers, i, i+1)
		} else {
			m.headers[i][1] = value
		}
		return
	}
	m.headers = append(m.headers, [2]string{one(b, mutantHeaders), value})
}

// changeBody puts something odd into the body: in the place of a value, or anywhere.
func (b *breeder) changeBody(m *mutant) {
	odd := []byte(one(b, b.values))
	if len(m.body) == 0 {
		m.body = odd
		return
	}
	i := b.IntN(len(m.body))
	j := min(len(m.body), i+1+b.IntN(16))
	switch b.IntN(6) {
	case 0:
		m.body[i] ^= 1 << b.IntN(8)
	case 1:
		m.body = slices.Delete(m.body, i, j)
	case 2:
		m.body = slices.Insert(m.body, i, m.body[i:j]...)
	case 3:
		m.body = slices.Insert(m.body, i, odd...)
	default:
		b.changeValue(m, odd)
	}
}

// changeValue replaces what stands between two tags of XML, or a value of JSON.
func (b *breeder) changeValue(m *mutant, odd []byte) {
	var starts []int
	for i, c := range m.body {
		if (c == '>' || c == ':') && i+1 < len(m.body) {
			starts = append(starts, i+1)
		}
	}
	if len(starts) == 0 {
		m.body = odd
		return
	}
	i := one(b, starts)
	n := bytes.IndexAny(m.body[i:], "<,}")
	if n < 0 {
		n = len(m.body) - i
	}
	if m.body[i-1] == ':' && b.IntN(2) == 0 {
		odd = fmt.Appendf(nil, "%q", odd)
	}
	m.body = slices.Replace(m.body, i, i+n, odd...)
}

// text is the mutant as it goes on the wire, signed.
func (m *mutant) text() []byte {
	now := time.Now().UTC()
	date, scope := now.Format("20060102T150405Z"), now.Format("20060102")+"/us-east-1/s3/aws4_request"
	body, payload := m.body, hexSum(m.body)
	headers := append([][2]string{{"Host", m.host}}, m.headers...)
	query := m.query
	if m.chunked {
		payload = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
		headers = append(headers, [2]string{"x-amz-decoded-content-length", fmt.Sprint(len(body))})
		body = fmt.Appendf(nil, "%x\r\n%s\r\n0\r\n\r\n", len(body), body)
		if len(m.body) == 0 {
			body = []byte("0\r\n\r\n")
		}
	}
	if !m.presigned || m.chunked {
		headers = append(headers, [2]string{"x-amz-content-sha256", payload})
	} else {
		payload = "UNSIGNED-PAYLOAD"
	}
	if !m.presigned {
		headers = append(headers, [2]string{"x-amz-date", date})
	}
	names, lines := canonicalHeaders(headers)
	if m.presigned {
		query = strings.TrimPrefix(query+"&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="+rootKey+"%2F"+strings.ReplaceAll(scope, "/", "%2F")+
			"&X-Amz-Date="+date+"&X-Amz-Expires=60&X-Amz-SignedHeaders="+strings.ReplaceAll(names, ";", "%3B"), "&")
	}
	request := strings.Join([]string{m.method, canonicalPath(m.path), canonicalQuery(query), lines, names, payload}, "\n")
	key := []byte("AWS4" + rootSecret)
	for piece := range strings.SplitSeq(scope, "/") {
		key = mac(key, piece)
	}
	signature := hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256\n"+date+"\n"+scope+"\n"+hexSum([]byte(request))))
	if m.presigned {
		query += "&X-Amz-Signature=" + signature
	} else {
		headers = append(headers, [2]string{"Authorization", "AWS4-HMAC-SHA256 Credential=" + rootKey + "/" + scope + ",SignedHeaders=" + names + ",Signature=" + signature})
	}
	var b bytes.Buffer
	path := m.path
	if m.absolute {
		headers[0][1], path = "x", "http://"+percent.Encode(m.host, "")+path
	}
	fmt.Fprintf(&b, "%s %s", m.method, path)
	if query != "" {
		b.WriteString("?" + query)
	}
	b.WriteString(" HTTP/1.1\r\n")
	for _, h := range headers {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return b.Bytes()
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func canonicalPath(path string) string {
	if decoded, err := url.PathUnescape(path); err == nil {
		path = decoded
	}
	return percent.Encode(path, "/")
}

func canonicalQuery(query string) string {
	var pairs []string
	for p := range strings.SplitSeq(query, "&") {
		if p == "" {
			continue
		}
		kv := pair(p, "=")
		for i, s := range kv {
			if decoded, err := url.QueryUnescape(s); err == nil {
				kv[i] = percent.Encode(decoded, "")
			}
		}
		pairs = append(pairs, kv[0]+"\x00"+kv[1])
	}
	slices.Sort(pairs)
	return strings.ReplaceAll(strings.Join(pairs, "&"), "\x00", "=")
}

// canonicalHeaders signs all headers: their names, and lines of them.
func canonicalHeaders(headers [][2]string) (names, lines string) {
	values := map[string][]string{}
	for _, h := range headers {
		name := strings.ToLower(h[0])
		values[name] = append(values[name], strings.Join(strings.Fields(h[1]), " "))
	}
	var sorted []string
	for name := range values {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	for _, name := range sorted {
		lines += name + ":" + strings.Join(values[name], ",") + "\n"
	}
	return strings.Join(sorted, ";"), lines
}

// send sends a mutant and returns the status that it is answered with.
func (b *breeder) send(ctx context.Context, m *mutant) (status int, err error) {
	for try := range 2 {
		if b.conn == nil {
			if b.conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", b.url.Host); err != nil {
				return 0, err
			}
			b.in = bufio.NewReader(b.conn)
		}
		fresh := try > 0
		if status, err = b.exchange(m); err == nil || fresh {
			return status, err
		}
		b.hangUp()
	}
	return status, err
}

func (b *breeder) hangUp() {
	if b.conn != nil {
		b.conn.Close() //nolint:errcheck // another is made
	}
	b.conn = nil
}

func (b *breeder) exchange(m *mutant) (int, error) {
	if err := b.conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return 0, err
	}
	if _, err := b.conn.Write(m.text()); err != nil {
		return 0, err
	}
	for {
		resp, err := http.ReadResponse(b.in, &http.Request{Method: m.method})
		if err != nil {
			return 0, err
		}
		if resp.StatusCode == http.StatusContinue {
			continue
		}
		if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") { // it has no end
			b.hangUp()
			return resp.StatusCode, nil
		}
		_, err = io.Copy(io.Discard, resp.Body)
		err = errors.Join(err, resp.Body.Close())
		if resp.Close {
			b.hangUp()
		}
		return resp.StatusCode, err
	}
}
