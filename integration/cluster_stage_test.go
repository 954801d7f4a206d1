//go:build integration

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cssc-ha/cssc/integration/history"
	"github.com/cssc-ha/cssc/integration/lab"
)

const (
	// Bound of the way from the end of a fault to a cluster that is one again: boots of nodes,
	// init, promote, and the long promise of a planned restart.
	settleLimit = 60 * time.Second
	// How long the services of a node that was stopped as a whole may run beside the new
	// master after it goes on. Nobody on the node could know before.
	wakingLimit = 500 * time.Millisecond
	// What a take-over may take beyond the leases, on a machine that is busy with boots.
	busy = 5 * time.Second
)

// fleet is a cluster whose nodes have recorders bound to the master's and the vice's
// targets, and the record of what they do. Stories of clusters are not parallel: they
// measure times, and one cluster keeps two processors busy while it boots.
type fleet struct {
	*lab.Cluster

	t      *testing.T
	lease  time.Duration
	random *rand.Rand
}

// form makes a cluster, boots all nodes at the same time and waits until it is one and calm. The
// history is judged at the end of the test, whatever happened to it.
func form(t *testing.T, size int, lease time.Duration) *fleet {
	t.Helper()
	f := prepare(t, lab.ClusterConfig{Size: size}, lease)
	f.Boot(t)
	f.calm()

	return f
}

// prepare is form without the boot.
func prepare(t *testing.T, config lab.ClusterConfig, lease time.Duration) *fleet {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("CSSC_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("repeat with: CSSC_SEED=%d CSSC_TRIALS=%d go test -tags integration -run '^%s$' ./integration", seed, trials(), t.Name())
	config.Mastership = fmt.Sprintf("lease = %q\nflap_limit = 0\n", lease)
	f := &fleet{lab.NewCluster(t, config), t, lease, rand.New(rand.NewPCG(seed, 0))}
	t.Cleanup(f.judge)
	for _, node := range f.Members() {
		f.equip(node)
	}

	return f
}

// trials is how often each fault of a story is tried; CSSC_TRIALS makes it more than once.
func trials() int {
	number, err := strconv.Atoi(os.Getenv("CSSC_TRIALS"))
	if err != nil {
		return 1
	}

	return max(number, 1)
}

// equip puts the recorders onto a node that is off.
func (f *fleet) equip(node *lab.Node) {
	f.t.Helper()
	n := &stage{node, f.t}
	n.Copy(f.t, lab.BuildProgram(f.t, "./integration/cmd/probe"), "/usr/bin/probe")
	for duty, target := range map[string]string{history.Lead: "cssc-master-0.target", history.Second: "cssc-vice-0.target"} {
		n.unit(duty+".service", "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=notify\n"+
			"ExecStart=/usr/bin/probe hold /lab "+duty+"\nTimeoutStopSec=5s\n[Install]\nWantedBy="+target+"\n")
	}
}

// write adds a record of the test itself to the history.
func (f *fleet) write(word, node, text string) {
	f.t.Helper()
	var now unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	if err == nil {
		r := history.Record{At: time.Duration(now.Nano()), Life: "test", Node: node, Duty: "-", Word: word, Text: text}
		err = appendLine(f.historyFile(), r.String())
	}
	if err != nil {
		f.t.Fatalf("write to the history: %v", err)
	}
}

func appendLine(path, line string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = file.WriteString(line + "\n")

	return errors.Join(err, file.Close())
}

func (f *fleet) historyFile() string { return filepath.Join(f.Shared(), "history") }

// records reads the history so far.
func (f *fleet) records() []history.Record {
	f.t.Helper()
	file, err := os.Open(f.historyFile())
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		f.t.Fatalf("history: %v", err)
	}
	defer func() { _ = file.Close() }()
	records, err := history.Read(file)
	if err != nil {
		f.t.Fatalf("history: %v", err)
	}

	return records
}

