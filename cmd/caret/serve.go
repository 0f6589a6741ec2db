package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"caret/api"
	"caret/api/v1"
	"caret/gateway"
	"caret/gateway/sigv4"
	"caret/objstore/local"
	"caret/pfs"
)

// serveOptions are the flags of serve.
type serveOptions struct {
	data, listen, region string
	tlsCert, tlsKey      string
	logLevel             string
	grace                time.Duration
}

func serveCommand(p process) *cli.Command {
	var o serveOptions
	data := dataFlag()
	data.Destination = &o.data
	return &cli.Command{
		Name: "serve", Usage: "serve S3 and the API from a data directory",
		Description: "EXAMPLES:\n   caret serve\n   caret serve --data /srv/caret --listen 0.0.0.0:30600 --tls-cert c.pem --tls-key k.pem\n\n" +
			"The first start makes a root key and keeps it in DIR/root-key.json, unless\n" +
			"CARET_ROOT_ACCESS_KEY and CARET_ROOT_SECRET_KEY are set.",
		Flags: []cli.Flag{
			data,
			&cli.StringFlag{Name: "listen", Usage: "`HOST:PORT` to listen at", EnvVars: []string{"CARET_LISTEN"}, Value: "127.0.0.1:30600", Destination: &o.listen},
			&cli.StringFlag{Name: "region", Usage: "`NAME` of the region", Value: "us-east-1", Destination: &o.region},
			&cli.StringFlag{Name: "tls-cert", Usage: "PEM `FILE` of the certificate chain; serves HTTPS", Destination: &o.tlsCert},
			&cli.StringFlag{Name: "tls-key", Usage: "PEM `FILE` of its key", Destination: &o.tlsKey},
			&cli.StringFlag{Name: "log-level", Usage: "debug, info, warn or error", Value: "info", Destination: &o.logLevel},
			&cli.DurationFlag{Name: "grace", Usage: "how long requests under way may take to finish at shutdown", Value: 30 * time.Second, Destination: &o.grace},
		},
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			return serve(c.Context, p, o)
		},
	}
}

// serve runs a server until ctx ends.
func serve(ctx context.Context, p process, o serveOptions) (err error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.logLevel)); err != nil {
		return usagef("--log-level %q: it is debug, info, warn or error", o.logLevel)
	}
	log := slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: level}))
	// Listening first makes a taken port the first thing that is said.
	ln, err := listen(o)
	if err != nil {
		return err
	}
	defer ln.Close() //nolint:errcheck // serving closes it too
	store, err := local.Open(o.data, local.Options{Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	key, made, err := findRootKey(p, o.data)
	if err != nil {
		return err
	}
	fs, err := pfs.Open(ctx, store, pfs.Options{Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fs.Close()) }()
	srv := &http.Server{
		Handler:           handler(fs, store, key, o, log),
		ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	greet(p, ln, o, made)
	return serveUntilDone(ctx, p, srv, ln, o.grace, log)
}

func listen(o serveOptions) (net.Listener, error) {
	if (o.tlsCert == "") != (o.tlsKey == "") {
		return nil, usagef("--tls-cert and --tls-key are given together")
	}
	var conf *tls.Config
	if o.tlsCert != "" {
		cert, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
		if err != nil {
			return nil, fmt.Errorf("load the TLS certificate: %w", err)
		}
		conf = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	}
	ln, err := net.Listen("tcp", o.listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen at %s: %w", o.listen, err)
	}
	if conf != nil {
		ln = tls.NewListener(ln, conf)
	}
	return ln, nil
}

// handler puts S3, the API and the pages for machines on one listener.
func handler(fs *pfs.FS, store *local.Store, key rootKey, o serveOptions, log *slog.Logger) http.Handler {
	verifier := sigv4.New(sigv4.Options{
		Region: o.region,
		Secrets: func(_ context.Context, accessKey string) (string, error) {
			if accessKey != key.AccessKey {
				return "", fmt.Errorf("%w: %s", sigv4.ErrUnknownKey, accessKey)
			}
			return key.SecretKey, nil
		},
	})
	s3 := gateway.New(fs, gateway.Options{Verifier: verifier, Region: o.region, Owner: "root", Log: log})
	calls := api.New(fs, api.Options{Log: log, Authenticate: func(r *http.Request) (api.Caller, error) {
		id, err := verifier.Verify(r)
		if err == nil && id.Anonymous {
			err = errors.New("the request is not signed")
		}
		if err != nil {
			return api.Caller{}, err
		}
		body, err := verifier.Body(r, id)
		if err != nil {
			return api.Caller{}, err
		}
		return api.Caller{Name: "root", Body: body, Length: body.Length()}, nil
	}})
	m := newMetrics(store)
	machines := m.pages()
	return stallGuard(m.measure(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case strings.HasPrefix(path, v1.Prefix):
			calls.ServeHTTP(w, r)
		case strings.HasPrefix(path, "/_caret/"):
			machines.ServeHTTP(w, r)
		default:
			s3.ServeHTTP(w, r)
		}
	})))
}

