package endpoints

import (
	"math"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cssc-ha/cssc/levels"
)

// state shows the newest snapshot as gauges, read once for each question. Before the first
// snapshot there are none.
type state struct {
	source Source
	gauges []gauge
}

// gauge is one metric of the state. Its read gives each value with those of the labels.
type gauge struct {
	desc *prometheus.Desc
	read func(s *Snapshot, give func(value float64, labels ...string))
}

// simple is a gauge with one value.
func simple(name, help string, value func(*Snapshot) float64) gauge {
	return gauge{
		desc: prometheus.NewDesc(name, help, nil, nil),
		read: func(s *Snapshot, give func(float64, ...string)) { give(value(s)) },
	}
}

// flag is a gauge that is 0 or 1.
func flag(name, help string, is func(*Snapshot) bool) gauge {
	return simple(name, help, func(s *Snapshot) float64 { return truth(is(s)) })
}

func truth(is bool) float64 {
	if is {
		return 1
	}

	return 0
}

// oneOf is a gauge that is 1 for the word that holds and 0 for the others.
func oneOf(name, help, label string, words []string, holds func(*Snapshot) string) gauge {
	return gauge{
		desc: prometheus.NewDesc(name, help, []string{label}, nil),
		read: func(s *Snapshot, give func(float64, ...string)) {
			for _, word := range words {
				give(truth(word == holds(s)), word)
			}
		},
	}
}

func newState(source Source) *state {
	return &state{source: source, gauges: append(nodeGauges(source), workGauges()...)}
}

// nodeGauges are of the node and its cluster.
func nodeGauges(source Source) []gauge {
	return []gauge{
		{
			desc: prometheus.NewDesc("cssc_build_info", "The agent's version; always 1.", []string{"version", "goversion"}, nil),
			read: func(s *Snapshot, give func(float64, ...string)) { give(1, s.Version, runtime.Version()) },
		},
		{
			desc: prometheus.NewDesc("cssc_node_info", "The node's and its cluster's name; always 1.", []string{"node", "cluster"}, nil),
			read: func(s *Snapshot, give func(float64, ...string)) { give(1, string(s.Node), s.Cluster) },
		},
		oneOf("cssc_role", "The role that the node has: 1 for that one.", "role", words(roles()), func(s *Snapshot) string { return s.Role.String() }),
		oneOf("cssc_state", "The state of the node: 1 for that one.", "state", words(states()), func(s *Snapshot) string { return s.State.String() }),
		simple("cssc_term", "The term of the mastership that the node knows.", func(s *Snapshot) float64 { return float64(s.Term) }),
		simple("cssc_lease_remaining_seconds", "For how long the node may act as master without a renewal: 0 without a lease, +Inf for one without an end.",
			func(s *Snapshot) float64 { return remaining(source, s) }),
		flag("cssc_quorate", "Whether a majority of the voters is heard.", func(s *Snapshot) bool { return s.Quorate }),
		simple("cssc_voters", "Nodes whose vote counts for the quorum.", func(s *Snapshot) float64 { return float64(s.Voters) }),
		simple("cssc_voters_heard", "Voters that are heard, this node included.", func(s *Snapshot) float64 { return float64(s.VotersHeard) }),
		simple("cssc_nodes", "Nodes of the node table.", func(s *Snapshot) float64 { return float64(len(s.Nodes)) }),
		simple("cssc_nodes_alive", "Nodes of the node table that are alive, this one included.", func(s *Snapshot) float64 {
			return counted(s.Nodes, func(n *levels.NodeView) bool { return n.Alive })
		}),
		simple("cssc_nodes_out_of_step", "Nodes whose configuration differs from this node's.", func(s *Snapshot) float64 {
			return counted(s.Nodes, func(n *levels.NodeView) bool { return !n.InStep })
		}),
		flag("cssc_headless", "Whether the node is up and knows no master.", func(s *Snapshot) bool { return s.Headless }),
		flag("cssc_qualified", "Whether the node may hold a role: not locked.", func(s *Snapshot) bool { return s.Qualified }),
		flag("cssc_ready", "Whether init is complete on this node.", func(s *Snapshot) bool { return s.Ready }),
		flag("cssc_master_ready", "Whether the master that the node knows is ready for service.", func(s *Snapshot) bool { return s.MasterReady }),
		simple("cssc_problems", "Standing problems, which \"cssc status\" explains.", func(s *Snapshot) float64 { return float64(s.Problems) }),
		flag("cssc_reload_needed", "Whether the configuration files differ from what is in force.", func(s *Snapshot) bool { return s.NeedReload }),
	}
}

// workGauges are of what is under way.
func workGauges() []gauge {
	return []gauge{
		oneOf("cssc_sequence_running", "The sequence that runs: 1 for that one.", "sequence", words(levels.Sequences()), func(s *Snapshot) string {
			if s.Run == nil {
				return ""
			}

			return s.Run.Sequence.String()
		}),
		flag("cssc_sequence_held", "Whether the run waits for an operator or for the component that failed.", func(s *Snapshot) bool {
			return s.Run != nil && s.Run.Phase == levels.PhaseHeld
		}),
		simple("cssc_registrations", "Registered callbacks.", func(s *Snapshot) float64 { return float64(len(s.Registrations)) }),
		simple("cssc_callbacks_pending", "Invocations that are not answered yet.", func(s *Snapshot) float64 { return float64(len(s.Pending)) }),
		simple("cssc_members", "Units that take part in a level.", func(s *Snapshot) float64 { return float64(len(s.Members)) }),
		simple("cssc_members_failed", "Units that failed when a level wanted them last.", func(s *Snapshot) float64 {
			return counted(s.Members, func(m *levels.MemberView) bool { return m.Outcome == levels.OutcomeFailed })
		}),
		simple("cssc_operations_running", "Operations under way on this node.", func(s *Snapshot) float64 {
			return counted(s.Operations, func(o *levels.OperationView) bool { return o.Result == levels.ResultRunning })
		}),
	}
}

func states() []levels.NodeState {
	return []levels.NodeState{
		levels.StateDown, levels.StateJoining, levels.StateInitializing, levels.StateUp, levels.StateShuttingDown, levels.StateLeaving,
	}
}

func words[T interface{ String() string }](values []T) []string {
	all := make([]string, len(values))
	for i, value := range values {
		all[i] = value.String()
	}

	return all
}

func counted[T any](list []T, counts func(*T) bool) float64 {
	n := 0
	for i := range list {
		if counts(&list[i]) {
			n++
		}
	}

	return float64(n)
}

// remaining is by the clock of this moment.
func remaining(source Source, s *Snapshot) float64 {
	switch remains, held := source.Mandate(s.Term); {
	case !held:
		return 0
	case remains == Endless:
		return math.Inf(1)
	default:
		return remains.Seconds()
	}
}

// Describe names the metrics.
func (g *state) Describe(to chan<- *prometheus.Desc) {
	for _, one := range g.gauges {
		to <- one.desc
	}
}

// Collect reads the newest snapshot.
func (g *state) Collect(to chan<- prometheus.Metric) {
	s := g.source.Snapshot()
	if s == nil {
		return
	}
	for _, one := range g.gauges {
		one.read(s, func(value float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(one.desc, prometheus.GaugeValue, value, labels...)
		})
	}
}
