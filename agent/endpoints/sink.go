package endpoints

import (
	"strings"

	metrics "github.com/hashicorp/go-metrics"
	"github.com/prometheus/client_golang/prometheus"
)

// sink takes what Serf and memberlist count of themselves. It knows the keys that cssc-metrics(7)
// explains and ignores all others: some are made of names that arrive over the network.
type sink struct {
	metrics.BlackholeSink

	counters map[string]prometheus.Counter
	gauges   map[string]prometheus.Gauge
	probes   prometheus.Histogram
	all      []prometheus.Collector
}

const keyOfProbes = "memberlist.probeNode"

func newSink() *sink {
	s := &sink{
		counters: map[string]prometheus.Counter{}, gauges: map[string]prometheus.Gauge{},
		probes: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "cssc_gossip_probe_seconds", Help: "Time of the gossip's own probes of other nodes.", Buckets: durations(),
		}),
	}
	s.all = append(s.all, s.probes)
	s.count("cssc_gossip_member_events_total", "What gossip noticed of other nodes.", "event", map[string]string{
		"serf.member.join": "join", "serf.member.left": "left", "serf.member.failed": "failed",
		"serf.member.update": "update", "serf.member.flap": "flap",
	})
	s.count("cssc_gossip_messages_total", "Messages of the gossip about the life of nodes.", "kind", map[string]string{
		"memberlist.msg.alive": "alive", "memberlist.msg.suspect": "suspect", "memberlist.msg.dead": "dead",
	})
	s.count("cssc_gossip_events_total", "Events and questions that gossip delivered.", "kind", map[string]string{
		"serf.events": "event", "serf.queries": "query",
	})
	s.count("cssc_gossip_degraded_total", "Signs that this node is too slow for the gossip.", "sign", map[string]string{
		"memberlist.degraded.probe": "probe", "memberlist.degraded.timeout": "timeout",
	})
	s.count("cssc_gossip_streams_total", "Streams of the gossip with other nodes.", "direction", map[string]string{
		"memberlist.tcp.accept": "in", "memberlist.tcp.connect": "out",
	})
	s.count("cssc_gossip_sent_bytes_total", "Bytes that gossip sent.", "protocol", map[string]string{
		"memberlist.udp.sent": "udp", "memberlist.tcp.sent": "tcp",
	})
	s.show("cssc_gossip_queue", "Messages that wait to be spread, when that was looked at last.", "queue", map[string]string{
		"serf.queue.Intent": "intent", "serf.queue.Event": "event", "serf.queue.Query": "query",
	})
	s.show("cssc_gossip_health_score", "How this node stands in its own eyes: 0 is well, more is slower.", "", map[string]string{
		"memberlist.health.score": "",
	})

	return s
}

// count makes a counter of the keys, each with its value of the label.
func (s *sink) count(name, help, label string, keys map[string]string) {
	family := prometheus.NewCounterVec(counterOpts(name, help), []string{label})
	s.all = append(s.all, family)
	for key, value := range keys {
		s.counters[key] = family.WithLabelValues(value)
	}
}

// show makes a gauge of the keys; without a label there is one key.
func (s *sink) show(name, help, label string, keys map[string]string) {
	var labels []string
	if label != "" {
		labels = []string{label}
	}
	family := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	s.all = append(s.all, family)
	for key, value := range keys {
		if label == "" {
			s.gauges[key] = family.WithLabelValues()
		} else {
			s.gauges[key] = family.WithLabelValues(value)
		}
	}
}

// listen makes it the one that Serf writes to, for the rest of the process.
func (s *sink) listen() error {
	config := metrics.DefaultConfig("")
	config.EnableHostname, config.EnableRuntimeMetrics = false, false
	_, err := metrics.NewGlobal(config, s)

	return err
}

// IncrCounterWithLabels adds.
func (s *sink) IncrCounterWithLabels(key []string, value float32, _ []metrics.Label) {
	if counter, known := s.counters[strings.Join(key, ".")]; known && value > 0 {
		counter.Add(float64(value))
	}
}

// SetGaugeWithLabels keeps the newest.
func (s *sink) SetGaugeWithLabels(key []string, value float32, _ []metrics.Label) {
	if gauge, known := s.gauges[strings.Join(key, ".")]; known {
		gauge.Set(float64(value))
	}
}

// AddSampleWithLabels keeps the newest length of a queue, and every probe, which comes in
// milliseconds.
func (s *sink) AddSampleWithLabels(key []string, value float32, labels []metrics.Label) {
	if strings.Join(key, ".") == keyOfProbes {
		s.probes.Observe(float64(value) / 1000)

		return
	}
	s.SetGaugeWithLabels(key, value, labels)
}