// greet says where the server is and how to use it.
func greet(p process, ln net.Listener, o serveOptions, made bool) {
	scheme := "http"
	if o.tlsCert != "" {
		scheme = "https"
	}
	fmt.Fprintf(p.stderr, "caret %s serves %s at %s://%s\n", version, o.data, scheme, ln.Addr())
	if made {
		fmt.Fprintf(p.stderr, "made a root key and keeps it in %s\n", rootKeyPath(o.data))
	}
	if p.getenv("CARET_ROOT_ACCESS_KEY") != "" {
		fmt.Fprintln(p.stderr, "the root key is the one in CARET_ROOT_ACCESS_KEY and CARET_ROOT_SECRET_KEY")
		return
	}
	data, endpoint := "", ""
	if o.data != "./caret-data" {
		data = " --data " + o.data
	}
	if e := scheme + "://" + ln.Addr().String(); e != defaultEndpoint {
		endpoint = " --endpoint " + e
	}
	fmt.Fprintf(p.stderr, "to use it from another shell in this folder:\n"+
		"  eval \"$(caret env%s%s)\"\n  aws s3 mb s3://master.sales\n", data, endpoint)
}

// serveUntilDone serves, and when ctx ends lets requests under way finish.
func serveUntilDone(ctx context.Context, p process, srv *http.Server, ln net.Listener, grace time.Duration, log *slog.Logger) error {
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	if p.stop != nil {
		p.stop() // a second signal ends the process at once
	}
	log.Info("shutting down", "grace", grace)
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := srv.Shutdown(limit); err != nil {
		log.Warn("requests were cut off", "err", err)
		return srv.Close()
	}
	return nil
}

// stallTime is how long a request may pass without a byte of its body coming
// in or of its answer going out.
const stallTime = 2 * time.Minute

// stallGuard ends requests whose client has gone silent. Deadlines are moved
// on with each read and write, so a large upload may take any time.
func stallGuard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			r.Body = &guardedBody{ReadCloser: r.Body, ctl: http.NewResponseController(w)}
		}
		next.ServeHTTP(w, r)
	})
}

type guardedBody struct {
	io.ReadCloser
	ctl  *http.ResponseController
	next time.Time // when the deadline has to be moved on
}

func (g *guardedBody) Read(p []byte) (int, error) {
	if now := time.Now(); now.After(g.next) {
		g.next = now.Add(stallTime / 8)
		if err := g.ctl.SetReadDeadline(now.Add(stallTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return 0, err
		}
	}
	n, err := g.ReadCloser.Read(p)
	if err != nil {
		g.ctl.SetReadDeadline(time.Time{}) //nolint:errcheck // the next read tells
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = fmt.Errorf("%w: nothing came for %s", sigv4.ErrIncomplete, stallTime)
		}
	}
	return n, err
}
