package api

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestProblems: every error of pfs has a row among the problems, and every
// row says what to do.
func TestProblems(t *testing.T) {
	t.Parallel()
	rows := map[string]bool{}
	for _, name := range errorNames(t, "errors.go") {
		rows[name] = true
	}
	files, err := filepath.Glob("../pfs/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("the source of pfs: %d files, %v", len(files), err)
	}
	var sentinels []string
	for _, f := range files {
		if !strings.HasSuffix(f, "_test.go") {
			sentinels = append(sentinels, declaredErrors(t, f)...)
		}
	}
	for _, name := range []string{"ErrNoSuchRepo", "ErrCorrupt", "ErrKeyGone", "ErrUnknownOutcome"} { // of its own, and of packages below
		if !slices.Contains(sentinels, name) {
			t.Fatalf("the errors of pfs were not found: %s is not among %v", name, sentinels)
		}
	}
	for _, name := range sentinels {
		if !rows[name] {
			t.Errorf("pfs.%s has no row in problems, errors.go: give it a status, a code and a hint", name)
		}
	}
	for _, p := range problems {
		if p.code == "" || p.status < 400 || p.status > 599 || len(p.hint) < 8 || strings.ContainsAny(p.hint, "\n") {
			t.Errorf("the row of %q (%v) in problems, errors.go, is not complete: %+v", p.code, p.is, p)
		}
	}
}

// errorNames are the errors of pfs that a file of this package mentions.
func errorNames(t *testing.T, file string) []string {
	t.Helper()
	var list []string
	ast.Inspect(parse(t, file), func(n ast.Node) bool {
		if row, ok := n.(*ast.CompositeLit); ok && len(row.Elts) > 0 {
			if sel, ok := row.Elts[0].(*ast.SelectorExpr); ok {
				list = append(list, sel.Sel.Name)
			}
		}
		return true
	})
	return list
}

// declaredErrors are the package variables of a file whose names begin with
// Err.
func declaredErrors(t *testing.T, file string) []string {
	t.Helper()
	var list []string
	for _, d := range parse(t, file).Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, spec := range g.Specs {
			for _, name := range spec.(*ast.ValueSpec).Names {
				if strings.HasPrefix(name.Name, "Err") {
					list = append(list, name.Name)
				}
			}
		}
	}
	return list
}

func parse(t *testing.T, file string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
