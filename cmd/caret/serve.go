package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"caret/accesslog"
	"caret/api"
	"caret/api/v1"
	"caret/gateway"
	"caret/gateway/sigv4"
	"caret/objstore"
	"caret/objstore/local"
	"caret/pfs"
)

const defaultRegion = "us-east-1"

// serveOptions are the flags of serve.
type serveOptions struct {
	data, listen, region string
	metrics              string // address for metrics alone, "" for none
	domain, etag         string
	tlsCert, tlsKey      string
	logs                 logFlags
	began                time.Time // when the server was started, and what it has
	limits               limits    // only so much of: for its status
	grace, stall         time.Duration
	openTTL, uploadTTL   time.Duration
	newMasterKey         bool
	memory               string
	requests             int64 // bytes, that memory means
}

func serveCommand(p process) *cli.Command {
	var o serveOptions
	data := dataFlag("`DIR` where everything is kept; made if it does not exist")
	data.Destination = &o.data
	return &cli.Command{
		Name: "serve", Usage: "serve S3 and the API from a data directory",
		Description: "EXAMPLES:\n   caret serve\n   caret serve --data /srv/s3 --listen :443 --tls-cert c.pem --tls-key k.pem\n\n" +
			"The first start makes a root key and keeps it in DIR/root-key.json, unless\n" +
			"CARET_ROOT_ACCESS_KEY and CARET_ROOT_SECRET_KEY are set.",
		Flags: []cli.Flag{
			data,
			&cli.StringFlag{Name: "listen", Usage: "`HOST:PORT` to listen at", EnvVars: []string{"CARET_LISTEN"}, Value: "127.0.0.1:30600", Destination: &o.listen},
			&cli.StringFlag{Name: "metrics-listen", Usage: "`HOST:PORT` where metrics are served to whoever gets there; without it, at /_caret/metrics to administrators' keys", EnvVars: []string{"CARET_METRICS_LISTEN"}, Destination: &o.metrics},
			&cli.StringFlag{Name: "region", Usage: "`NAME` of the region", Value: defaultRegion, Destination: &o.region},
			&cli.StringFlag{Name: "domain", Usage: "`NAME` under which every bucket is a host, BUCKET.NAME", Destination: &o.domain},
			&cli.StringFlag{Name: "etag", Usage: "`HASH` in the ETags of what is stored from now on: blake3, or md5 as AWS has it", Value: "blake3", Destination: &o.etag},
			&cli.StringFlag{Name: "tls-cert", Usage: "PEM `FILE` of the certificate chain; serves HTTPS", Destination: &o.tlsCert},
			&cli.StringFlag{Name: "tls-key", Usage: "PEM `FILE` of its key", Destination: &o.tlsKey},
			&cli.DurationFlag{Name: "open-commit-ttl", Usage: "`TIME` after which open commits that nobody writes to are dropped, not counting time without a server; 0 keeps them for ever", Value: 7 * 24 * time.Hour, DefaultText: "168h, a week", Destination: &o.openTTL},
			&cli.DurationFlag{Name: "upload-ttl", Usage: "`TIME` after which multipart uploads that get no more parts are dropped, not counting time without a server; 0 keeps them for ever", Value: 7 * 24 * time.Hour, DefaultText: "168h, a week", Destination: &o.uploadTTL},
			&cli.BoolFlag{Name: "new-master-key", Usage: "go on without the DIR/master-key that users' keys were made with: remove these keys, and make another one", Destination: &o.newMasterKey},
			&cli.StringFlag{Name: "memory", Usage: "`SIZE` of the memory that all requests may take together, such as 512MiB; the index takes some 400 MiB besides", DefaultText: "a quarter of the machine's, or of the control group's limit", Destination: &o.memory},
			&cli.StringFlag{Name: "log-level", Usage: "`LEVEL`: debug, info, warn or error", Value: "info", Destination: &o.logs.level},
			&cli.StringFlag{Name: "log-format", Usage: "`FORMAT` of the log: text or json", Value: "text", Destination: &o.logs.format},
			&cli.StringFlag{Name: "access-log", Usage: "`FILE` that gets a line of JSON for each request, - for standard output; opened again at SIGHUP", Destination: &o.logs.access},
			&cli.DurationFlag{Name: "grace", Usage: "`TIME` that requests under way may take to finish at shutdown, such as 30s", Value: 30 * time.Second, Destination: &o.grace},
		},
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			o.stall = defaultStall
			return serve(c.Context, p, o)
		},
	}
}

// check says which of the flags makes no sense.
func (o *serveOptions) check() (err error) {
	if o.requests, err = requestMemory(o.memory); err != nil {
		return err
	}
	if o.etag != "blake3" && o.etag != "md5" {
		return usagef("--etag %q: it is blake3 or md5", o.etag)
	}
	for name, ttl := range map[string]time.Duration{"open-commit-ttl": o.openTTL, "upload-ttl": o.uploadTTL} {
		if ttl < 0 || ttl > 0 && ttl < time.Minute {
			return usagef("--%s %s: it is at least 1m, or 0 for ever", name, ttl)
		}
	}
	return nil
}

