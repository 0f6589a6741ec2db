package postform_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"
	"unicode/utf8"

	"caret/gateway/postform"
	"caret/gateway/sigv4"
)

const boundary = "9431149156168"

// request is a POST of a body.
func request(body io.Reader) *http.Request {
	r := httptest.NewRequest("POST", "/bucket", body)
	r.Header.Set("Content-Type", "multipart/form-data; boundary="+boundary)
	return r
}

// part is a part of a body; disposition is what follows form-data.
func part(disposition, content string) string {
	return "--" + boundary + "\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\n" + content + "\r\n"
}

func field(name, value string) string { return part(fmt.Sprintf("name=%q", name), value) }

const end = "--" + boundary + "--\r\n"

func TestRead(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body   string
		fields postform.Fields
		file   string
	}{
		"plain": {
			field("key", "a/b") + field("acl", "private") + part(`name="file"; filename="x.txt"`, "hello") + end,
			postform.Fields{"key": "a/b", "acl": "private"}, "x.txt",
		},
		"names in any case": {
			field("KEY", "K") + field("X-Amz-Meta-A", "A") + part(`name="File"; filename="X"`, "hello") + end,
			postform.Fields{"key": "K", "x-amz-meta-a": "A"}, "X",
		},
		"fields behind the file": {
			field("key", "k") + part(`name="file"; filename="x"`, "hello") + field("submit", "Upload") + field("key", "other") + end,
			postform.Fields{"key": "k"}, "x",
		},
		"fields twice": {
			field("x-amz-meta-tag", "Ninja") + field("key", "k") + field("X-Amz-Meta-Tag", "Stallman") + part(`name="file"`, "hello") + end,
			postform.Fields{"key": "k", "x-amz-meta-tag": "Ninja,Stallman"}, "",
		},
		"file name in fields": {
			field("key", "user/${filename}/${filename}") + field("x-amz-meta-name", "${filename}") + part(`name="file"; filename="${filename}.txt"`, "hello") + end,
			postform.Fields{"key": "user/${filename}.txt/${filename}.txt", "x-amz-meta-name": "${filename}.txt"}, "${filename}.txt",
		},
		"no file name": {
			field("key", "k${filename}") + part(`name="file"`, "hello") + end,
			postform.Fields{"key": "k"}, "",
		},
		"path of Windows": {
			field("key", "${filename}") + part(`name="file"; filename="C:\Program Files\directory1\file.txt"`, "hello") + end,
			postform.Fields{"key": "file.txt"}, "file.txt",
		},
		"path of Unix": {
			field("key", "${filename}") + part(`name="file"; filename="/home/a/ü.txt"`, "hello") + end,
			postform.Fields{"key": "ü.txt"}, "ü.txt",
		},
		"directory": {
			field("key", "a${filename}") + part(`name="file"; filename="../"`, "hello") + end,
			postform.Fields{"key": "a"}, "",
		},
		"every part with a file name": { // as Python's requests sends them
			part(`name="key"; filename="key"`, "k") + part(`name="file"; filename="file"`, "hello") + end,
			postform.Fields{"key": "k"}, "file",
		},
		"preamble and no end": {
			"ignored\r\n" + field("key", "k") + part(`name="file"`, "hello") + "--" + boundary + "--",
			postform.Fields{"key": "k"}, "",
		},
		"encoding left alone": {
			field("key", "k") + "--" + boundary + "\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: image/png\r\n" +
				"Content-Disposition: form-data; name=\"file\"\r\n\r\nhello\r\n" + end,
			postform.Fields{"key": "k"}, "",
		},
	} {
		for _, wrap := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.DataErrReader} {
			f, err := postform.Read(request(wrap(strings.NewReader(tt.body))))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			data, err := io.ReadAll(f.File)
			if !maps.Equal(f.Fields, tt.fields) || f.FileName != tt.file || string(data) != "hello" || err != nil {
				t.Errorf("%s: %v, %q, %q, %v", name, f.Fields, f.FileName, data, err)
			}
		}
	}
	f := postform.Fields{"content-type": "text/plain"}
	if f.Get("Content-Type") != "text/plain" || f.Get("acl") != "" {
		t.Errorf("Get: %q, %q", f.Get("Content-Type"), f.Get("acl"))
	}
}

