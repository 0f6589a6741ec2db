package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// obeyed are characters that a terminal does something about instead of showing them.
const obeyed = "\x1b]0;x\a\x7f\u0080\u009b31m\u009f\u061c\u200b\u200e\u200f\u202a\u202e\u2066\u2069\ufeff\U000e0001"

// obeys says which character of s, if any, a terminal would not show.
func obeys(s string) (found string, any bool) {
	for i, r := range s {
		if r == utf8.RuneError || r != '\n' && !unicode.IsGraphic(r) {
			return fmt.Sprintf("%q in %q", s[i:min(i+4, len(s))], s), true
		}
	}
	return "", false
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                           "",
		"plain, größe, 日本語 \u3000 🎉": "plain, größe, 日本語 \u3000 🎉",
		"a\x1b[2Jb":                  `a\x1b[2Jb`,
		"\u009b2J\u202egpj.exe":      `\u009b2J\u202egpj.exe`,
		"one\ntwo\r\tthree":          `one\ntwo\r\tthree`,
		"\x9b2J":                     `\x9b2J`,
		"\ufffd":                     "\ufffd",
		"\U000e0041":                 `\U000e0041`,
	} {
		if got := oneLine(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		paint(true, red, "x") + "\x1b[8my\x1b[0m": "\x1b[31mx\x1b[0m" + `\x1b[8my` + "\x1b[0m",
		"\x1b[31;1mx\x1b[":                        `\x1b[31;1mx\x1b[`,
	} {
		if got := withStyles(in, ""); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(rt, "bytes")) + rapid.String().Draw(rt, "text")
		if c, bad := obeys(strings.ReplaceAll(oneLine(s), "\ufffd", "")); bad || strings.Contains(oneLine(s), "\n") {
			rt.Fatalf("%s is shown of %q", c, s)
		}
		if c, bad := obeys(styled.ReplaceAllString(strings.ReplaceAll(withStyles(s, "\n"), "\ufffd", ""), "")); bad {
			rt.Fatalf("%s is shown of %q", c, s)
		}
	})
}

// TestJSONText: what a terminal would obey is escaped in JSON, which means the same.
func TestJSONText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		in := map[string]string{rapid.String().Draw(rt, "name"): rapid.String().Draw(rt, "text") + obeyed}
		var b bytes.Buffer
		if err := (printer{w: &b, json: true}).value(in); err != nil {
			rt.Fatal(err)
		}
		if c, bad := obeys(strings.ReplaceAll(b.String(), "\ufffd", "")); bad {
			rt.Fatalf("%s", c)
		}
		var out map[string]string
		if err := json.Unmarshal(b.Bytes(), &out); err != nil || fmt.Sprint(out) != fmt.Sprint(in) {
			rt.Fatalf("%q is %v, %v", in, out, err)
		}
	})
}

// hostile is a server that answers everything with text that a terminal would obey.
func hostile(t *testing.T, status int, body any) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(body)
	}))
	t.Cleanup(s.Close)
	return s
}

// TestHostileServer: nothing that a server says is obeyed by a terminal, in a table, a
// detail, a message or an error; JSON is valid and says it all.
func TestHostileServer(t *testing.T) {
	t.Parallel()
	text := "x" + obeyed
	item := map[string]any{}
	for _, name := range []string{
		"id", "name", "repo", "branch", "path", "prefix", "author", "message", "commit", "head", "default_branch", "description", "display",
		"access_key", "user", "code", "hint", "action", "from", "to", "kind", "detail", "owner", "parent", "error",
	} {
		item[name] = text
	}
	shown := 0
	page := map[string]any{"items": []any{item}}
	for _, args := range []string{
		"repo list", "repo inspect r", "branch list r", "branch list r --deleted", "branch inspect r@b", "branch inspect r@b --history", "tag list r",
		"log r", "log r --exact", "ls r", "ls r:p -R", "diff r@a r@b", "diff r@a r@b --name-only", "commit list r", "commit inspect r@c", "commit start r@b",
		"user list", "key list", "repo create r", "branch create r@b", "tag create r@t --at a", "user create u", "revert r@HEAD",
		"branch delete r@b --yes", "repo delete r --dry-run", "commit finish r@c", "merge r a b", "branch protect r@b", "repo list -o json", "log r -o json",
	} {
		for kind, s := range map[string]*httptest.Server{
			"a page": hostile(t, 200, page), "an item": hostile(t, 200, item), "an error": hostile(t, 409, map[string]any{
				"code": text, "message": text, "hint": text, "conflicts": []any{item}, "conflict_count": 30,
			}),
		} {
			stdout, stderr := runHostile(t, s, strings.Fields(args)...)
			for _, out := range []string{stdout, stderr} {
				if strings.Contains(out, `\u202e`) {
					shown++
				}
				if c, bad := obeys(strings.ReplaceAll(out, "\ufffd", "")); bad {
					t.Errorf("caret %s, of %s: %s", args, kind, c)
				}
			}
			if strings.HasSuffix(args, "json") && stdout != "" && !json.Valid([]byte(stdout)) {
				t.Errorf("caret %s, of %s: %s is not JSON", args, kind, stdout)
			}
		}
	}
	if shown < 30 {
		t.Errorf("only %d outputs showed anything of it", shown)
	}
}

// TestLogs: nor is what is logged obeyed, in text or JSON.
func TestLogs(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", "json"} {
		file, err := os.Create(filepath.Join(t.TempDir(), "log"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		log, err := newLog(screen{file}, logFlags{level: "info", format: format})
		if err != nil {
			t.Fatal(err)
		}
		log.Info("x"+obeyed, "key", "y"+obeyed, "err", errors.New(obeyed))
		b, err := os.ReadFile(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		if c, bad := obeys(string(b)); bad {
			t.Errorf("%s: %s", format, c)
		}
		if format == "json" {
			var line map[string]any
			if err := json.Unmarshal(b, &line); err != nil || line["key"] != "y"+obeyed {
				t.Errorf("%s: %v", b, err)
			}
		}
	}
}

// runHostile runs caret against a server, with its standard error as main has it.
func runHostile(t *testing.T, s *httptest.Server, args ...string) (stdout, stderr string) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var out bytes.Buffer
	env := map[string]string{"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "HOME": t.TempDir()}
	run(t.Context(), append([]string{"caret"}, append(args, "--endpoint", s.URL)...), process{
		stdin: strings.NewReader(""), stdout: &out, stderr: screen{file}, getenv: func(name string) string { return env[name] },
	})
	b, err := os.ReadFile(file.Name())
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return out.String(), string(b)
}
