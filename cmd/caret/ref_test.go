package main

import "testing"

func TestParseTarget(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]target{
		"sales":                                {Repo: "sales"},
		"sales:":                               {Repo: "sales", HasPath: true},
		"sales:a@b:c":                          {Repo: "sales", Path: "a@b:c", HasPath: true},
		"sales@dev":                            {Repo: "sales", Expr: "dev"},
		"sales@HEAD^2~:june/a:b":               {Repo: "sales", Expr: "HEAD^2~", Path: "june/a:b", HasPath: true},
		"sales@.1:x":                           {Repo: "sales", Expr: ".1", Path: "x", HasPath: true},
		"sales@HEAD@2026-11-20T12:00:00Z:a":    {Repo: "sales", Expr: "HEAD@2026-11-20T12:00:00Z", Path: "a", HasPath: true},
		"sales@HEAD@2026-11-20T12:00:00+01:00": {Repo: "sales", Expr: "HEAD@2026-11-20T12:00:00+01:00"},
	} {
		if got, err := parseTarget(in); err != nil || got != want {
			t.Errorf("%q is %+v, %v; want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", ":", "@", "sales@", "sales@:x", "a b", "sales@HEAD^^3x", "HEAD", "sales@@x", "-x"} {
		if got, err := parseTarget(in); err == nil {
			t.Errorf("%q was read as %+v", in, got)
		}
	}
}

// FuzzParseTarget: what is read is written as it was, and read the same again.
func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"sales", "sales@HEAD^2:a:b", "sales@HEAD@2026-11-20T12:00:00Z:a", "a@b@c:d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		first, err := parseTarget(s)
		if err != nil {
			return
		}
		if first.String() != s {
			t.Errorf("%q is written %q", s, first)
		}
		if again, err := parseTarget(first.String()); err != nil || again != first {
			t.Errorf("%q: %+v, then %+v, %v", s, first, again, err)
		}
	})
}
