package gateway

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"caret/gateway/sigv4"
	"caret/pfs"
)

// FuzzTags: tags that are taken keep the rules.
func FuzzTags(f *testing.F) {
	f.Add("a=b&c=d")
	f.Add("a=%zz;b")
	f.Fuzz(func(t *testing.T, s string) {
		tags, err := headerTags(s)
		if err != nil {
			return
		}
		if len(tags) > maxObjectTags {
			t.Errorf("%d tags", len(tags))
		}
		for k, v := range tags {
			if k == "" || len(k) > 4*maxTagKey || len(v) > 4*maxTagValue {
				t.Errorf("tag %q=%q", k, v)
			}
		}
	})
}

// FuzzXML: no body of any document makes a panic, and what is refused is a
// 4xx.
func FuzzXML(f *testing.F) {
	for _, s := range []string{
		"<Delete><Object><Key>k</Key></Object></Delete>", "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
		"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>", "<a/>garbage", "<",
	} {
		f.Add(s)
	}
	g := &Gateway{sys: &pfs.System{}, opts: Options{Verifier: sigv4.New(sigv4.Options{})}} // of a system only its budget, which has no limits
	f.Fuzz(func(t *testing.T, body string) {
		for _, read := range []func(*request) error{
			func(r *request) error {
				_, err := r.readTags(maxBucketTags)
				return err
			},
			func(r *request) error {
				var doc struct {
					Parts []completedPart `xml:"Part"`
				}
				err := r.readXML(&doc)
				chosen(pfs.Upload{}, doc.Parts)
				return err
			},
		} {
			hr := httptest.NewRequest("POST", "/", strings.NewReader(body))
			r := &request{Request: hr, g: g, w: httptest.NewRecorder()}
			if err := read(r); err != nil {
				if e := describe(err); e.status/100 != 4 || e.status == http.StatusForbidden {
					t.Errorf("%q: %+v", body, e)
				}
			}
		}
	})
}
