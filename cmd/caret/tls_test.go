package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// writePair writes a certificate of 127.0.0.1 that trusts itself, with a number, and its
// key.
func writePair(t *testing.T, certFile, keyFile string, number int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(number), Subject: pkix.Name{CommonName: "caret"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReload: at SIGHUP a server shows the certificate that is in its files by then, and
// the old one if there is none that it can use, and begins its access log anew. Commands trust the one
// that they are told to.
func TestReload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, cert, key := filepath.Join(dir, "data"), filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	writePair(t, cert, key, 1)
	lines := filepath.Join(dir, "access")
	cmd, out := serverProcess(t, data, "--tls-cert", cert, "--tls-key", key, "--access-log", lines)
	_, url, _ := strings.Cut(out.String(), " at ")
	url, _, _ = strings.Cut(url, "\n")
	shows := func(want int64) {
		t.Helper()
		c, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // it is looked at here
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got := c.ConnectionState().PeerCertificates[0].SerialNumber.Int64(); got != want {
			t.Errorf("it shows certificate %d, want %d", got, want)
		}
	}
	reload := func(says string, n int) {
		t.Helper()
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		out.waitFor(t, says, n)
	}
	shows(1)
	writePair(t, cert, key, 2)
	if err := os.Rename(lines, lines+".1"); err != nil {
		t.Fatal(err)
	}
	reload("reloaded the TLS certificate", 1)
	out.waitFor(t, "reloaded the access log", 1)
	if _, err := os.Stat(lines); err != nil {
		t.Error(err)
	}
	shows(2)
	writePair(t, cert, filepath.Join(dir, "other"), 3)
	reload("what was in use stays", 1)
	shows(2)
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	reload("what was in use stays", 2)
	shows(2)
	writePair(t, cert, key, 4)
	reload("reloaded the TLS certificate", 2)
	shows(4)

	list := func(env map[string]string, flags ...string) (int, string) {
		var said strings.Builder
		p := process{stdin: strings.NewReader(""), stdout: io.Discard, stderr: &said, getenv: func(name string) string { return env[name] }}
		code := run(t.Context(), append([]string{"caret", "--endpoint", url, "--data", data}, append(flags, "repo", "list")...), p)
		return code, said.String()
	}
	for _, tt := range []struct {
		env   string
		flags []string
		code  int
		says  string
	}{
		{"", nil, exitError, "--ca-file"},
		{"", []string{"--ca-file", cert}, exitOK, ""},
		{cert, nil, exitOK, ""},
		{"absent", []string{"--ca-file", cert}, exitOK, ""},
		{key, nil, exitUsage, "there is no certificate in"},
		{"absent", nil, exitError, "read --ca-file or AWS_CA_BUNDLE"},
	} {
		if code, says := list(map[string]string{"AWS_CA_BUNDLE": tt.env}, tt.flags...); code != tt.code || !strings.Contains(says, tt.says) {
			t.Errorf("AWS_CA_BUNDLE=%s %q: %d, %s", tt.env, tt.flags, code, says)
		}
	}
	url = "http" + strings.TrimPrefix(url, "https")
	if code, says := list(nil); code != exitError || !strings.Contains(says, "hint: begin the endpoint with https://") {
		t.Errorf("%d, %s", code, says)
	}
}
