package endpoints

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	metrics "github.com/hashicorp/go-metrics"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/cssc-ha/cssc/levels"
)

// described are the metrics of our own, "name{label,label}".
func described(f *figures) []string {
	all := make(chan *prometheus.Desc, 1024)
	f.registry.Describe(all)
	close(all)
	form := regexp.MustCompile(`fqName: "(cssc_[a-z_]+)".*variableLabels: \{([a-z,]*)\}`)
	names := map[string]bool{}
	for desc := range all {
		if match := form.FindStringSubmatch(desc.String()); match != nil {
			name := match[1]
			if match[2] != "" {
				name += "{" + match[2] + "}"
			}
			names[name] = true
		}
	}

	return slices.Sorted(maps.Keys(names))
}

// Goal: cssc-metrics(7) has every metric with its labels, and no other. Method: the entries of
// the manual against what the registry describes.
func TestManualHasEveryMetric(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../contrib/man/cssc-metrics.7.scd")
	if err != nil {
		t.Fatal(err)
	}
	var manual []string
	for _, match := range regexp.MustCompile(`(?m)^\*(cssc_[a-z_]+)\*(\{[a-z,]+\})?$`).FindAllStringSubmatch(string(text), -1) {
		manual = append(manual, match[1]+match[2])
	}
	slices.Sort(manual)
	if code := described(newFigures(master())); !slices.Equal(manual, code) {
		t.Errorf("the manual has\n%s\nthe code has\n%s", strings.Join(manual, "\n"), strings.Join(code, "\n"))
	}
}

// Goal: what the loop tells is counted, and the state is that of the newest snapshot. Method:
// a run with a level, a failed participant and a change of role, then the page.
func TestPageShowsWhatHappened(t *testing.T) {
	t.Parallel()
	s, address := serving(t, master())
	second := levels.Instant(time.Second)
	record := levels.RunRecord{
		Sequence: levels.Promote, Outcome: "completed", Started: second, Ended: 3 * second,
		Levels: []levels.LevelRecord{{Level: 0, Entered: second, Reached: 2 * second, Participants: []levels.Participant{
			{Kind: levels.KindCallback, Outcome: levels.OutcomeDone, Started: second, Ended: 2 * second},
			{Kind: levels.KindMember, Outcome: levels.OutcomeFailed},
		}}},
	}
	view := &s.options.Source.Snapshot().View
	s.Observe(view, []levels.Action{
		levels.TellStateChanged{Role: levels.RoleMaster, OldRole: levels.RoleVice},
		levels.TellSequenceFinished{Record: record},
		levels.TellHeld{Position: levels.Position{Sequence: levels.Init}},
		levels.TellOperationFinished{Operation: levels.OperationView{Kind: levels.OperationSwitchover, Result: levels.ResultDone}},
	})
	next := *view
	next.Term++
	s.Observe(&next, []levels.Action{levels.TellTargetLost{}})
	page := ask(t, "GET", "http://"+address+"/metrics").body
	for _, want := range []string{
		`cssc_build_info{goversion="go`, `cssc_node_info{cluster="lab",node="n1"} 1`,
		`cssc_role{role="master"} 1`, `cssc_role{role="vice"} 0`, `cssc_state{state="shutting-down"} 0`, `cssc_state{state="up"} 1`,
		"cssc_term 5", "cssc_lease_remaining_seconds 1.5", "cssc_master_ready 1", "cssc_quorate 0",
		`cssc_sequences_total{outcome="completed",sequence="promote"} 1`, `cssc_sequences_total{outcome="failed",sequence="shut"} 0`,
		`cssc_sequence_duration_seconds_sum{sequence="promote"} 2`, `cssc_level_duration_seconds_bucket{sequence="promote",le="1"} 1`,
		`cssc_participants_total{kind="member",outcome="failed",sequence="promote"} 1`,
		`cssc_participant_duration_seconds_count{kind="callback",sequence="promote"} 1`,
		`cssc_role_changes_total{role="master"} 1`, `cssc_sequence_holds_total{sequence="init"} 1`,
		`cssc_operations_total{operation="switchover",result="done"} 1`, "cssc_targets_lost_total 1", "cssc_transitions_total 1",
		`cssc_peer_messages_total{result="sent"} 7`, "process_resident_memory_bytes", "go_goroutines",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
}

// Goal: what Serf tells goes to the metrics that are documented, and nothing that comes over
// the network becomes one. Method: known keys and one made of an event's name.
func TestSinkKnowsItsKeys(t *testing.T) {
	t.Parallel()
	s := newSink()
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.all...)
	before := series(t, registry)
	var sink metrics.MetricSink = s
	sink.IncrCounterWithLabels([]string{"serf", "member", "failed"}, 1, nil)
	sink.IncrCounterWithLabels([]string{"serf", "events"}, 1, nil)
	sink.IncrCounterWithLabels([]string{"serf", "events", "whatever a stranger sends"}, 1, nil)
	sink.AddSampleWithLabels([]string{"serf", "queue", "Event"}, 3, nil)
	sink.AddSampleWithLabels([]string{"memberlist", "probeNode"}, 20, nil)
	sink.SetGaugeWithLabels([]string{"memberlist", "health", "score"}, 2, []metrics.Label{{Name: "x", Value: "y"}})
	after := series(t, registry)
	if len(after) != len(before) {
		t.Errorf("%d series, there were %d", len(after), len(before))
	}
	for name, want := range map[string]float64{
		"cssc_gossip_member_events_total failed": 1, "cssc_gossip_events_total event": 1, "cssc_gossip_events_total query": 0,
		"cssc_gossip_queue event": 3, "cssc_gossip_health_score": 2, "cssc_gossip_probe_seconds": 0.02,
	} {
		if after[name] != want {
			t.Errorf("%s = %v, want %v", name, after[name], want)
		}
	}
}

// series are all values of a registry, by name and value of the label; of a histogram the sum.
func series(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, family := range families {
		for _, one := range family.GetMetric() {
			name := family.GetName()
			for _, label := range one.GetLabel() {
				name += " " + label.GetValue()
			}
			all[name] = one.GetCounter().GetValue() + one.GetGauge().GetValue() + one.GetHistogram().GetSampleSum()
		}
	}

	return all
}
