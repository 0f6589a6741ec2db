package main

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestShellWords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line, breaks string
		words        []string
		cut          int
		quote        byte
	}{
		{"caret", "", []string{"caret"}, 0, 0},
		{"caret  ls\t", "", []string{"caret", "ls", ""}, 0, 0},
		{"caret ls sales@dev:ju", ":", []string{"caret", "ls", "sales@dev:ju"}, 10, 0},
		{"caret ls sales@de", "@:", []string{"caret", "ls", "sales@de"}, 5, 0},
		{"caret log --output=j", "=:", []string{"caret", "log", "--output=j"}, 9, 0},
		{`caret cat sales:a\ b\:c`, ":", []string{"caret", "cat", "sales:a b:c"}, 6, 0},
		{`caret put -m "two words" sales`, ":", []string{"caret", "put", "-m", "two words", "sales"}, 0, 0},
		{`caret cat "sales:a b`, ":", []string{"caret", "cat", "sales:a b"}, 0, '"'},
		{`caret cat sales:'a \b`, ":", []string{"caret", "cat", `sales:a \b`}, 6, '\''},
	} {
		words, cut, quote := shellWords(tt.line, tt.breaks)
		if !slices.Equal(words, tt.words) || cut != tt.cut || quote != tt.quote {
			t.Errorf("%q is %q, %d, %q; want %q, %d, %q", tt.line, words, cut, quote, tt.words, tt.cut, tt.quote)
		}
	}
}

// FuzzBashWord: what is written for bash is one word, and is read as it was.
func FuzzBashWord(f *testing.F) {
	f.Add("june/with space.csv", "@:")
	f.Add(`it's "odd" \$5`, ":")
	f.Add("\x00", "")
	f.Add(`a';touch b;echo 'c`, ":")
	f.Add("~root!x", "")
	f.Fuzz(func(t *testing.T, s, breaks string) {
		if s == "" || strings.ContainsAny(s, "\n") {
			return
		}
		words, _, quote := shellWords(bashWord(s, 0), breaks)
		if len(words) != 1 || words[0] != s || quote != 0 {
			t.Errorf("%q is read as %q", s, words)
		}
		for _, q := range []byte{'"', '\''} {
			line := string(q) + bashWord(s, q)
			if words, _, quote = shellWords(line, breaks); len(words) != 1 || words[0] != s || quote != q {
				t.Errorf("%q in %c is written as %q, which is read as %q", s, q, line, words)
			}
		}
	})
}

// TestCompleteAlone asks for what takes no server.
func TestCompleteAlone(t *testing.T) {
	t.Parallel()
	p := process{getenv: func(string) string { return "" }}
	for line, want := range map[string]string{
		"caret bra":                                "branch",
		"caret branch res":                         "restore reset",
		"caret help branch res":                    "restore reset",
		"caret nonsense ":                          "",
		"caret __":                                 "",
		"caret branch delete --y":                  "--yes",
		"caret branch delete --yes --y":            "",
		"caret branch delete sales@dev --en":       "--endpoint",
		"caret log -o ":                            "table json",
		"caret log sales -n 5 -o j":                "json",
		"caret log --output=t":                     "--output=table",
		"caret log -- --out":                       "",
		"caret log -n ":                            "",
		"caret commit finish sales@x --strategy t": "theirs",
		"caret serve --log-level ":                 "debug info warn error",
		"caret serve --etag=":                      "--etag=blake3 --etag=md5",
		"caret serve --data ":                      localFiles,
		"caret serve --data=x":                     localFiles,
		"caret put -r sales:x ":                    localFiles,
		"caret put sales:x a b":                    "",
		"caret completion ":                        "bash zsh fish",
		"caret repo create ":                       "",
		"caret ls sa":                              "",
		"caret ls --endpoint http://127.0.0.1:1 s": "",
		"caret --endpoint http://127.0.0.1:1 bra":  "branch",
		"caret branch --":                          "--help",
		"caret":                                    "",
	} {
		words, _, _ := shellWords(line, "")
		got := []string{}
		for _, c := range complete(t.Context(), p, newApp(p), words) {
			got = append(got, c.word)
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("%q: %q, want %q", line, g, want)
		}
	}
}

// TestCompleteInTime: a server that does not answer holds nobody up.
func TestCompleteInTime(t *testing.T) {
	t.Parallel()
	mute := muteServer(t)
	p := process{getenv: func(name string) string {
		return map[string]string{"CARET_ENDPOINT": mute, "CARET_ACCESS_KEY": "a", "CARET_SECRET_KEY": "b"}[name]
	}}
	start := time.Now()
	if got := complete(t.Context(), p, newApp(p), []string{"caret", "ls", "sa"}); len(got) > 0 {
		t.Errorf("it found %v", got)
	}
	if took := time.Since(start); took < completeWithin/2 || took > 5*completeWithin {
		t.Errorf("it took %v", took)
	}
}

// muteServer is the address of one that takes connections and says nothing.
func muteServer(t *testing.T) string {
	t.Helper()
	ln, err := listen(serveOptions{listen: "127.0.0.1:0"}, &files{}, new(reloads), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return "http://" + ln.Addr().String()
}
