package gateway

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"caret/commits/revision"
	"caret/gateway/checksum"
	"caret/gateway/sigv4"
	"caret/pfs"
)

// TestEveryErrorHasACode: each exported error of the packages below is in the
// table. The names are read from their source, so a new one cannot be
// forgotten.
func TestEveryErrorHasACode(t *testing.T) {
	t.Parallel()
	have := map[string]bool{}
	for _, row := range errorTable {
		have[row.is.Error()] = true
	}
	table, err := os.ReadFile("errors.go")
	if err != nil {
		t.Fatal(err)
	}
	names := errorNames(t, "../pfs") // those of packages below among them
	for _, name := range []string{"ErrNoSuchRepo", "ErrCorrupt", "ErrKeyGone", "ErrUnknownOutcome"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not among the errors of pfs that were found: %v", name, names)
		}
	}
	for _, name := range names {
		if !strings.Contains(string(table), "{pfs."+name+",") {
			t.Errorf("pfs.%s has no code", name)
		}
	}
	for _, dir := range []string{"sigv4", "checksum", "acl", "cors", "sigv2", "postform", "../pfs/archive"} {
		for name, text := range sentinels(t, dir) {
			if !have[text] {
				t.Errorf("%s.%s has no code", filepath.Base(dir), name)
			}
		}
	}
	for _, err := range []error{pfs.ErrNoSpace, pfs.ErrFailed, pfs.ErrClosed, pfs.ErrTooLarge, pfs.ErrCorrupt} {
		if !have[err.Error()] {
			t.Errorf("%v has no code", err)
		}
	}
	for _, err := range []error{pfs.ErrNoSuchPath, pfs.ErrCorrupt, sigv4.ErrMismatch, checksum.ErrMismatch} {
		if e := describe(fmt.Errorf("wrapped: %w", err)); e.code == "" || e.status < 400 {
			t.Errorf("%v is %+v", err, e)
		}
	}
	if e := describe(errors.New("secret detail")); e.status != 500 || strings.Contains(e.message, "secret") {
		t.Errorf("an unknown error is %+v", e)
	}
}

// errorNames are the exported package variables whose names say that they are errors.
func errorNames(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				for _, n := range spec.(*ast.ValueSpec).Names {
					if strings.HasPrefix(n.Name, "Err") {
						names = append(names, n.Name)
					}
				}
			}
		}
	}
	return names
}

// sentinels are the package variables made by errors.New, and their texts.
func sentinels(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 || !spec.Names[0].IsExported() {
				return true
			}
			if call, ok := spec.Values[0].(*ast.CallExpr); ok && len(call.Args) == 1 {
				if lit, ok := call.Args[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
					text, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					found[spec.Names[0].Name] = text
				}
			}
			return true
		})
	}
	if len(found) == 0 && dir != "sigv2" { // whose errors are sigv4's
		t.Fatalf("no errors found in %s", dir)
	}
	return found
}

