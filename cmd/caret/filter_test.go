package main

import (
	"path"
	"strings"
	"testing"
)

// makeFilter reads rules such as "-*.log" and "+keep.log".
func makeFilter(t testing.TB, rules ...string) filter {
	t.Helper()
	var f filter
	for _, r := range rules {
		x, err := parseRule(r[1:], r[0] == '+')
		if err != nil {
			t.Fatalf("%q: %v", r, err)
		}
		f = append(f, x)
	}
	return f
}

func TestFilter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		rules  string
		takes  string
		leaves string
	}{
		{"", "a x/y .hidden", ""},
		{"-*.log", "a x/y x/log", "a.log x/a.log x/y/.log d.log/x"},
		{"-tmp/", "tmp x/tmp a", "tmp/a x/tmp/a x/tmp/y/z"},
		{"-tmp", "a x/tmpx", "tmp x/tmp tmp/a x/tmp/y"},
		{"-/tmp", "x/tmp x/tmp/a", "tmp tmp/a tmp/x/y"},
		{"-x/tmp", "tmp y/x/tmp", "x/tmp x/tmp/a"},
		{"-x/*.csv", "a.csv x/y/a.csv", "x/a.csv"},
		{"-x/**/*.csv", "a.csv y/x/a.csv", "x/a.csv x/y/a.csv x/y/z/a.csv"},
		{"-**/tmp/a", "tmp/b", "tmp/a x/tmp/a x/tmp/a/b"},
		{"-?.csv -[0-9]*", "ab.csv", "a.csv x/a.csv 1 1/x"},
		{"-*.{csv,txt}", "a.c", "a.csv x/b.txt"},
		{`-\*`, "a", "* x/*"},
		{"+*.csv", "a.csv x/a.csv d.csv/x", "a x/y"},
		{"+*.csv -*", "a.csv x/a.csv", "a x/y"},
		{"-* +*.csv", "", "a.csv a"},
		{"-tmp/ +*.csv", "a.csv x/a.csv", "tmp/a.csv a"},
		{"+keep.log -*.log", "keep.log x/keep.log a", "a.log x/b.log"},
		{"-*.log +keep.log", "", "keep.log a.log a"},
		{"+docs/", "docs/a x/docs/y/z", "docs a x/a"},
		{"-Ü", "ü", "Ü x/Ü Ü/a"},
	} {
		f := makeFilter(t, strings.Fields(tt.rules)...)
		for _, name := range strings.Fields(tt.takes) {
			if !f.takes(name) {
				t.Errorf("%q leaves %q", tt.rules, name)
			}
		}
		for _, name := range strings.Fields(tt.leaves) {
			if f.takes(name) {
				t.Errorf("%q takes %q", tt.rules, name)
			}
		}
	}
	for _, bad := range []string{"", "/", "[", "{a", "x/[a"} {
		if _, err := parseRule(bad, false); err == nil {
			t.Errorf("%q is a pattern", bad)
		}
	}
}

// FuzzFilter: no file is meant in a folder that is passed by, and a file that is
// of an odd name makes no trouble.
func FuzzFilter(f *testing.F) {
	f.Add("tmp/", "*.csv", "x/tmp/a.csv", true)
	f.Add("**", "a", "//a/../b", false)
	f.Add("/x/**", "x/y/", "x/y/z", true)
	f.Fuzz(func(t *testing.T, first, second, name string, include bool) {
		var rules filter
		for i, s := range []string{first, second} {
			if r, err := parseRule(s, include == (i == 0)); err == nil && strings.Count(s, "{") < 3 && strings.Count(s, "*") < 6 {
				rules = append(rules, r)
			}
		}
		takes := rules.takes(name)
		if misfit(name) != "" {
			return
		}
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if takes && rules.passes(dir) {
				t.Errorf("%+v takes %q, but passes %q", rules, name, dir)
			}
		}
	})
}
