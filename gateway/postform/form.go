package postform

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"unicode/utf8"

	"caret/gateway/sigv4"
)

// Fields are the fields of a form by name in lower case. Fields of one name
// are one, with its values joined by commas.
type Fields map[string]string

// Get returns the field of a name, whose case does not matter; "" if there is
// none.
func (f Fields) Get(name string) string { return f[strings.ToLower(name)] }

// Form is a form up to the content of its file.
type Form struct {
	// Fields are those before the file, with ${filename} replaced. Those
	// behind it are not read.
	Fields Fields
	// FileName is what the file was called, without directories; "" if that
	// was not said.
	FileName string
	// File is the content of the file. It streams from the body of the
	// request, and fails with sigv4.ErrIncomplete if that ends too early.
	File io.Reader
}

// maxFields is how many bytes may come before the content of the file: the
// fields, their headers and the boundaries.
const maxFields = 20 << 10

// filename in the value of any field stands for the name of the file.
const filename = "${filename}"

// Read reads the form in the body of r up to the content of the file. It must
// have a field named key.
func Read(r *http.Request) (*Form, error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) || kind != "multipart/form-data" {
		return nil, fmt.Errorf("%w, not %q", ErrNotMultipart, r.Header.Get("Content-Type"))
	}
	if params["boundary"] == "" {
		return nil, fmt.Errorf("%w: its type has no boundary", ErrMalformed)
	}
	in := &prelude{r: bufio.NewReaderSize(r.Body, 32<<10), left: maxFields}
	parts := multipart.NewReader(in, params["boundary"])
	f := &Form{Fields: Fields{}}
	for f.File == nil {
		// Raw: a Content-Transfer-Encoding is not S3's business.
		part, err := parts.NextRawPart()
		if err == io.EOF {
			return nil, ErrNoFile
		}
		if err != nil {
			return nil, in.explain(err)
		}
		if err := f.add(part, in); err != nil {
			return nil, err
		}
	}
	if err := f.expand(); err != nil {
		return nil, err
	}
	if f.Fields["key"] == "" {
		return nil, fmt.Errorf("%w: key", ErrMissingField)
	}
	return f, nil
}

// add adds a field, or the file.
func (f *Form) add(part *multipart.Part, in *prelude) error {
	name := strings.ToLower(part.FormName())
	if name == "" {
		return fmt.Errorf("%w: a field has no name", ErrMalformed)
	}
	if name == "file" {
		// part.FileName knows the directories of this system only.
		_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		f.FileName = params["filename"]
		f.FileName = f.FileName[strings.LastIndexAny(f.FileName, `/\`)+1:]
		if !utf8.ValidString(f.FileName) {
			return fmt.Errorf("%w: the name of the file is not UTF-8", ErrMalformed)
		}
		in.passed = true
		f.File = &file{part: part}
		return nil
	}
	value, err := io.ReadAll(part)
	if err != nil {
		return in.explain(err)
	}
	if !utf8.ValidString(name) || !utf8.Valid(value) {
		return fmt.Errorf("%w: the field %q is not UTF-8", ErrMalformed, name)
	}
	if before, twice := f.Fields[name]; twice {
		f.Fields[name] = before + "," + string(value)
	} else {
		f.Fields[name] = string(value)
	}
	return nil
}

// expand replaces ${filename}. The limit holds for what comes out, too.
func (f *Form) expand() error {
	size := 0
	for _, value := range f.Fields {
		size += len(value) + strings.Count(value, filename)*(len(f.FileName)-len(filename))
	}
	if size > maxFields {
		return fmt.Errorf("%w with the name of the file in them", ErrFieldsTooLarge)
	}
	for name, value := range f.Fields {
		f.Fields[name] = strings.ReplaceAll(value, filename, f.FileName)
	}
	return nil
}

// prelude is the body. Until the file is reached it hands out one byte at a
// time, or multipart would read ahead into the file and no count of what came
// before it would be exact.
type prelude struct {
	r      *bufio.Reader
	left   int
	passed bool  // the file is reached
	err    error // of the body
}

func (p *prelude) Read(b []byte) (int, error) {
	if p.passed {
		return p.r.Read(b)
	}
	if p.left == 0 {
		p.err = ErrFieldsTooLarge
		return 0, p.err
	}
	n, err := p.r.Read(b[:min(len(b), 1)])
	p.left -= n
	if err != nil && err != io.EOF {
		p.err = err
	}
	return n, err
}

// explain is why multipart failed with err: the body did, or it is malformed.
func (p *prelude) explain(err error) error {
	switch {
	case errors.Is(p.err, io.ErrUnexpectedEOF):
		return sigv4.ErrIncomplete
	case p.err != nil:
		return p.err
	}
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}

// file is the content of the file.
type file struct{ part *multipart.Part }

func (f *file) Read(b []byte) (int, error) {
	n, err := f.part.Read(b)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: the form ends within the file", sigv4.ErrIncomplete)
	}
	return n, err
}