func TestReadRefused(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		kind string
		body io.Reader
		want error
	}{
		"no type":           {"", strings.NewReader(""), postform.ErrNotMultipart},
		"other type":        {"application/x-www-form-urlencoded", strings.NewReader("key=k"), postform.ErrNotMultipart},
		"mixed":             {"multipart/mixed; boundary=x", strings.NewReader(""), postform.ErrNotMultipart},
		"no boundary":       {"multipart/form-data", strings.NewReader(""), postform.ErrMalformed},
		"bad boundary":      {"multipart/form-data; boundary=a b", strings.NewReader(""), postform.ErrMalformed},
		"nothing":           {"form", strings.NewReader(""), postform.ErrMalformed},
		"no parts":          {"form", strings.NewReader(end), postform.ErrNoFile},
		"no file":           {"form", strings.NewReader(field("key", "k") + end), postform.ErrNoFile},
		"no end":            {"form", strings.NewReader(field("key", "k")), postform.ErrMalformed},
		"cut in a field":    {"form", strings.NewReader(field("key", "kkkkkkkkkkkkkkkkkkkk")[:80]), postform.ErrMalformed},
		"cut in a header":   {"form", strings.NewReader(part(`name="file"`, "")[:40]), postform.ErrNoFile},
		"endless line":      {"form", strings.NewReader(strings.Repeat("x", 30000)), postform.ErrMalformed},
		"garbage":           {"form", strings.NewReader(field("key", "k") + "x" + end), postform.ErrMalformed},
		"no disposition":    {"form", strings.NewReader("--" + boundary + "\r\nA: b\r\n\r\nx\r\n" + end), postform.ErrMalformed},
		"no name":           {"form", strings.NewReader(part(`x="y"`, "") + end), postform.ErrMalformed},
		"file of no form":   {"form", strings.NewReader("--" + boundary + "\r\nContent-Disposition: file; name=\"file\"\r\n\r\nx\r\n" + end), postform.ErrMalformed},
		"field not UTF-8":   {"form", strings.NewReader(field("key", "\xff") + part(`name="file"`, "") + end), postform.ErrMalformed},
		"name not UTF-8":    {"form", strings.NewReader(field("key", "k") + part("name=\"file\"; filename*=iso-8859-1''%FF; filename=\"\xff\"", "") + end), postform.ErrMalformed},
		"no key":            {"form", strings.NewReader(field("acl", "private") + part(`name="file"`, "") + end), postform.ErrMissingField},
		"key behind":        {"form", strings.NewReader(part(`name="file"`, "") + field("key", "k") + end), postform.ErrMissingField},
		"key without value": {"form", strings.NewReader(field("key", "${filename}") + part(`name="file"`, "") + end), postform.ErrMissingField},
		"body too short":    {"form", io.MultiReader(strings.NewReader(field("key", "k")), iotest.ErrReader(io.ErrUnexpectedEOF)), sigv4.ErrIncomplete},
		"body broken":       {"form", io.MultiReader(strings.NewReader(field("key", "kkkkkkkkkkkkkkkkkkkk")[:80]), iotest.ErrReader(broken)), broken},
	} {
		r := request(tt.body)
		if tt.kind != "form" {
			r.Header.Set("Content-Type", tt.kind)
		}
		if f, err := postform.Read(r); !errors.Is(err, tt.want) {
			t.Errorf("%s: %+v, %v; want %v", name, f, err, tt.want)
		}
	}
}