// serve runs a server until ctx ends.
func serve(ctx context.Context, p process, o serveOptions) (err error) {
	log, err := newLog(p.stderr, o.logs)
	if err == nil {
		err = o.check()
	}
	if err != nil {
		return err
	}
	var onHUP reloads
	onHUP.watch(ctx, log)
	// Listening first makes a taken port the first thing that is said.
	o.began = time.Now()
	fds := &files{limit: openFiles()}
	ln, err := listen(o, fds, &onHUP, log)
	if err != nil {
		return err
	}
	defer ln.Close() //nolint:errcheck // serving closes it too
	memory := limitMemory(o.requests, log)
	access, err := openAccessLog(p, o.logs, &onHUP, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, access.Close()) }() // when the last request has ended
	store, err := local.Open(o.data, local.Options{Log: log})
	if err != nil {
		return err
	}
	defer func() { err = closeStore(store, err, log) }()
	fds.keepFor(store.Files, log)
	o.limits.addFiles(ln.conns, fds)
	o.limits.addMemory(memory)
	if err := dropLeftovers(o.data, log); err != nil {
		return err
	}
	key, made, err := findRootKey(p, o.data, store.ID())
	if err != nil {
		return err
	}
	sealer, err := findMasterKey(ctx, o.data, store.ID(), store, o.newMasterKey, log)
	if err != nil {
		return err
	}
	system, err := pfs.Open(ctx, store, pfs.Options{
		Log: log, Sealer: sealer, SealerName: masterKeyPath(o.data), OpenTTL: o.openTTL, UploadTTL: o.uploadTTL,
		Exclusive: true, // the store is locked
		Budget:    memory,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, system.Close()) }()
	served := watched(ctx, memory)
	h := handler(system, store, key, o, served, access, log)
	srv := newServer(h, ln, log)
	srv.RegisterOnShutdown(system.EndWatches) // it waits for them
	endMetrics, err := h.metrics.serveAt(o.metrics, &health{system: system, store: store}, log)
	if err != nil {
		return err
	}
	defer endMetrics()
	greet(p, ln, o, made, log)
	return serveUntilDone(ctx, srv, ln, store, o.grace, log)
}

func newServer(h http.Handler, ln *endpoint, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		ConnState:         ln.track,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// endpoint is where connections come from, by TLS or not.
type endpoint struct {
	net.Listener
	conns *connections
}

func (e *endpoint) track(c net.Conn, state http.ConnState) { e.conns.track(c, state) }

func listen(o serveOptions, fds *files, onHUP *reloads, log *slog.Logger) (*endpoint, error) {
	if (o.tlsCert == "") != (o.tlsKey == "") {
		return nil, usagef("--tls-cert and --tls-key are given together")
	}
	cert := &certificate{certFile: o.tlsCert, keyFile: o.tlsKey}
	if o.tlsCert != "" {
		if err := cert.load(); err != nil {
			return nil, err
		}
		onHUP.add("the TLS certificate", cert.load)
	}
	if !strings.Contains(o.listen, ":") {
		return nil, usagef("--listen %q: it is HOST:PORT, such as 127.0.0.1:30600 or :30600", o.listen)
	}
	ln, err := net.Listen("tcp", o.listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen at %s: %w", o.listen, err)
	}
	conns := limit(ln, fds.connections, log)
	if o.tlsCert != "" {
		return &endpoint{tls.NewListener(conns, cert.config()), conns}, nil
	}
	return &endpoint{conns, conns}, nil
}

// handler puts S3, the API and the pages for machines on one listener.
func handler(system *pfs.System, store *local.Store, key rootKey, o serveOptions, served *under, access *accesslog.Log, log *slog.Logger) *observer {
	secrets := func(ctx context.Context, accessKey string) (string, error) {
		if accessKey == key.AccessKey {
			return key.SecretKey, nil
		}
		secret, err := system.Secret(ctx, accessKey)
		if errors.Is(err, pfs.ErrNoSuchKey) {
			err = fmt.Errorf("%w: %s", sigv4.ErrUnknownKey, accessKey)
		}
		return secret, err
	}
	verifier := sigv4.New(sigv4.Options{Region: o.region, Secrets: secrets})
	caller := func(accessKey string) pfs.Caller {
		if accessKey == key.AccessKey {
			who := pfs.Root
			who.Via.Key = accessKey
			return who
		}
		return pfs.Holder(accessKey)
	}
	s3 := gateway.New(system, gateway.Options{
		Verifier: verifier, Secrets: secrets, Caller: caller, Region: o.region, Domain: o.domain, MD5: o.etag == "md5", Log: log,
	})
	h := &health{system: system, store: store}
	status := &reporter{health: h, store: store, limits: o.limits, started: o.began}
	calls := api.New(system, api.Options{Log: log, MD5: o.etag == "md5", Status: status.status, Authenticate: func(r *http.Request) (api.Caller, error) {
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
		return api.Caller{Caller: caller(id.AccessKey), Body: body, Length: body.Length()}, nil
	}})
	m := newMetrics(store, served.budget)
	machines := m.pages(h, func(r *http.Request, e *accesslog.Entry) error {
		id, err := verifier.Verify(r)
		if err != nil {
			return err
		}
		who := pfs.Anonymous
		if !id.Anonymous {
			who = caller(id.AccessKey)
		}
		fs := system.As(who)
		err = fs.View(r.Context(), (*pfs.View).MayOversee)
		e.Key, e.User = id.AccessKey, fs.Caller().Name
		return err
	})
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case s3.HostBucket(r) != "": // then it is a key
			s3.ServeHTTP(w, r)
		case strings.HasPrefix(path+"/", v1.Prefix):
			calls.ServeHTTP(w, r)
		case strings.HasPrefix(path, "/_caret/"):
			machines.ServeHTTP(w, r)
		default:
			s3.ServeHTTP(w, r)
		}
	})
	m.watchAccessLog(access)
	return &observer{next: next, host: s3.HostBucket, metrics: m, log: log, access: access, stall: o.stall, under: served}
}

