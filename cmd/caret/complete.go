package main

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"caret/api/client"
	"caret/api/v1"
	"caret/commits/revision"
)

// candidate is a word that a command line may go on with.
type candidate struct{ word, about string }

// localFiles stands for the names of local files, which the shell knows best.
const localFiles = ":files"

// completeWithin is how long a prompt may wait for names from a server, and
// maxCandidates how many it is shown.
const (
	completeWithin = time.Second
	maxCandidates  = 1000
)

// choices are the values of flags that take one of a few.
var choices = map[string][]string{
	"output":    {"table", "json"},
	"strategy":  {"ours", "theirs"},
	"log-level": {"debug", "info", "warn", "error"}, "log-format": {"text", "json"},
	"etag": {"blake3", "md5"},
}

// complete finds what the last of words, a command line, may become. What an
// argument is, and so what it may be, is read from the usage of its command.
// Whatever fails is not worth a word at a prompt: there are no candidates then.
func complete(ctx context.Context, p process, app *cli.App, words []string) []candidate {
	ctx, cancel := context.WithTimeout(ctx, completeWithin)
	defer cancel()
	last := words[len(words)-1]
	ahead, words := early(words[min(1, len(words)-1) : len(words)-1])
	if len(words) > 0 && words[0] == "help" {
		words = words[1:]
	}
	cmd, n := leaf(app, words)
	given, args, needs := split(cmd.Flags, words[n:])
	q := query{ctx: ctx, p: p, cmd: cmd, names: words[:n], given: append(ahead, given...), args: args}
	var found []candidate
	switch name, value, assigned := strings.Cut(last, "="); {
	case needs != "":
		found = q.kind(valueKind(findLast(cmd.Flags, needs)), last)
	case slices.Contains(words, "--"):
		found = q.argument(last)
	case assigned && strings.HasPrefix(name, "-"):
		for _, c := range q.kind(valueKind(findLast(cmd.Flags, name)), value) {
			if c.word != localFiles {
				c.word = name + "=" + c.word
			}
			found = append(found, c)
		}
	case strings.HasPrefix(last, "-") && last != "-":
		found = q.flags()
	case len(cmd.Subcommands) == 0:
		found = q.argument(last)
	case len(q.args) == 0:
		found = subcommands(cmd.Subcommands)
	}
	return slices.DeleteFunc(found, func(c candidate) bool {
		return c.word != localFiles && (!strings.HasPrefix(c.word, last) || c.word != oneLine(c.word))
	})
}

func subcommands(cmds []*cli.Command) []candidate {
	var found []candidate
	for _, c := range cmds {
		if !c.Hidden {
			found = append(found, candidate{c.Name, c.Usage})
		}
	}
	return found
}

// query is a command line with the last word left out.
type query struct {
	ctx   context.Context
	p     process
	cmd   *cli.Command
	names []string // of cmd, and of what it is a part of
	given []string // flags and their values
	args  []string
}

// flags are those that are not given yet.
func (q *query) flags() []candidate {
	var found []candidate
	for _, f := range q.cmd.Flags {
		name := "--" + f.Names()[0]
		if name != "--help" && !slices.Contains(q.given, name) {
			usage, _ := f.(cli.DocGenerationFlag)
			found = append(found, candidate{name, strings.ReplaceAll(usage.GetUsage(), "`", "")})
		}
	}
	return append(found, candidate{"--help", "show help"})
}

var placeholder = regexp.MustCompile("`(.*)`")

// valueKind is what the usage of a flag calls its value, "" if nothing.
func valueKind(f cli.Flag) string {
	doc, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return ""
	}
	if values, ok := choices[f.Names()[0]]; ok {
		return strings.Join(values, "|")
	}
	if m := placeholder.FindStringSubmatch(doc.GetUsage()); m != nil {
		return m[1]
	}
	return ""
}

// argument is what the next argument may be.
func (q *query) argument(last string) []candidate {
	kinds := strings.Fields(q.cmd.ArgsUsage)
	n := len(q.args)
	if k := len(kinds); n >= k && k > 0 && strings.Contains(kinds[k-1], "...") {
		n = k - 1
	}
	if n >= len(kinds) {
		return nil
	}
	kind := strings.ReplaceAll(kinds[n], "...", "")
	if strings.HasPrefix(kind, "[") { // the whole is optional
		kind = strings.Trim(kind, "[]")
	}
	return q.kind(kind, last)
}

// kind is what a word of a kind may be, as the usage of commands names it.
func (q *query) kind(kind, last string) []candidate {
	var found []candidate
	switch {
	case kind == "":
	case strings.Contains(kind, "|"):
		for k := range strings.SplitSeq(kind, "|") {
			found = append(found, q.kind(k, last)...)
		}
	case strings.ToUpper(kind) != kind:
		found = []candidate{{word: kind}}
	case kind == "SOURCE" || kind == "DEST" || kind == "DIR" || kind == "FILE":
		found = []candidate{{word: localFiles}}
	case q.makes(kind):
	case strings.HasPrefix(kind, "REPO"):
		found = q.target(kind, last)
	default:
		first := target{}
		if len(q.args) > 0 {
			first, _ = parseTarget(q.args[0])
		}
		found = q.named(kind, first, last)
	}
	return found
}

// makes says whether the command brings into being what a word of a kind
// names, so that no name that is there can be meant.
func (q *query) makes(kind string) bool {
	n := len(q.names)
	return n > 1 && (q.cmd.Name == "create" || q.cmd.Name == "restore") && strings.ToUpper(q.names[n-2]) == kind
}