// judge checks the whole history and prints what each fault has cost. CSSC_FIGURES names a
// file for the figures of many runs, CSSC_KEEP a folder for what a failed run has left.
func (f *fleet) judge() {
	records := f.records()
	report := history.Check(records, history.Rules{Waking: wakingLimit})
	for _, violation := range report.Violations {
		f.t.Errorf("%s", violation)
	}
	f.t.Logf("%d masterships began, %d of them of a term that could not be asked; beside a new master after waking up: at most %v",
		report.Starts, report.Unnamed, report.Woken)
	for _, change := range history.Changes(records) {
		f.t.Logf("%s", change)
		if path := os.Getenv("CSSC_FIGURES"); path != "" {
			if err := appendLine(path, f.t.Name()+": "+change.String()); err != nil {
				f.t.Errorf("figures: %v", err)
			}
		}
	}
	if f.t.Failed() {
		f.tell()
	}
	if folder := os.Getenv("CSSC_KEEP"); folder != "" && f.t.Failed() {
		f.keep(folder, records)
	}
}

// tell prints what the nodes that are on say of themselves and of what is in progress.
func (f *fleet) tell() {
	for _, node := range f.Nodes() {
		if !node.Running() {
			f.t.Logf("%s is off", node.Name)

			continue
		}
		for _, words := range []string{"status", "operations"} {
			output, code, err := node.Try("timeout", "10", "cssc", words)
			f.t.Logf("cssc %s on %s: status %d, %v\n%s", words, node.Name, code, err, output)
		}
	}
}

// keep writes the history and what the agents said into a folder that outlives the lab.
func (f *fleet) keep(folder string, records []history.Record) {
	var text strings.Builder
	for _, r := range records {
		text.WriteString(r.String() + "\n")
	}
	folder = filepath.Join(folder, strings.ReplaceAll(f.t.Name(), "/", "-"))
	err := os.MkdirAll(folder, 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "history"), []byte(text.String()), 0o644)
	}
	for _, node := range f.Nodes() {
		if err == nil {
			journal := node.Journal(f.t, "-o", "short-monotonic", "-u", agentUnit, "-u", guardUnit)
			err = os.WriteFile(filepath.Join(folder, node.Name), []byte(journal), 0o644)
		}
	}
	if err != nil {
		f.t.Errorf("keep what was said: %v", err)
	}
}

// standing is what nodes agree on.
type standing struct {
	master, vice *lab.Node
	term         uint64
}

// settled waits until the named nodes, all members that are on when none is named, are one
// cluster at rest: they name the same master and vice of their number, in the same term,
// those have these roles and nobody else has, and the master's recorder runs.
func (f *fleet) settled(nodes ...*lab.Node) standing {
	f.t.Helper()

	return f.settledWithin(settleLimit, nodes...)
}

func (f *fleet) settledWithin(limit time.Duration, nodes ...*lab.Node) standing {
	f.t.Helper()
	if len(nodes) == 0 {
		nodes = slices.DeleteFunc(f.Members(), func(n *lab.Node) bool { return !n.Running() })
	}
	var found standing
	lab.Eventually(f.t, limit, "one cluster of "+names(nodes), func() error {
		var err error
		found, err = f.agreed(nodes)

		return err
	})

	return found
}

// agreed is one look of settled.
func (f *fleet) agreed(nodes []*lab.Node) (standing, error) {
	views := make([]lab.View, len(nodes))
	for i, node := range nodes {
		var err error
		if views[i], err = node.View(context.Background()); err != nil {
			return standing{}, err
		}
	}
	first := views[0]
	var found standing
	candidates := 0
	for i, view := range views {
		if view.State != "up" || view.Sequence != "" || view.Headless || view.Master != first.Master || view.Vice != first.Vice || view.Term != first.Term {
			return found, fmt.Errorf("no agreement: %+v", views)
		}
		if view.Role != "none" {
			candidates++
		}
		switch node := nodes[i]; {
		case node.Name == view.Master && view.Role == "master":
			found.master = node
		case node.Name == view.Vice && view.Role == "vice":
			found.vice = node
		case node.Name == view.Master || node.Name == view.Vice || view.Role == "master" || view.Role == "vice":
			return found, fmt.Errorf("roles do not fit: %+v", views)
		}
	}
	if found.master == nil || found.vice == nil && candidates > 1 {
		return found, fmt.Errorf("no master, or no vice: %+v", views)
	}
	found.term = first.Term

	return found, f.leads(found.master)
}

