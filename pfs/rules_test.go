package pfs

import (
	"errors"
	"strings"
	"testing"
)

// TestPatternsEnd: a pattern whose alternatives multiply is refused, as one
// path would be tried against it for longer than anybody lives.
func TestPatternsEnd(t *testing.T) {
	t.Parallel()
	fs := newFS(t)
	ctx := t.Context()
	path := strings.Repeat("a/", 500) + "b"
	mustRepo(t, fs, "r")
	mustPut(t, fs, Ref{Repo: "r"}, path, "base")
	if _, err := fs.CreateBranch(ctx, "r", "dev", BranchOptions{From: &Ref{Repo: "r"}}); err != nil {
		t.Fatal(err)
	}
	mustPut(t, fs, Ref{Repo: "r", Branch: "dev"}, path, "theirs")
	mustPut(t, fs, Ref{Repo: "r"}, path, "ours")
	for pattern, refused := range map[string]bool{
		"**/*.{csv,json,parquet,png,jpg,gif,txt}":  false,
		"{in,out}/**/{a,b,c}-{1,2,3,4}.{csv,json}": false,
		strings.Repeat("**/a/", 100):               false,
		strings.Repeat("{a/,a/a/}", 60) + "x":      true,
		strings.Repeat("{,}", 60):                  true,
		strings.Repeat("a", 2*MaxPath+1):           true,
	} {
		opt := MergeOptions{DryRun: true, Rules: []Rule{{Pattern: pattern, Strategy: Ours}}}
		_, err := fs.Merge(ctx, Ref{Repo: "r"}, Ref{Repo: "r", Branch: "dev"}, opt)
		if refused != errors.Is(err, ErrInvalidArgument) || !refused && err != nil {
			t.Errorf("%.60q: %v", pattern, err)
		}
	}
	many := make([]Rule, 20_000)
	for i := range many {
		many[i] = Rule{Pattern: "x", Strategy: Ours}
	}
	if _, err := fs.Merge(ctx, Ref{Repo: "r"}, Ref{Repo: "r", Branch: "dev"}, MergeOptions{Rules: many}); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("%d rules: %v", len(many), err)
	}
}
