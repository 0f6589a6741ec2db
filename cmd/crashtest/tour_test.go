package crashtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var shellBlock = regexp.MustCompile("(?ms)^```sh$(.*?)^```$")

// TestTour runs every line of the README that is for a shell, as one script
// that ends at the first failure, and looks for what the text promises.
func TestTour(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("long")
	}
	for _, tool := range []string{"bash", "aws", "curl", "tar"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not there, which the README uses", tool)
		}
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	for _, m := range shellBlock.FindAllSubmatch(readme, -1) {
		script.Write(m[1])
	}
	top := t.TempDir() // looks like the clone
	if err := os.MkdirAll(filepath.Join(top, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Dir(build(t)), filepath.Join(top, "bin")); err != nil {
		t.Fatal(err)
	}
	s := launch(t, filepath.Join(top, "bin", "caret"), filepath.Join(top, "caret-data"), "127.0.0.1:0", "", "")
	defer s.kill(t)
	cmd := exec.Command("bash", "-euxo", "pipefail", "-c", script.String())
	cmd.Dir = top
	cmd.Env = append(os.Environ(), "CARET_ENDPOINT="+s.url,
		"TMPDIR="+filepath.Join(top, "tmp"), "AWS_EC2_METADATA_DISABLED=true")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, tail(string(out)))
	}
	for _, want := range []string{"june,120", "exit status 3", "our part 1", "refused", "somebody was faster"} {
		if !strings.Contains(string(out), "\n"+want) {
			t.Errorf("the tour does not say %q", want)
		}
	}
	made, err := filepath.Glob(filepath.Join(top, "tmp", "*", "copy", "2.txt"))
	if err != nil || len(made) != 1 {
		t.Errorf("the copy of the folder: %q, %v", made, err)
	}
}

// tail is the end of a long output.
func tail(s string) string { return s[max(0, len(s)-3000):] }