// named are the names on the server of a kind, in the repo, and for paths
// the state, of where.
func (q *query) named(kind string, where target, last string) []candidate {
	cl := q.client()
	if cl == nil {
		return nil
	}
	switch kind {
	case "USER":
		return collect(func(after string) (v1.Page[v1.User], error) { return cl.Users(q.ctx, after, 0) }, last,
			func(u v1.User) candidate { return candidate{u.Name, u.Display} })
	case "ACCESS_KEY":
		return collect(func(after string) (v1.Page[v1.Key], error) { return cl.Keys(q.ctx, "", after, 0) }, last,
			func(k v1.Key) candidate { return candidate{k.AccessKey, k.User + ", " + scopeOf(k)} })
	case "REPO":
		return collect(func(after string) (v1.Page[v1.Repo], error) { return cl.Repos(q.ctx, after, 0) }, last,
			func(r v1.Repo) candidate { return candidate{r.Name, r.Description} })
	}
	if where.Repo == "" {
		return nil
	}
	switch kind {
	case "PATH", "PREFIX":
		return collect(func(after string) (v1.Page[v1.File], error) {
			return cl.Files(q.ctx, where.Repo, where.Expr, last, "/", after, 0)
		}, last, func(f v1.File) candidate { return candidate{word: f.Prefix + f.Path} })
	case "ID":
		return collect(func(after string) (v1.Page[v1.OpenCommit], error) {
			return cl.OpenCommits(q.ctx, where.Repo, after, 0)
		}, last, func(o v1.OpenCommit) candidate { return candidate{o.ID, strings.TrimSpace(o.Branch + " " + o.Message)} })
	case "BRANCH", "INTO":
		return branches(q.ctx, cl, where.Repo, last)
	case "TAG":
		return tags(q.ctx, cl, where.Repo, last)
	case "EXPR", "COMMIT", "FROM", "A", "B":
		found := slices.Concat([]candidate{{"HEAD", "the default branch"}}, branches(q.ctx, cl, where.Repo, last), tags(q.ctx, cl, where.Repo, last))
		if x, err := revision.Parse(last); err == nil && len(x.Steps) > 0 {
			found = append(found, candidate{word: last}) // whatever it means, a path may follow
		}
		return found
	}
	return nil
}

func branches(ctx context.Context, cl *client.Client, repo, last string) []candidate {
	return collect(func(after string) (v1.Page[v1.Branch], error) { return cl.Branches(ctx, repo, after, 0) }, last,
		func(b v1.Branch) candidate { return candidate{b.Name, "branch, " + count(int(b.N), "commit")} })
}

func tags(ctx context.Context, cl *client.Client, repo, last string) []candidate {
	return collect(func(after string) (v1.Page[v1.Tag], error) { return cl.Tags(ctx, repo, after, 0) }, last,
		func(t v1.Tag) candidate { return candidate{t.Name, "tag"} })
}

// collect takes what begins with prefix, until an error or the time ends it.
func collect[T any](list func(after string) (v1.Page[T], error), prefix string, as func(T) candidate) []candidate {
	var found []candidate
	for it, err := range client.Each(list) {
		if err != nil || len(found) == maxCandidates {
			break
		}
		if c := as(it); strings.HasPrefix(c.word, prefix) {
			found = append(found, c)
		}
	}
	return found
}

// targetUsage is how usages write targets: REPO[@EXPR]:PATH and the like.
var targetUsage = regexp.MustCompile(`^REPO(?:(\[)?@(\w+)\]?)?(?:(\[)?:(\w+)\]?)?$`)

// target completes REPO, @ and what is named behind it, or : and a path, one
// after the other.
func (q *query) target(usage, last string) []candidate {
	m := targetUsage.FindStringSubmatch(usage)
	if m == nil {
		return nil
	}
	ref, path := m[2], m[4]
	if t, err := parseTarget(last); err == nil && t.HasPath && path != "" {
		return prefixed(strings.TrimSuffix(last, t.Path), q.named("PATH", t, t.Path))
	}
	var ends []string // what may stand behind the name
	if path == "" || m[3] != "" {
		ends = append(ends, "")
	}
	if path != "" {
		ends = append(ends, ":")
	}
	if repo, expr, ok := strings.Cut(last, "@"); ok {
		if ref == "" || q.makes(ref) {
			return nil
		}
		return prefixed(repo+"@", ended(q.named(ref, target{Repo: repo}, expr), expr, ends))
	}
	if ref != "" && m[1] == "" {
		ends = nil
	}
	if ref != "" {
		ends = append(ends, "@")
	}
	return ended(q.named("REPO", target{}, last), last, ends)
}

func prefixed(prefix string, found []candidate) []candidate {
	for i := range found {
		found[i].word = prefix + found[i].word
	}
	return found
}

// ended adds what may stand behind names: to all if it is one thing, and
// otherwise to the one that is typed, or the only one.
func ended(found []candidate, typed string, ends []string) []candidate {
	var out []candidate
	for _, c := range found {
		to := ends
		if len(ends) > 1 && len(found) > 1 && c.word != typed {
			to = []string{""}
		}
		for _, end := range to {
			out = append(out, candidate{c.word + end, c.about})
		}
	}
	return out
}

// client is one for the server that the line names, nil if there can be none.
func (q *query) client() *client.Client {
	cl, err := dial(q.p, q.flag("endpoint"), q.flag("data"), q.flag("ca-file"))
	if err != nil {
		return nil
	}
	return cl
}

// flag is the value of a flag on the line, or its default.
func (q *query) flag(name string) string {
	for i, g := range q.given {
		if g == "--"+name && i+1 < len(q.given) {
			return q.given[i+1]
		}
		if v, ok := strings.CutPrefix(g, "--"+name+"="); ok {
			return v
		}
	}
	if f, ok := find(q.cmd.Flags, name).(*cli.StringFlag); ok {
		return f.Value
	}
	return ""
}
