package endpoints

import (
	"github.com/prometheus/client_golang/prometheus"
)

// traffic shows the counters of the way to the other nodes.
type traffic struct {
	source                                  Source
	messages, refused, lost, events, denied *prometheus.Desc
}

func newTraffic(source Source) *traffic {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}

	return &traffic{
		source:   source,
		messages: describe("cssc_peer_messages_total", "Messages about votes and leases, by what became of them.", "result"),
		refused:  describe("cssc_gossip_refused_total", "Members that gossip wanted to let in and the node table did not."),
		lost:     describe("cssc_gossip_lost_total", "Packets of the gossip that had no room."),
		events:   describe("cssc_events_dropped_total", "Events of other nodes that had no room."),
		denied:   describe("cssc_questions_refused_total", "Questions of other nodes that had no room; they were told."),
	}
}

// Describe names the metrics.
func (t *traffic) Describe(to chan<- *prometheus.Desc) {
	for _, one := range []*prometheus.Desc{t.messages, t.refused, t.lost, t.events, t.denied} {
		to <- one
	}
}

// Collect reads the counters once.
func (t *traffic) Collect(to chan<- prometheus.Metric) {
	now := t.source.Traffic()
	give := func(desc *prometheus.Desc, value uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value), labels...)
	}
	for _, result := range []struct {
		word  string
		value uint64
	}{
		{"sent", now.Sent},
		{"received", now.Received},
		{"unsent", now.Unsent},
		{"dropped", now.Dropped},
		{"malformed", now.Malformed},
		{"unlisted", now.Unlisted},
		{"misdirected", now.Misdirected},
		{"impostor", now.Impostor},
		{"undecryptable", now.Undecryptable},
	} {
		give(t.messages, result.value, result.word)
	}
	give(t.refused, now.Refused)
	give(t.lost, now.GossipLost)
	give(t.events, now.EventsDropped)
	give(t.denied, now.QuestionsRefused)
}
