package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/graph.golden anew")

// TestGraph draws histories, each a commit a line: its name and its parents.
func TestGraph(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for _, history := range []string{
		"c b,b a,a",
		"m c d,d b,c b,b a,a",                           // one branch, merged
		"n m d,m c d,d b,c b,b",                         // merged again
		"p o x,o n y,y b,x b,n b,b",                     // two branches at a time
		"m a b c d,d r,c r,b r,a r,r",                   // four at once
		"m b c,c a d,d a,b a,a",                         // a branch of a branch
		"m b c,c,b a,a",                                 // one that shares no history
		"x3 x2 y,x2 x1 z,z r,y r,x1 r,r",                // lanes that cross
		"e d x,d c y,c b z,z a,y a,x a,b a,a",           // three that go on
		"q p z,p o x,o r,x r,r s,z s,s",                 // one that ends between others
		"m a b,a,b",                                     // a parent that is drawn ahead of its child is left out
		"k j q,j i q,i h,q g,h g,g f w,w f,f e v,v e,e", // one behind the other
	} {
		g := graph{drawn: map[string]bool{}}
		for c := range strings.SplitSeq(history, ",") {
			words := strings.Fields(c)
			for _, line := range g.add(words[0], words[1:], words[0]) {
				fmt.Fprintln(&out, line)
			}
		}
		if len(g.lanes) > 0 {
			t.Errorf("%s: %q are left", history, g.lanes)
		}
		fmt.Fprintln(&out)
	}
	const golden = "testdata/graph.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("drawn:\n%s\nwant:\n%s", out.String(), want)
	}
}
