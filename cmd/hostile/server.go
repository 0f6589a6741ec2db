package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	rootKey    = "HOSTILEROOT"
	rootSecret = "hostile-root-secret"
)

// server is a process of the binary.
type server struct {
	cmd  *exec.Cmd
	url  string
	root *user
	done chan struct{} // closed when it has ended
	err  error         // how, after that
}

// start starts a server on a data directory of the stage with flags besides. What it
// may open and take can be limited by limits, which are arguments of ulimit, such as
// "-n 256".
func (s *stage) start(limits string, flags ...string) (*server, error) {
	args := append([]string{"serve", "--data", filepath.Join(s.dir, "data"), "--listen", "127.0.0.1:0"}, flags...)
	script := `exec "$0" "$@"`
	if limits != "" {
		script = "ulimit " + limits + "; " + script
	}
	cmd := exec.CommandContext(s.ctx, "/bin/sh", append([]string{"-c", script, s.bin}, args...)...)
	cmd.Env = append(os.Environ(), "CARET_ROOT_ACCESS_KEY="+rootKey, "CARET_ROOT_SECRET_KEY="+rootSecret)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	v := &server{cmd: cmd, done: make(chan struct{})}
	var said strings.Builder
	for lines := bufio.NewScanner(stderr); v.url == "" && lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		if _, url, ok := strings.Cut(lines.Text(), " at "); ok && strings.HasPrefix(url, "http") {
			v.url = url
		}
	}
	if v.url == "" {
		return nil, errors.Join(errors.New("the server did not start:\n"+said.String()), cmd.Wait())
	}
	v.root = newUser(v.url, "root", rootKey, rootSecret)
	go func() {
		_, copied := io.Copy(s.log, stderr)
		v.err = cmp.Or(cmd.Wait(), copied)
		close(v.done)
	}()
	return v, nil
}

// alive says whether the process runs.
func (v *server) alive() bool {
	select {
	case <-v.done:
		return false
	default:
		return true
	}
}

// stop ends the server as a supervisor would.
func (v *server) stop() error {
	if err := v.cmd.Process.Signal(syscall.SIGTERM); err != nil && v.alive() {
		return err
	}
	<-v.done
	return v.err
}

// memory is how many bytes of memory it has now, and the most it ever had.
func (v *server) memory() (now, most float64) {
	return v.status("VmRSS"), v.status("VmHWM")
}

// status is a number of bytes from its status in /proc.
func (v *server) status(name string) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", v.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err == nil {
				return kib * 1024
			}
		}
	}
	return 0
}

// files is how many files and sockets it has open.
func (v *server) files() int {
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", v.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	return len(names)
}
