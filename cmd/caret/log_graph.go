package main

import (
	"container/heap"
	"fmt"
	"io"
	"iter"
	"strings"

	"caret/api/client"
	"caret/api/v1"
)

// logGraph draws all commits that lead to a state.
func logGraph(c *call, t target, o logOptions) error {
	switch {
	case c.pr.json:
		return usagef("--graph is for people; the parents of each commit are in -o json without it")
	case t.HasPath || o.since != "" || o.until != "" || o.author != "" || o.message != "":
		return usagef("--graph shows all commits that lead there; leave out what chooses some of them")
	case o.limit < 0:
		return usagef("--limit %d: it is a number of commits", o.limit)
	}
	names, err := refNames(c, t.Repo)
	if err != nil {
		return err
	}
	g := graph{drawn: make(map[string]bool), color: c.pr.color}
	for x, err := range first(ancestors(c, t), o.limit) {
		if err != nil {
			return err
		}
		lines := g.add(x.ID, x.Parents, graphText(c.pr, x, names[x.ID]))
		if _, err := io.WriteString(c.pr.w, strings.Join(lines, "\n")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// graphText is what stands behind a commit in a graph.
func graphText(pr printer, x v1.Commit, names []string) string {
	text := pr.short(x.ID) + " "
	if len(names) > 0 {
		text += paint(pr.color, green, "("+strings.Join(names, ", ")+")") + " "
	}
	return fmt.Sprintf("%s%s  %s, %s", text, pr.title(about(x)), pr.time(x.Time), pr.cut(x.Author, 16))
}

// maxNames is how many branches, and how many tags, a graph has the names of.
const maxNames = 1000

// refNames are the names of commits: the branches whose heads they are, and tags.
func refNames(c *call, repo string) (map[string][]string, error) {
	names := make(map[string][]string)
	add := func(id, name string) {
		if id != "" {
			names[id] = append(names[id], name)
		}
	}
	branches := client.Each(func(after string) (v1.Page[v1.Branch], error) { return c.cl.Branches(c.ctx, repo, after, 0) })
	for b, err := range first(branches, maxNames) {
		if err != nil {
			return nil, err
		}
		add(b.Head, oneLine(b.Name))
	}
	tags := client.Each(func(after string) (v1.Page[v1.Tag], error) { return c.cl.Tags(c.ctx, repo, after, 0) })
	for t, err := range first(tags, maxNames) {
		switch {
		case client.Code(err) == "access_denied": // they are for who may list the default branch
			return names, nil
		case err != nil:
			return nil, err
		}
		add(t.Commit, "tag: "+oneLine(t.Name))
	}
	return names, nil
}

// ancestors goes through all commits that lead to a state, newest first: down its
// own line of first parents, and down that of each commit that was merged, until
// it comes to what another has come to.
func ancestors(c *call, t target) iter.Seq2[v1.Commit, error] {
	return func(yield func(v1.Commit, error) bool) {
		w := historyWalk{seen: make(map[string]bool)}
		defer w.stop()
		err := w.add(lineOf(c, t.Repo, t.Expr, 0))
		for err == nil && len(w.lines) > 0 {
			l := heap.Pop(&w.lines).(*historyLine)
			x := l.at
			if !yield(x, nil) {
				l.stop()
				return
			}
			err = w.add(l)
			for _, p := range x.Parents[min(1, len(x.Parents)):] {
				if err == nil && !w.seen[p] {
					err = w.add(lineOf(c, t.Repo, p, mergedPage))
				}
			}
		}
		if err != nil {
			yield(v1.Commit{}, err)
		}
	}
}

// mergedPage is how many commits at a time are asked for of what was merged, of
// which there are often few.
const mergedPage = 50

// historyLine is a line of first parents; at is the commit that it has come to.
type historyLine struct {
	at   v1.Commit
	next func() (v1.Commit, error, bool)
	stop func()
}

// lineOf is the line that begins at expr, of which nothing was read.
func lineOf(c *call, repo, expr string, page int) *historyLine {
	l := &historyLine{}
	l.next, l.stop = iter.Pull2(client.Each(func(after string) (v1.Page[v1.Commit], error) {
		return c.cl.Log(c.ctx, repo, expr, client.LogFilter{}, after, page)
	}))
	return l
}

// historyWalk is several lines at a time.
type historyWalk struct {
	lines historyLines
	seen  map[string]bool
}

// add reads the next commit of a line, which ends where another has been.
func (w *historyWalk) add(l *historyLine) error {
	x, err, more := l.next()
	if !more || err != nil || w.seen[x.ID] {
		l.stop()
		return err
	}
	w.seen[x.ID] = true
	l.at = x
	heap.Push(&w.lines, l)
	return nil
}

func (w *historyWalk) stop() {
	for _, l := range w.lines {
		l.stop()
	}
}

// historyLines is a heap by what the lines have come to, the newest first; of
// those of one moment what more commits lead to, which others may come from.
type historyLines []*historyLine

func (h historyLines) Len() int { return len(h) }

func (h historyLines) Less(i, j int) bool {
	if a, b := h[i].at, h[j].at; !a.Time.Equal(b.Time) {
		return a.Time.After(b.Time)
	}
	return h[i].at.N > h[j].at.N
}

func (h historyLines) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *historyLines) Push(x any)   { *h = append(*h, x.(*historyLine)) }

func (h *historyLines) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
