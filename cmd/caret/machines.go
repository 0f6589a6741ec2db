package main

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"caret/objstore/local"
)

// metrics are what a server counts.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	inFlight prometheus.Gauge
}

func newMetrics(store *local.Store) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "caret_request_seconds", Help: "Time that requests took, by method and status.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 10),
		}, []string{"method", "code"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "caret_requests_in_flight", Help: "Requests under way."}),
	}
	m.registry.MustRegister(m.requests, m.inFlight, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
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

// measure counts the requests to next.
func (m *metrics) measure(next http.Handler) http.Handler {
	return promhttp.InstrumentHandlerInFlight(m.inFlight, promhttp.InstrumentHandlerDuration(m.requests, next))
}

// pages serves what machines ask for; it needs no signature and tells no
// names or content.
func (m *metrics) pages() http.Handler {
	mux := http.NewServeMux()
	ok := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }
	mux.HandleFunc("GET /_caret/health/live", ok)
	mux.HandleFunc("GET /_caret/health/ready", ok) // it listens only when it is
	mux.Handle("GET /_caret/metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return mux
}
