package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// garbage sends what is no request, or makes no sense, and looks whether the server
// answers with an error of the client's, and goes on for others.
func garbage(s *stage) error {
	v, err := s.start("")
	if err != nil {
		return err
	}
	b, err := v.bystander(s.ctx, "bystander")
	if err != nil {
		return err
	}
	silent, faults, odd := 0, 0, 0
	requests := nonsense()
	for _, text := range requests {
		said, err := raw(s.ctx, v.url, text, 10*time.Second)
		switch {
		case err != nil || said == "":
			silent++
		case strings.HasPrefix(said, "HTTP/1.1 5") && !strings.HasPrefix(said, "HTTP/1.1 501") && !strings.HasPrefix(said, "HTTP/1.1 505"):
			faults++
			s.shown("a fault", fmt.Sprintf("%.80q: %.60q", text, said))
		case !strings.HasPrefix(said, "HTTP/1.1 4") && !strings.HasPrefix(said, "HTTP/1.1 501") && !strings.HasPrefix(said, "HTTP/1.1 505"):
			odd++
			s.shown("taken", fmt.Sprintf("%.80q: %.60q", text, said))
		}
	}
	puts, _, err := b.end()
	if err != nil {
		return err
	}
	s.shown("requests", fmt.Sprint(len(requests)))
	s.is("answered by a fault of the server", faults, 0)
	s.is("taken for a request", odd, 0)
	s.is("not answered", silent, 0)
	s.shown("a bystander's PUTs", puts.String())
	s.is("readiness", readiness(s.ctx, v), "200")
	return v.stop()
}

func readiness(ctx context.Context, v *server) string {
	a, err := v.nobody().ask(ctx, http.MethodGet, "/_caret/health/ready", nil)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(a.status)
}

// nonsense is requests that a server has to refuse.
func nonsense() []string {
	end := "Host: x\r\nConnection: close\r\n\r\n"
	big := strings.Repeat("x", 80<<10)
	requests := []string{
		"\x00\x01\x02\x03\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n" + end, "GET /%zz HTTP/1.1\r\n" + end,
		"GET / HTTP/1.1\r\nX: " + big + "\r\n" + end,
		"PUT /master.bystander/k HTTP/1.1\r\nContent-Length: -1\r\n" + end,
		"PUT /master.bystander/k HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n" + end + "xx",
		"PUT /master.bystander/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n" + end + "zzz\r\n\r\n",
		"PUT /master.bystander/k HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n" + end + "0\r\n\r\n",
		"GET /master.bystander/%00 HTTP/1.1\r\n" + end, "GET /master.bystander/%ff%fe HTTP/1.1\r\n" + end,
		"GET /..%2f..%2fetc%2fpasswd HTTP/1.1\r\n" + end, "BREW /master.bystander/k HTTP/1.1\r\n" + end,
	}
	for _, query := range []string{
		"max-keys=-1", "max-keys=99999999999999999999", "versionId=%00", "versionId=" + strings.Repeat("%5E", 3000), "partNumber=-1&uploadId=x",
		"uploadId=..%2f..", "continuation-token=%00%ff&list-type=2", "list-type=7", "acl&tagging", "X-Amz-Signature=x", "AWSAccessKeyId=&Signature=%26&Expires=99999999999999999999",
		"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=%2f%2f%2f%2f&X-Amz-Date=x&X-Amz-Expires=-1&X-Amz-SignedHeaders=%3b&X-Amz-Signature=0",
	} {
		for _, path := range []string{"/", "/master.bystander", "/master.bystander/k", "/_caret/v1/repos"} {
			requests = append(requests, "GET "+path+"?"+query+" HTTP/1.1\r\n"+end)
		}
	}
	for _, auth := range []string{"AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=,SignedHeaders=,Signature=", "AWS :", "AWS " + rootKey + ":=", "Bearer x", strings.Repeat("A", 60000)} {
		requests = append(requests, "PUT /master.bystander/k HTTP/1.1\r\nAuthorization: "+auth+"\r\nContent-Length: 0\r\n"+end)
	}
	return requests
}
