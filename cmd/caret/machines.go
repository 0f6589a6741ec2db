package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"caret/accesslog"
	"caret/objstore/budget"
	"caret/objstore/local"
)

const metricsPath = "/_caret/metrics"

// metrics are what a server counts.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	received *prometheus.CounterVec
	sent     *prometheus.CounterVec
	inFlight prometheus.Gauge
}

func newMetrics(store *local.Store, memory *budget.Budget) *metrics {
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"operation"})
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "caret_request_seconds", Help: "Time that requests took, by operation and status.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 10),
		}, []string{"operation", "code"}),
		received: counter("caret_received_bytes_total", "Bytes in the bodies of requests."),
		sent:     counter("caret_sent_bytes_total", "Bytes in the bodies of answers."),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "caret_requests_in_flight", Help: "Requests under way."}),
	}
	m.registry.MustRegister(m.requests, m.received, m.sent, m.inFlight, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	updates := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "caret_update_seconds", Help: "Time that the functions of updates took, which run one after another.",
		Buckets: prometheus.ExponentialBuckets(0.0001, 2, 14),
	})
	m.registry.MustRegister(updates)
	store.Observe(func(took time.Duration) { updates.Observe(took.Seconds()) })
	m.memory(memory)
	for name, c := range map[string]struct {
		help string
		get  func(local.Stats) int64
	}{
		"caret_blobs_stored_total":      {"Blobs stored.", func(s local.Stats) int64 { return s.Blobs }},
		"caret_bytes_stored_total":      {"Bytes in blobs stored.", func(s local.Stats) int64 { return s.Bytes }},
		"caret_blobs_known_total":       {"Blobs that came again and were not stored.", func(s local.Stats) int64 { return s.Duplicates }},
		"caret_transactions_total":      {"Transactions made durable.", func(s local.Stats) int64 { return s.Transactions }},
		"caret_transaction_syncs_total": {"Groups of transactions that shared a sync.", func(s local.Stats) int64 { return s.Groups }},
	} {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: c.help},
			func() float64 { return float64(c.get(store.Stats())) }))
	}
	return m
}

// memory shows how the budget of requests is used.
func (m *metrics) memory(b *budget.Budget) {
	type number struct {
		name, help string
		get        func(budget.Stats) int64
	}
	for _, n := range []number{
		{"caret_memory_budget_bytes", "Memory that requests may take together.", func(s budget.Stats) int64 { return s.Size }},
		{"caret_memory_used_bytes", "Of that, taken.", func(s budget.Stats) int64 { return s.Used }},
		{"caret_memory_waiting", "Requests that wait for memory.", func(s budget.Stats) int64 { return s.Waiting }},
	} {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: n.name, Help: n.help},
			func() float64 { return float64(n.get(b.Stats())) }))
	}
	for _, n := range []number{
		{"caret_memory_waits_total", "How often requests have waited for memory.", func(s budget.Stats) int64 { return s.Waits }},
		{"caret_memory_refused_total", "How often memory was refused, as others held it.", func(s budget.Stats) int64 { return s.Refused }},
	} {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: n.name, Help: n.help},
			func() float64 { return float64(n.get(b.Stats())) }))
	}
}

// watchAccessLog counts what the access log, if there is one, has not taken.
func (m *metrics) watchAccessLog(l *accesslog.Log) {
	if l == nil {
		return
	}
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "caret_access_log_dropped_total", Help: "Lines of the access log that its file did not take, or not fast enough.",
	}, func() float64 { return float64(l.Dropped()) }))
}

// observe counts one request.
func (m *metrics) observe(op string, status int, took time.Duration, received, sent int64) {
	m.requests.WithLabelValues(op, strconv.Itoa(status)).Observe(took.Seconds())
	m.received.WithLabelValues(op).Add(float64(received))
	m.sent.WithLabelValues(op).Add(float64(sent))
}

// pages serves what machines ask for. Whether the server is well needs no signature, and
// tells no names or content. What it counts tells of everybody's requests, and whether a
// content that is sent was known: that is for whom may, which says what is wrong, and tells
// the access log who asks.
func (m *metrics) pages(h *health, may func(*http.Request, *accesslog.Entry) error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_caret/health/live", func(w http.ResponseWriter, _ *http.Request) { h.live().write(w) })
	mux.HandleFunc("GET /_caret/health/ready", func(w http.ResponseWriter, r *http.Request) { h.ready(r.Context()).write(w) })
	page := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
	mux.HandleFunc("GET "+metricsPath, func(w http.ResponseWriter, r *http.Request) {
		if err := may(r, accesslog.Of(w, r)); err != nil {
			http.Error(w, "metrics are for administrators, who sign their requests, or at the address that caret serve --metrics-listen names", http.StatusForbidden)
			return
		}
		page.ServeHTTP(w, r)
	})
	return mux
}

// serveAt serves the pages for machines, and nothing else, to whoever gets to an address, ""
// for nowhere, and returns what ends that.
func (m *metrics) serveAt(address string, h *health, log *slog.Logger) (end func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen at %s for metrics: %w", address, err)
	}
	return m.serve(ln, h, log), nil
}

func (m *metrics) serve(ln net.Listener, h *health, log *slog.Logger) (end func()) {
	srv := &http.Server{
		Handler:           m.pages(h, func(*http.Request, *accesslog.Entry) error { return nil }),
		ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, ReadTimeout: headerTimeout, WriteTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	log.Info("serving metrics", "url", "http://"+reachable(ln.Addr())+metricsPath)
	go func() {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are served no more", "err", err)
		}
	}()
	return func() {
		if err := srv.Close(); err != nil {
			log.Warn("end of serving metrics", "err", err)
		}
	}
}
