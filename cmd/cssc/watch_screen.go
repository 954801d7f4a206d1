package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cssc-ha/cssc/cmd/cssc/screen"
	"github.com/cssc-ha/cssc/levels"
)

const (
	// The status is read at most once in this time, however fast things change.
	watchPace = 50 * time.Millisecond
	// The runs of so many other nodes are shown.
	mostElsewhere = 3
	// The log begins with the events of so many runs.
	watchPast = 5
)

// fullScreen is watch on a terminal. Its feed owns it but for latest, and draws by signals of the
// agent. A tick only counts the times in the picture on, asks an agent that is away again, and
// asks the nodes that are at work elsewhere, of whose participants no signal tells.
type fullScreen struct {
	app    *app
	agent  agentPort
	screen *screen.Screen
	// latest is what was read last; nil before the first answer.
	latest atomic.Pointer[report]
	// lost is when the agent went away, zero while it answers; why says what is missing.
	lost time.Time
	why  error
	// elsewhere are the nodes at work, as they told themselves.
	elsewhere []*report
	// stale says that an explanation on the screen may be old.
	stale bool
	// changes and events are what is subscribed to, nil while there is no bus. due says that
	// something may have changed, ready that the last look is long enough ago.
	changes    <-chan struct{}
	events     <-chan event
	due, ready bool
}

// fullScreen takes the terminal until a key or ctx ends it.
func (a *app) fullScreen(ctx context.Context, agent agentPort) error {
	ctx, cancel := context.WithCancel(ctx)
	f := &fullScreen{app: a, agent: agent}
	f.screen = screen.New(ctx, screen.Options{
		In: a.in, Out: a.out, Environment: os.Environ(), Colour: a.paint().on, Ask: f.explain,
	})
	var feed sync.WaitGroup
	var failed error
	feed.Go(func() {
		defer cancel()
		failed = f.feed(ctx)
	})
	err := f.screen.Run()
	cancel()
	feed.Wait()

	return errors.Join(failed, err)
}

// feed follows the agent until ctx ends; an error is one that does not pass.
func (f *fullScreen) feed(ctx context.Context) error {
	ticker := time.NewTicker(watchTick)
	defer ticker.Stop()
	pace := time.NewTimer(0)
	defer pace.Stop()
	for ctx.Err() == nil {
		f.subscribe(ctx)
		if f.due && f.ready {
			f.due, f.ready = false, false
			pace.Reset(watchPace)
			if err := f.look(ctx); err != nil {
				return err
			}
			f.draw()
		}
		select {
		case <-pace.C:
			f.ready = true
		case _, open := <-f.changes:
			if f.due = true; !open {
				f.changes = nil
			}
		case happened, open := <-f.events:
			f.log(happened, open)
		case <-ticker.C:
			f.due = f.due || f.changes == nil || !f.lost.IsZero() || len(f.elsewhere) > 0
			f.refresh()
		case <-ctx.Done():
		}
	}

	return nil
}

// subscribe listens to the agent if nobody does; the first time it tells of the past before.
func (f *fullScreen) subscribe(ctx context.Context) {
	if f.changes != nil {
		return
	}
	var err error
	if f.changes, err = f.agent.Changes(ctx); err != nil {
		f.changes = nil

		return
	}
	f.due = true
	if f.events, err = f.agent.Events(ctx); err != nil || f.latest.Load() != nil {
		return
	}
	records, _ := f.agent.History(ctx, watchPast) // without it the log begins now
	for _, happened := range pastEvents(records) {
		f.log(happened, true)
	}
}

// log shows an event; events that have ended are not listened to any more.
func (f *fullScreen) log(happened event, open bool) {
	if !open {
		f.events = nil

		return
	}
	f.screen.Log(f.app.eventLine(happened))
}

// look reads the status. An agent or a bus that is away is waited for.
func (f *fullScreen) look(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, limitCall)
	defer cancel()
	status, err := f.agent.Status(asking)
	switch {
	case ctx.Err() != nil:
	case err == nil:
		f.lost, f.why, f.stale = time.Time{}, nil, true
		f.latest.Store(status)
		f.elsewhere = f.atWork(ctx, status)
	case passing(err) || errors.Is(err, errNoBus):
		if f.why = err; f.lost.IsZero() {
			f.lost = f.app.now()
		}
	default:
		return err
	}

	return nil
}

// atWork asks the nodes that seem to be in the middle of something what they do.
func (f *fullScreen) atWork(ctx context.Context, status *report) []*report {
	var list []*report
	for _, node := range status.Nodes {
		if node.Self || !node.Alive || !busy(node, status) || len(list) == mostElsewhere {
			continue
		}
		asking, cancel := context.WithTimeout(ctx, limitOther)
		there, err := f.agent.NodeStatus(asking, string(node.Node))
		cancel()
		if err == nil && there.Run != nil {
			list = append(list, there)
		}
	}

	return list
}