// TestLimit: 20480 bytes may come before the content, not one more, however
// large that is and however it comes.
func TestLimit(t *testing.T) {
	t.Parallel()
	head := func(n int) string {
		rest := strings.TrimSuffix(part(`name="file"; filename="x"`, ""), "\r\n")
		return field("key", strings.Repeat("k", n-len(field("key", ""))-len(rest))) + rest
	}
	for n, want := range map[int]error{20479: nil, 20480: nil, 20481: postform.ErrFieldsTooLarge, 1 << 20: postform.ErrFieldsTooLarge} {
		for _, content := range []string{"", strings.Repeat("x", 1<<20)} {
			body := head(n) + content + "\r\n" + end
			for _, wrap := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.HalfReader} {
				f, err := postform.Read(request(wrap(strings.NewReader(body))))
				if !errors.Is(err, want) {
					t.Fatalf("%d bytes: %v, want %v", n, err, want)
				}
				if err != nil {
					continue
				}
				if data, err := io.ReadAll(f.File); string(data) != content || err != nil {
					t.Errorf("%d bytes: %d bytes of the file, %v", n, len(data), err)
				}
			}
		}
	}
	for name, body := range map[string]string{
		"preamble":       strings.Repeat("x\r\n", 10000),
		"many fields":    strings.Repeat(field("a", ""), 500),
		"endless header": "--" + boundary + "\r\n" + strings.Repeat("A: b\r\n", 5000),
		"file name":      field("key", "k") + part(`name="file"; filename="`+strings.Repeat("x", 30000)+`"`, ""),
		"expanded":       field("key", strings.Repeat("${filename}", 500)) + part(`name="file"; filename="`+strings.Repeat("x", 10000)+`"`, "") + end,
	} {
		if _, err := postform.Read(request(strings.NewReader(body))); !errors.Is(err, postform.ErrFieldsTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFileCut(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	body := field("key", "k") + strings.TrimSuffix(part(`name="file"`, "hello"), "\r\n")
	for name, tt := range map[string]struct {
		rest io.Reader
		want error
	}{
		"end":           {strings.NewReader(""), sigv4.ErrIncomplete},
		"half boundary": {strings.NewReader("\r\n--943114"), sigv4.ErrIncomplete},
		"body ends":     {iotest.ErrReader(io.ErrUnexpectedEOF), sigv4.ErrIncomplete},
		"body breaks":   {iotest.ErrReader(broken), broken},
		"no cut":        {strings.NewReader("\r\n--" + boundary), nil},
	} {
		f, err := postform.Read(request(io.MultiReader(strings.NewReader(body), tt.rest)))
		if err != nil {
			t.Fatal(err)
		}
		if data, err := io.ReadAll(f.File); !errors.Is(err, tt.want) || !strings.HasPrefix(string(data), "hello") {
			t.Errorf("%s: %q, %v; want %v", name, data, err, tt.want)
		}
	}
}

// TestStreams: the file never stands in memory as a whole. It must not run in
// parallel with tests that allocate.
func TestStreams(t *testing.T) {
	const size = 64 << 20
	content := io.LimitReader(zeros{}, size)
	body := io.MultiReader(strings.NewReader(field("key", "k")+strings.TrimSuffix(part(`name="file"`, ""), "\r\n")), content, strings.NewReader("\r\n"+end))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, err := postform.Read(request(body))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, f.File); n != size || err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		t.Errorf("%d bytes allocated for %d", used, size)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// FuzzRead: what is read does not depend on how it comes, and is limited.
func FuzzRead(f *testing.F) {
	f.Add(field("key", "k/${filename}")+part(`name="file"; filename="x"`, "hello")+end, 3)
	f.Add(field("KEY", "k")+field("key", "")+part(`name="file"`, "\r\n--94311")+field("a", "b")+end, 1)
	f.Fuzz(func(t *testing.T, body string, step int) {
		read := func(r io.Reader) (*postform.Form, []byte, error) {
			form, err := postform.Read(request(r))
			if err != nil {
				return nil, nil, err
			}
			data, err := io.ReadAll(form.File)
			return form, data, err
		}
		f1, d1, err1 := read(strings.NewReader(body))
		f2, d2, err2 := read(iotest.OneByteReader(strings.NewReader(body)))
		if (err1 == nil) != (err2 == nil) || !bytes.Equal(d1, d2) {
			t.Fatalf("%q, %v; byte by byte %q, %v", d1, err1, d2, err2)
		}
		if err1 != nil {
			return
		}
		total := 0
		for name, value := range f1.Fields {
			total += len(value)
			if name != strings.ToLower(name) || f2.Fields[name] != value {
				t.Fatalf("field %q: %q, %q", name, value, f2.Fields[name])
			}
		}
		if total > 20<<10 || f1.Fields["key"] == "" || f1.FileName != f2.FileName || strings.ContainsAny(f1.FileName, `/\`) {
			t.Fatalf("%d bytes, key %q, files %q, %q", total, f1.Fields["key"], f1.FileName, f2.FileName)
		}
	})
}

// FuzzWritten: what Go's own writer writes is read.
func FuzzWritten(f *testing.F) {
	f.Add("acl", "private", "k", "x.txt", "hello")
	f.Fuzz(func(t *testing.T, name, value, key, fileName, content string) {
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		lower := strings.ToLower(name)
		if lower == "file" || lower == "key" || lower == "" || key == "" || strings.Contains(value+key, "$") || strings.ContainsAny(fileName, `/\`) {
			t.Skip()
		}
		for _, s := range []string{name, value, key, fileName} {
			if !utf8.ValidString(s) {
				t.Skip()
			}
		}
		if strings.ContainsFunc(name+fileName, unicode.IsControl) {
			t.Skip()
		}
		w.WriteField(name, value)
		w.WriteField("key", key)
		file, err := w.CreateFormFile("file", fileName)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(file, content)
		head := body.Len() - len(content)
		w.Close()
		r := request(&body)
		r.Header.Set("Content-Type", w.FormDataContentType())
		form, err := postform.Read(r)
		if head > 20<<10 {
			if !errors.Is(err, postform.ErrFieldsTooLarge) {
				t.Fatalf("%d bytes: %v", head, err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(form.File)
		// The writer escapes quotes in names in its own way.
		if !strings.ContainsAny(name, `"\%`) && form.Fields[lower] != value || form.Fields["key"] != key || string(data) != content || err != nil {
			t.Fatalf("%+v, %q, %v", form, data, err)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	body := field("key", strings.Repeat("k", 1000)) + field("policy", strings.Repeat("p", 2000)) +
		strings.TrimSuffix(part(`name="file"`, ""), "\r\n") + strings.Repeat("x", 16<<20) + "\r\n" + end
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		f, err := postform.Read(request(strings.NewReader(body)))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, f.File); err != nil {
			b.Fatal(err)
		}
	}
}
