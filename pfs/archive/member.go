package archive

import (
	"archive/tar"
	"fmt"
	"io/fs"
	"net/textproto"
	"strings"
	"time"
)

// Member is a file in an archive, or a directory. It implements io.Reader for
// its bytes, of which there are Size or an error, until the next call of Next.
type Member struct {
	Path    string // with the prefix; a directory's ends in /
	Size    int64  // bytes, with the holes of a sparse file
	ModTime time.Time
	Mode    fs.FileMode // permissions, and whether it is a directory

	// Header has the fields that would come with this member if it was sent
	// alone, such as Content-Type, if the archive says so in minio.metadata.*
	// records, as minio-go's PutObjectsSnowball does; nil if not. It is the
	// sender's word, no more than a request's headers.
	Header textproto.MIMEHeader

	r *Reader
}

// Read implements io.Reader.
func (m *Member) Read(p []byte) (int, error) {
	if m.r.current != m {
		return 0, errPassed
	}
	return m.r.read(p)
}

// member makes a member of an entry; nil if it is to be passed over.
func (r *Reader) member(h *tar.Header) (*Member, error) {
	switch h.Typeflag {
	case tar.TypeXGlobalHeader:
		return nil, checkGlobal(h.PAXRecords)
	case tar.TypeDir:
		return r.directory(h)
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		if strings.HasSuffix(h.Name, "/") && h.Size == 0 {
			return r.directory(h) // as archives older than directories have them
		}
		return r.file(h)
	}
	if r.opts.IgnoreOthers {
		return nil, nil
	}
	kind, ok := kinds[h.Typeflag]
	if !ok {
		kind = fmt.Sprintf("of unknown type %q", h.Typeflag)
	}
	return nil, fmt.Errorf("%w: %.200q is %s", ErrMember, h.Name, kind)
}

var kinds = map[byte]string{
	tar.TypeLink:    "a hard link",
	tar.TypeSymlink: "a symbolic link",
	tar.TypeChar:    "a character device",
	tar.TypeBlock:   "a block device",
	tar.TypeFifo:    "a fifo",
}

func (r *Reader) directory(h *tar.Header) (*Member, error) {
	name := strings.TrimRight(clean(h.Name), "/")
	if name == "" || name == "." {
		return nil, nil // the root, which has no path
	}
	path, err := r.path(name + "/")
	if err != nil || !r.opts.Directories {
		return nil, err
	}
	return &Member{Path: path, ModTime: modTime(h), Mode: fs.ModeDir | fs.FileMode(h.Mode).Perm(), r: r}, nil
}

func (r *Reader) file(h *tar.Header) (*Member, error) {
	path, err := r.path(h.Name)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(path, "/") {
		return nil, fmt.Errorf("%w: the file %.200q ends in a slash", ErrPath, h.Name)
	}
	if !sparseKnown(h.PAXRecords) {
		return nil, fmt.Errorf("%w: %.200q is sparse in an unknown way", ErrFormat, h.Name)
	}
	if r.opts.MaxBytes > 0 && h.Size > r.opts.MaxBytes-r.bytes {
		return nil, fmt.Errorf("%w: more than %d bytes, with %.200q", ErrLimit, r.opts.MaxBytes, h.Name)
	}
	r.bytes += h.Size
	headers, err := metadata(h.PAXRecords)
	if err != nil {
		return nil, fmt.Errorf("%w of %.200q", err, h.Name)
	}
	return &Member{
		Path: path, Size: h.Size, ModTime: modTime(h), Mode: fs.FileMode(h.Mode).Perm(), Header: headers, r: r,
	}, nil
}

// modTime is when a member was changed; the zero time if the archive says
// nothing that can be.
func modTime(h *tar.Header) time.Time {
	if t := h.ModTime.UTC(); t.Unix() > 0 && t.Year() <= 9999 {
		return t
	}
	return time.Time{}
}