// leads says whether the newest mastership in the history is the node's and still runs.
func (f *fleet) leads(node *lab.Node) error {
	var last history.Life
	records := f.records()
	for _, life := range history.Lives(records) {
		if life.Duty == history.Lead {
			last = life
		}
	}
	if last.Node != node.Name || last.Stopped || len(records) == 0 || records[len(records)-1].At-last.Last > time.Second {
		return fmt.Errorf("the recorder of the master %s does not run; the last was %v", node.Name, last)
	}

	return nil
}

func names(nodes []*lab.Node) string {
	var all []string
	for _, node := range nodes {
		all = append(all, node.Name)
	}

	return strings.Join(all, ", ")
}

// fault begins a fault, with its name in the history.
func (f *fleet) fault(format string, args ...any) {
	f.t.Helper()
	f.write(history.Mark, "-", fmt.Sprintf(format, args...))
}

// heal ends every cut and loss.
func (f *fleet) heal() {
	f.t.Helper()
	f.Heal(f.t)
	f.write(history.Heal, "-", "")
}

// without are the members but those named.
func (f *fleet) without(some ...*lab.Node) []*lab.Node {
	return slices.DeleteFunc(slices.Clone(f.Members()), func(n *lab.Node) bool { return slices.Contains(some, n) })
}

// spares are the members without a role.
func (f *fleet) spares(s standing) []*lab.Node { return f.without(s.master, s.vice) }

// takenOver waits until others lead without the old master, in a higher term: the vice of
// before when it is one of them. It fails when that takes more than three leases.
func (f *fleet) takenOver(before standing, others []*lab.Node) standing {
	f.t.Helper()
	after := f.replaced(before, others)
	if slices.Contains(others, before.vice) && after.master != before.vice {
		f.t.Errorf("after the fault %s leads, want the vice %s", after.master.Name, before.vice.Name)
	}

	return after
}

// replaced is takenOver by whomever.
func (f *fleet) replaced(before standing, others []*lab.Node) standing {
	f.t.Helper()
	begin := time.Now()
	after := f.settled(others...)
	if after.master == before.master || after.term <= before.term {
		f.t.Fatalf("after the fault %s leads in term %d, before it %s in term %d; want a take-over",
			after.master.Name, after.term, before.master.Name, before.term)
	}
	if took := time.Since(begin); took > 3*f.lease+busy {
		f.t.Errorf("the take-over took %v, want at most three leases of %v", took, f.lease)
	}

	return after
}

// unchanged fails unless master, vice and term are what they were, and the recorders are the
// same processes: no unit was touched.
func (f *fleet) unchanged(before standing, lives []string) {
	f.t.Helper()
	if after := f.settled(); after != before {
		f.t.Errorf("got %s leading in term %d, want %s in term %d still", after.master.Name, after.term, before.master.Name, before.term)
	}
	if got := f.lives(); !slices.Equal(got, lives) {
		f.t.Errorf("recorders that ran: got %v, want no other than %v", got, lives)
	}
}

// lives names the recorder processes that ever ran.
func (f *fleet) lives() []string {
	f.t.Helper()
	var all []string
	for _, life := range history.Lives(f.records()) {
		all = append(all, life.Name)
	}

	return all
}

// pass lets time pass under a fault: how long a fault lasts is a test's input.
func (f *fleet) pass(leases float64) {
	<-time.After(time.Duration(leases * float64(f.lease)))
}
