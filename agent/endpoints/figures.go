package endpoints

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/cssc-ha/cssc/levels"
)

// figures are all metrics, documented in cssc-metrics(7). Every label has a fixed set of
// values: nothing that a client or another node sends becomes one. Safe for concurrent use.
type figures struct {
	registry *prometheus.Registry
	http     http.Handler
	// listen begins to count what Serf tells.
	listen func() error

	requests *prometheus.CounterVec
	shed     prometheus.Counter
	pulse    prometheus.Gauge

	sequences    *prometheus.CounterVec
	sequenceTime *prometheus.HistogramVec
	levelTime    *prometheus.HistogramVec
	participants *prometheus.CounterVec
	partTime     *prometheus.HistogramVec
	held         *prometheus.CounterVec
	roles        *prometheus.CounterVec
	operations   *prometheus.CounterVec
	lostTargets  prometheus.Counter
	transitions  prometheus.Counter
	// term is the highest of a master that was seen; the loop's alone.
	term levels.Term
}

// durations are the bounds of the histograms in seconds: from a level without work to the
// longest time limits that people set.
func durations() []float64 {
	return []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}
}

func counterOpts(name, help string) prometheus.CounterOpts {
	return prometheus.CounterOpts{Name: name, Help: help}
}

func timeOpts(name, help string) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{Name: name, Help: help, Buckets: durations()}
}

// newFigures begins counting. It is made when somebody can ask for the first time, so that it
// costs nothing where nobody does.
func newFigures(source Source) *figures {
	f := &figures{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(counterOpts("cssc_endpoint_requests_total", "Answers given over HTTP."), []string{"endpoint", "code"}),
		shed:     prometheus.NewCounter(counterOpts("cssc_endpoint_shed_total", "Questions refused because too many came at once.")),
		pulse: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "cssc_loop_answer_seconds", Help: "How long the agent's loop took to notice the last question of /live.",
		}),
		sequences:    prometheus.NewCounterVec(counterOpts("cssc_sequences_total", "Runs that ended on this node."), []string{"sequence", "outcome"}),
		sequenceTime: prometheus.NewHistogramVec(timeOpts("cssc_sequence_duration_seconds", "Time of runs that completed."), []string{"sequence"}),
		levelTime:    prometheus.NewHistogramVec(timeOpts("cssc_level_duration_seconds", "Time of levels that were reached and did something."), []string{"sequence"}),
		participants: prometheus.NewCounterVec(counterOpts("cssc_participants_total", "Callbacks and members that took part in a level."), []string{"kind", "sequence", "outcome"}),
		partTime:     prometheus.NewHistogramVec(timeOpts("cssc_participant_duration_seconds", "Time that callbacks and members took."), []string{"kind", "sequence"}),
		held:         prometheus.NewCounterVec(counterOpts("cssc_sequence_holds_total", "How often a run was held by a failure."), []string{"sequence"}),
		roles:        prometheus.NewCounterVec(counterOpts("cssc_role_changes_total", "How often this node took a role."), []string{"role"}),
		operations:   prometheus.NewCounterVec(counterOpts("cssc_operations_total", "Operations that ended."), []string{"operation", "result"}),
		lostTargets:  prometheus.NewCounter(counterOpts("cssc_targets_lost_total", "Level targets that went down without the agent's doing.")),
		transitions:  prometheus.NewCounter(counterOpts("cssc_transitions_total", "Changes of the mastership that this node has seen.")),
	}
	f.registry.MustRegister(
		f.requests, f.shed, f.pulse, f.sequences, f.sequenceTime, f.levelTime, f.participants, f.partTime, f.held, f.roles,
		f.operations, f.lostTargets, f.transitions, newState(source), newTraffic(source),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	serf := newSink()
	f.registry.MustRegister(serf.all...)
	f.listen = serf.listen
	f.http = promhttp.HandlerFor(f.registry, promhttp.HandlerOpts{DisableCompression: true})
	f.zero()

	return f
}

// zero shows from the start what may happen later, so that the first time is a change.
func (f *figures) zero() {
	for _, sequence := range levels.Sequences() {
		for _, outcome := range outcomes() {
			f.sequences.WithLabelValues(sequence.String(), outcome)
		}
		f.held.WithLabelValues(sequence.String())
	}
	for _, role := range roles() {
		f.roles.WithLabelValues(role.String())
	}
}

func outcomes() []string { return []string{"completed", "failed", "canceled"} }

func roles() []levels.Role {
	return []levels.Role{levels.RoleMaster, levels.RoleVice, levels.RoleSpare, levels.RoleOffline, levels.RoleNone}
}

// serve answers /metrics.
func (f *figures) serve(w http.ResponseWriter, r *http.Request) {
	f.count(pathMetrics, http.StatusOK)
	f.http.ServeHTTP(w, r)
}

// count notes an answer; paths that do not exist are one.
func (f *figures) count(path string, code int) {
	endpoint := "other"
	switch path {
	case pathMaster, pathVice, pathReady, pathLive, pathMetrics:
		endpoint = path[1:]
	}
	f.requests.WithLabelValues(endpoint, strconv.Itoa(code)).Inc()
}

// observe counts what the loop tells. It is called by the loop and takes microseconds.
func (f *figures) observe(view *levels.View, notices []levels.Action) {
	if view.Master != "" && view.Term > f.term {
		if f.term != 0 {
			f.transitions.Inc()
		}
		f.term = view.Term
	}
	for _, notice := range notices {
		switch notice := notice.(type) {
		case levels.TellSequenceFinished:
			f.finished(&notice.Record)
		case levels.TellStateChanged:
			if notice.Role != notice.OldRole {
				f.roles.WithLabelValues(notice.Role.String()).Inc()
			}
		case levels.TellHeld:
			f.held.WithLabelValues(notice.Position.Sequence.String()).Inc()
		case levels.TellOperationFinished:
			f.operations.WithLabelValues(notice.Operation.Kind.String(), notice.Operation.Result.String()).Inc()
		case levels.TellTargetLost:
			f.lostTargets.Inc()
		default:
		}
	}
}

// finished counts one run with all its levels.
func (f *figures) finished(record *levels.RunRecord) {
	sequence := record.Sequence.String()
	f.sequences.WithLabelValues(sequence, record.Outcome).Inc()
	if record.Outcome == "completed" {
		f.sequenceTime.WithLabelValues(sequence).Observe(record.Ended.Sub(record.Started).Seconds())
	}
	for i := range record.Levels {
		level := &record.Levels[i]
		if level.Reached != 0 {
			f.levelTime.WithLabelValues(sequence).Observe(level.Reached.Sub(level.Entered).Seconds())
		}
		for j := range level.Participants {
			p := &level.Participants[j]
			f.participants.WithLabelValues(p.Kind.String(), sequence, p.Outcome.String()).Inc()
			if p.Started != 0 && p.Ended >= p.Started {
				f.partTime.WithLabelValues(p.Kind.String(), sequence).Observe(p.Ended.Sub(p.Started).Seconds())
			}
		}
	}
}