// busy says that a node has not come to rest, as far as is seen from here.
func busy(node levels.NodeView, status *report) bool {
	switch {
	case node.State == levels.StateInitializing, node.State == levels.StateShuttingDown:
		return true
	case node.Node == status.Master && !status.MasterReady:
		return true
	}
	for _, operation := range status.Operations {
		if operation.Result == levels.ResultRunning && (operation.Node == node.Node || operation.To == node.Node || node.Node == status.Master) {
			return true
		}
	}

	return false
}

// refresh draws the times that went on, and lets an explanation that may be old be made anew.
func (f *fullScreen) refresh() {
	f.draw()
	if f.stale {
		f.stale = false
		f.screen.Refresh()
	}
}

func (f *fullScreen) draw() { f.screen.Show(f.picture()) }

// picture makes the picture of what was read last.
func (f *fullScreen) picture() screen.Picture {
	a, status := f.app, f.latest.Load()
	p := a.paint()
	var picture screen.Picture
	if !f.lost.IsZero() {
		word := errNoAgent.Error()
		if errors.Is(f.why, errNoBus) {
			word = errNoBus.Error()
		}
		picture.Notice = p.bad(word) + p.dim(" since "+span(a.now().Sub(f.lost))+", tried again and again; below is how it was before")
	}
	if status == nil {
		return picture
	}
	picture.Title = p.strong(printable(status.Cluster)) + "  " + a.clusterWords(status)
	table := a.nodeGrid(status)
	picture.Header = append([]string{"NODE"}, table.header[1:]...)
	for i, node := range status.Nodes {
		row := screen.Row{Name: string(node.Node), Cells: append([]string{p.strong(printable(string(node.Node)))}, table.rows[i][1:]...)}
		if node.Self {
			row.Mark = stateMark(p, status)
		}
		if at := slices.IndexFunc(f.elsewhere, func(there *report) bool { return there.Node == node.Node }); at >= 0 {
			there := f.elsewhere[at]
			self := node
			self.Self = true
			row.Cells[3], row.Cells[4] = reachedWords(there), printable(nodeWhy(self, there))
		}
		picture.Rows = append(picture.Rows, row)
	}
	if list := standing(status); len(list) > 0 {
		attention := screen.Section{Heading: p.warn("needs attention")}
		for _, item := range list {
			text := "  " + p.warn("!") + " " + wrapped(printable(item), 4, a.width())
			attention.Lines = append(attention.Lines, lines(text)...)
		}
		picture.Sections = append(picture.Sections, attention)
	}
	if status.Run != nil {
		picture.Sections = append(picture.Sections, a.runSection(status, ""))
	}
	for _, there := range f.elsewhere {
		picture.Sections = append(picture.Sections, a.runSection(there, p.strong(printable(string(there.Node)))+"  "))
	}
	for _, operation := range status.Operations {
		if operation.Result == levels.ResultRunning {
			picture.Sections = append(picture.Sections, screen.Section{Heading: p.strong("operation") + " " + printable(operationWords(operation))})
		}
	}

	return picture
}

// runSection is a run in progress with its levels and the participants of the present one.
func (a *app) runSection(status *report, front string) screen.Section {
	text := lines(a.runScreen(status))

	return screen.Section{Heading: front + text[0], Lines: append([]string{"  " + a.ladderWords(status.Run)}, text[1:]...)}
}

// ladderWords shows where on its ladder a run is: "✓ 0…2  ▸ 3  · 4…10, last".
func (a *app) ladderWords(run *levels.RunView) string {
	p := a.paint()
	top, at := int(run.Top), int(run.Level)
	if run.Level == levels.Last {
		at = top + 1
	}
	var parts []string
	if at > 0 {
		parts = append(parts, p.good("✓ "+ladderSpan(0, at-1)))
	}
	mark := "▸ "
	if run.Phase == levels.PhaseHeld {
		mark = "✗ "
	}
	parts = append(parts, p.strong(mark+run.Level.String()))
	switch {
	case at < top:
		parts = append(parts, p.dim("· "+ladderSpan(at+1, top)+", last"))
	case at == top:
		parts = append(parts, p.dim("· last"))
	}

	return "levels  " + strings.Join(parts, "  ")
}

func ladderSpan(from, to int) string {
	if from == to {
		return fmt.Sprint(from)
	}

	return fmt.Sprintf("%d…%d", from, to)
}

// explain is called by the screen, on a goroutine of its own.
func (f *fullScreen) explain(ctx context.Context, name string, width int) []string {
	a, status := f.app, f.latest.Load()
	if status == nil {
		return nil
	}
	found, err := onlyNode(status.Nodes, name)
	if err != nil {
		return []string{printable(err.Error())}
	}
	ctx, cancel := context.WithTimeout(ctx, limitOther)
	defer cancel()
	reasons := a.reasons(status, found[0])
	from := ""
	if !found[0].Self && found[0].Alive {
		there, err := f.agent.NodeStatus(ctx, name)
		if err == nil {
			_, reasons, err = a.reasonsThere(there, nil, name)
		}
		if from = "as " + name + " itself tells it"; err != nil {
			from = "as it is seen from here; " + err.Error()
		}
	}
	text := lines(a.reasonScreen(reasons, width))
	if from != "" {
		text = append([]string{a.paint().dim(printable(from))}, text...)
	}

	return text
}