func parsed(t testing.TB, s string) revision.Expr {
	t.Helper()
	x, err := revision.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestParseBucket(t *testing.T) {
	t.Parallel()
	const id = "4f1d0123456740aa8bcd0123456789ab"
	for name, want := range map[string]pfs.Ref{
		"sales":                              {Repo: "sales"},
		"master.sales":                       {Repo: "sales", Base: parsed(t, "master")},
		id + ".sales":                        {Repo: "sales", Base: parsed(t, id)},
		id + ".master.sales":                 {Repo: "sales", Branch: "master", Base: parsed(t, id)},
		"4f1d0123.sales":                     {Repo: "sales", Base: parsed(t, "4f1d0123")},
		"HEAD.sales":                         {Repo: "sales"},
		"HEAD^.master.sales":                 {Repo: "sales", Branch: "master", Base: parsed(t, "HEAD^")},
		"HEAD~3.master.sales":                {Repo: "sales", Branch: "master", Base: parsed(t, "HEAD^3")},
		"HEAD-3.master.sales":                {Repo: "sales", Branch: "master", Base: parsed(t, "HEAD^3")},
		id + "-3.master.sales":               {Repo: "sales", Branch: "master", Base: parsed(t, id+"^3")},
		"HEAD^.sales":                        {Repo: "sales", Base: parsed(t, "HEAD^")},
		"at-20261120T120000Z.master.sales":   {Repo: "sales", Branch: "master", Base: parsed(t, "HEAD@2026-11-20T12:00:00Z")},
		strings.Repeat("a", 100) + ".repo_-": {Repo: "repo_-", Base: parsed(t, strings.Repeat("a", 100))},
	} {
		got, err := ParseBucket(name)
		if err != nil {
			t.Errorf("%q: %v", name, err)
		} else if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: %s", name, d)
		}
	}
	for _, name := range []string{
		"", ".", "a.", ".a", "a..b", "a.b.c.d", "-a", "a b", "ä", "HEAD", id, "a.HEAD", "a.HEAD.b", "a^x.b", "^^3x.master.sales", ".0.sales", "at-20261120T120000Z",
	} {
		if got, err := ParseBucket(name); err == nil {
			t.Errorf("%q: %+v", name, got)
		} else if e := describe(err); e.code != "InvalidBucketName" || e.status != 400 {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func FuzzParseBucket(f *testing.F) {
	for _, s := range []string{"sales", "master.sales", "HEAD^2.master.sales", "at-20261120T120000Z.a.b", "4f1d0123.a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := ParseBucket(s)
		if err != nil {
			return
		}
		if revision.CheckName(ref.Repo) != nil || ref.Branch != "" && revision.CheckName(ref.Branch) != nil {
			t.Fatalf("%q parses to %+v", s, ref)
		}
		name := bucketName(ref)
		if strings.Count(name, ".") > 2 || strings.Contains(name, "@") {
			return // a label cannot hold every spelling of an expression
		}
		again, err := ParseBucket(name)
		if err != nil || cmp.Diff(ref, again) != "" {
			t.Fatalf("%q parses to %+v, its name %q to %+v, %v", s, ref, name, again, err)
		}
	})
}

// bucketName spells a ref as a bucket.
func bucketName(ref pfs.Ref) string {
	s := ref.Repo
	if ref.Branch != "" {
		s = ref.Branch + "." + s
	}
	if ref.Branch != "" || !ref.Base.IsZero() {
		s = ref.Base.String() + "." + s
	}
	return s
}

func FuzzCopyRange(f *testing.F) {
	f.Add("bytes=0-4", int64(10))
	f.Add("bytes=-4", int64(10))
	f.Fuzz(func(t *testing.T, spec string, size int64) {
		if size < 0 {
			return
		}
		if off, n, err := copyRange(spec, size); err == nil && (off < 0 || n < 0 || off > size-n) {
			t.Fatalf("%q of %d bytes: %d bytes at %d", spec, size, n, off)
		}
	})
}

func FuzzParseCopySource(f *testing.F) {
	f.Add("/b/k?versionId=HEAD%5E")
	f.Fuzz(func(t *testing.T, v string) {
		bucket, key, _, _, err := parseCopySource(v)
		if err == nil && (bucket == "" || key == "" || strings.Contains(bucket, "/")) {
			t.Fatalf("%q: %q %q", v, bucket, key)
		}
	})
}

// TestMarkup: a document takes no more memory than is counted for its size, and what
// clients send is let pass.
func TestMarkup(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		doc string
		ok  bool
	}{
		"the largest Complete": {"<CompleteMultipartUpload>" + strings.Repeat("<Part><PartNumber>1</PartNumber><ETag>\"0123456789abcdef0123456789abcdef\"</ETag></Part>", 10_000) + "</CompleteMultipartUpload>", true},
		"the shortest Delete":  {"<Delete>" + strings.Repeat("<Object><Key>a</Key></Object>", 1000) + "</Delete>", true},
		"a long key":           {"<Key>" + strings.Repeat("x", 4<<20) + "</Key>", true},
		"deep":                 {strings.Repeat("<a>", 100_000), false},
		"wide":                 {"<a>" + strings.Repeat("<b/>", 100_000) + "</a>", false},
		"attributes":           {"<a " + strings.Repeat(`a="" `, 100_000) + "/>", false},
	} {
		if err := checkMarkup([]byte(tt.doc)); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
