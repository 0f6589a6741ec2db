package revision_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"caret/commits/revision"
)

func parent(n uint64) revision.Step { return revision.Step{Kind: revision.Parent, N: n} }
func nth(n uint64) revision.Step    { return revision.Step{Kind: revision.Nth, N: n} }
func at(s string) revision.Step {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return revision.Step{Kind: revision.At, Time: t.UTC()}
}

const someID = "4f1d0123456740aa8bcd0123456789ab"

func TestParseExpr(t *testing.T) {
	t.Parallel()
	tests := map[string]revision.Expr{
		"":                                {},
		"HEAD":                            {},
		"head":                            {},
		"HEAD^":                           {Steps: []revision.Step{parent(1)}},
		"^":                               {Steps: []revision.Step{parent(1)}},
		strings.Repeat("^", 1000):         {Steps: []revision.Step{parent(1000)}},
		strings.Repeat(".1", 100):         {Steps: slices.Repeat([]revision.Step{nth(1)}, 100)},
		"HEAD^^^":                         {Steps: []revision.Step{parent(3)}},
		"HEAD^3":                          {Steps: []revision.Step{parent(3)}},
		"HEAD~3":                          {Steps: []revision.Step{parent(3)}},
		"HEAD^^3":                         {Steps: []revision.Step{parent(4)}},
		"HEAD^0":                          {},
		"HEAD^4294967297":                 {Steps: []revision.Step{parent(4294967297)}},
		"master~2":                        {Base: "master", Steps: []revision.Step{parent(2)}},
		someID:                            {Base: someID},
		someID + "^":                      {Base: someID, Steps: []revision.Step{parent(1)}},
		someID + "-3":                     {Base: someID, Steps: []revision.Step{parent(3)}},
		"4f1d0123^":                       {Base: "4f1d0123", Steps: []revision.Step{parent(1)}},
		".1":                              {Steps: []revision.Step{nth(1)}},
		".0":                              {Steps: []revision.Step{nth(0)}},
		"dev.12^":                         {Base: "dev", Steps: []revision.Step{nth(12), parent(1)}},
		"HEAD-3":                          {Steps: []revision.Step{parent(3)}},
		"dev-3":                           {Base: "dev-3"},
		"at-20261120T120000Z":             {Steps: []revision.Step{at("2026-11-20T12:00:00Z")}},
		"HEAD@2026-11-20T12:00:00Z":       {Steps: []revision.Step{at("2026-11-20T12:00:00Z")}},
		"x@2026-11-20T12:00:00.25+01:00^": {Base: "x", Steps: []revision.Step{at("2026-11-20T11:00:00.25Z"), parent(1)}},
	}
	for s, want := range tests {
		got, err := revision.Parse(s)
		if err != nil {
			t.Errorf("Parse(%q): %v", s, err)
			continue
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("Parse(%q): %s", s, d)
		}
		again, err := revision.Parse(got.String())
		if err != nil || cmp.Diff(got, again) != "" {
			t.Errorf("Parse(%q.String() = %q) = %v, %v", s, got.String(), again, err)
		}
	}
}

func TestParseExprRefuses(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"HEAD^^3x", "HEAD^x", "HEAD^-1", "HEAD^99999999999999999999", "^4611686018427387904^4611686018427387904",
		".", ".x", "-a", "HEAD@", "HEAD@yesterday", "HEAD@2026-11-20", "HEAD@2026-13-20T12:00:00Z", "a b", "ä",
		"HEAD^ ", " HEAD", "a/b", "at-20261320T120000Z", "HEAD\x00", "HEAD-99999999999999999999", "_x",
		strings.Repeat(".1", 101), "a" + strings.Repeat("@2026-11-20T12:00:00Z^", 1000),
	} {
		if got, err := revision.Parse(s); !errors.Is(err, revision.ErrExpr) {
			t.Errorf("Parse(%q) = %v, %v; want ErrExpr", s, got, err)
		}
	}
}

func FuzzParseExpr(f *testing.F) {
	for _, s := range []string{"", "HEAD^3", "a.1~2@2026-11-20T12:00:00Z", someID + "-3", "at-20261120T120000Z", "HEAD^^3x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		x, err := revision.Parse(s)
		if err != nil {
			return
		}
		again, err := revision.Parse(x.String())
		if err != nil || cmp.Diff(x, again) != "" {
			t.Fatalf("%q parses to %+v, its spelling %q to %+v, %v", s, x, x.String(), again, err)
		}
	})
}

func TestCheckName(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"a", "sales", "Sales_2026-q1", "dev-3", "deadbeef", "headless", "at-home", strings.Repeat("a", 255)} {
		if err := revision.CheckName(s); err != nil {
			t.Errorf("CheckName(%q): %v", s, err)
		}
	}
	for _, s := range []string{
		"", "-a", "_a", "a.b", "a b", "a/b", "ü", "HEAD", "head", "Head-3", "at-20261120T120000Z", "AT-20261120t120000z",
		someID, strings.ToUpper(someID), someID + "-3", strings.Repeat("a", 256), "a\n",
	} {
		if err := revision.CheckName(s); !errors.Is(err, revision.ErrName) {
			t.Errorf("CheckName(%q) = %v; want ErrName", s, err)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add(someID)
	f.Fuzz(func(t *testing.T, s string) {
		id, err := revision.ParseID(s)
		if err == nil && id.String() != s {
			t.Fatalf("ParseID(%q).String() = %q", s, id)
		}
		if (err == nil) != revision.IsID(s) {
			t.Fatalf("ParseID(%q) says %v, IsID %v", s, err, revision.IsID(s))
		}
	})
}
