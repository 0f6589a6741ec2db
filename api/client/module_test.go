package client_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var goBlock = regexp.MustCompile("(?ms)^```go$(.*?)^```$")

// TestModule builds and runs the program of the README in a module of its own,
// as it says that is done.
func TestModule(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("long")
	}
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(top, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	program := goBlock.FindSubmatch(readme)
	if program == nil {
		t.Fatal("the README has no Go program")
	}
	edit := "go mod edit -require caret@v0.0.0 -replace caret=/path/to/caret"
	if !strings.Contains(string(readme), "\n    "+edit+"\n    go mod tidy\n") {
		t.Fatalf("the README does not say %s", edit)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), program[1], 0o666); err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(top, "go.sum")) // which tidy would fetch
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"go mod init example", strings.Replace(edit, "/path/to/caret", top, 1), "go build -mod=mod -o example .",
	} {
		cmd := exec.Command("go", strings.Fields(line)[1:]...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOPROXY=off", "GOFLAGS=", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/_caret/v1/repos/sales/branches/master" {
			t.Errorf("it asks for %s", r.URL.Path)
		}
		w.Write([]byte(`{"name":"master","repo":"sales","head":"the head","n":1,"created":"2026-11-20T12:00:00Z"}`))
	}))
	defer srv.Close()
	cmd := exec.Command(filepath.Join(dir, "example"))
	cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+srv.URL, "AWS_ACCESS_KEY_ID=k", "AWS_SECRET_ACCESS_KEY=s")
	if out, err := cmd.Output(); err != nil || string(out) != "the head\n" {
		t.Errorf("%q, %v", out, err)
	}
}