// greet says where the server is and how to use it.
func greet(p process, ln net.Listener, o serveOptions, made bool, log *slog.Logger) {
	scheme := "http"
	if o.tlsCert != "" {
		scheme = "https"
	}
	endpoint := scheme + "://" + reachable(ln.Addr())
	if o.logs.format == "json" { // whoever reads it takes nothing else
		log.Info("serving", "version", version, "data", o.data, "endpoint", endpoint, "made_root_key", made)
		return
	}
	fmt.Fprintf(p.stderr, "caret %s serves %s at %s\n", version, o.data, endpoint)
	if p.getenv("CARET_ROOT_ACCESS_KEY") != "" {
		fmt.Fprintln(p.stderr, "The root key is the one in CARET_ROOT_ACCESS_KEY and CARET_ROOT_SECRET_KEY.\n"+
			"Clients need it too: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to it, and AWS_ENDPOINT_URL="+endpoint)
		return
	} else if made {
		fmt.Fprintf(p.stderr, "Made a root key, which is kept in %s.\n", rootKeyPath(o.data))
	}
	flags := ""
	if o.data != defaultData {
		flags += " --data " + shellWord(o.data)
	}
	if endpoint != defaultEndpoint {
		flags += " --endpoint " + endpoint
	}
	if o.region != defaultRegion {
		flags += " --region " + shellWord(o.region)
	}
	fmt.Fprintf(p.stderr, "To use it, in another shell in this folder:\n"+
		"  eval \"$(caret env%s)\"\n  aws s3 mb s3://master.sales\n  aws s3 cp FILE s3://master.sales/\n", flags)
}

// reachable is an address to connect to where the server listens at all of
// the machine's.
func reachable(a net.Addr) string {
	if tcp, ok := a.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", fmt.Sprint(tcp.Port))
	}
	return a.String()
}

// brokenGrace is how long requests under way may go on, mostly reads, when the store is
// broken, and brokenClose how long closing it may take then.
const (
	brokenGrace = 5 * time.Second
	brokenClose = 5 * time.Second
)

// serveUntilDone serves, and when ctx ends lets requests under way finish. If the store is
// broken that is the end too, and the error: whoever watches over the process starts
// another, which finds out what can be mended.
func serveUntilDone(ctx context.Context, srv *http.Server, ln net.Listener, store objstore.Store, grace time.Duration, log *slog.Logger) error {
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	var broken error
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	case <-store.Failed():
		broken = store.Failure()
		grace = min(grace, brokenGrace)
		log.Error("the store is broken, the server ends", "err", broken)
	}
	log.Info("shutting down", "grace", grace)
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := srv.Shutdown(limit); err != nil {
		log.Warn("requests were cut off", "err", err)
		return errors.Join(broken, srv.Close())
	}
	return broken
}

// closeStore closes the store of a server that ended with err, and returns what it says.
// A broken one is not waited for: what it has is on disk, or never will be.
func closeStore(store objstore.Store, err error, log *slog.Logger) error {
	closed := make(chan error, 1)
	go func() { closed <- store.Close() }()
	late := make(<-chan time.Time)
	if store.Failure() != nil {
		late = time.After(brokenClose)
	}
	select {
	case closeErr := <-closed:
		if store.Failure() == nil {
			return errors.Join(err, closeErr)
		}
	case <-late:
		log.Warn("the store could not be closed")
	}
	if err == nil {
		err = store.Failure() // found on the way
	}
	return err
}
