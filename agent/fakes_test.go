package agent

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// fakeUnits is systemd: jobs go on when the agent is killed.
type fakeUnits world

func (f *fakeUnits) Members(context.Context) (map[levels.Target][]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deafUnits {
		return nil, errNoLogind
	}
	members := map[levels.Target][]string{}
	for target, units := range f.members {
		members[target] = slices.Clone(units)
	}

	return members, nil
}

const jobTime = 20 * time.Millisecond

func (f *fakeUnits) Start(ctx context.Context, order levels.StartUnits, tell func(levels.Member)) ([]levels.Member, error) {
	f.mu.Lock()
	units, stuck := order.Units, f.stuck
	if len(units) == 0 {
		units = slices.Clone(f.members[order.Target])
	}
	f.mu.Unlock()
	if stuck {
		return nil, pause(ctx, 24*time.Hour)
	}
	var members []levels.Member
	for _, unit := range units {
		member := f.start(unit, order)
		if err := pause(ctx, jobTime); err != nil {
			return members, err
		}
		tell(member)
		members = append(members, member)
	}

	return members, nil
}

// start is what happens inside systemd: it does not depend on who waits for it.
func (f *fakeUnits) start(unit string, order levels.StartUnits) levels.Member {
	f.mu.Lock()
	defer f.mu.Unlock()
	if since, up := f.active[unit]; up {
		if order.Resume && since >= order.Since {
			return levels.Member{Unit: unit, Outcome: levels.OutcomeDone}
		}

		return levels.Member{Unit: unit, Outcome: levels.OutcomeAlready}
	}
	f.starts[unit]++
	if f.failing[unit] > 0 {
		f.failing[unit]--
		f.log = append(f.log, "fail "+unit)

		return levels.Member{Unit: unit, Outcome: levels.OutcomeFailed, Reason: "exit status 1"}
	}
	f.log = append(f.log, "start "+unit)
	f.active[unit] = (*world)(f).now()

	return levels.Member{Unit: unit, Outcome: levels.OutcomeDone}
}

func (f *fakeUnits) Stop(ctx context.Context, order levels.StopUnits) ([]levels.Member, error) {
	f.mu.Lock()
	if f.stuck {
		f.mu.Unlock()

		return nil, pause(ctx, 24*time.Hour)
	}
	units := order.Units
	if len(units) == 0 {
		units = slices.Clone(f.members[order.Target])
	}
	var members []levels.Member
	for _, unit := range units {
		outcome := levels.OutcomeAlready
		if _, up := f.active[unit]; up {
			outcome = levels.OutcomeDone
			f.log = append(f.log, "stop "+unit)
			delete(f.active, unit)
		}
		members = append(members, levels.Member{Unit: unit, Outcome: outcome})
	}
	f.mu.Unlock()

	return members, pause(ctx, jobTime)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (f *fakeUnits) Changed() <-chan struct{} { return f.changed }

func (f *fakeUnits) Lost(_ context.Context, expected []levels.Target) ([]levels.Target, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var lost []levels.Target
	for _, target := range expected {
		if slices.Contains(f.lost, target) {
			lost = append(lost, target)
		}
	}

	return lost, nil
}

func (f *fakeUnits) Reload(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reloads++

	return nil
}

// fakeSystem is logind and PID 1.
type fakeSystem world

var errNoLogind = errors.New("logind is away")

func (f *fakeSystem) PreparingForShutdown(context.Context) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.noLogind {
		return false, errNoLogind
	}

	return f.preparing, nil
}

func (f *fakeSystem) Stopping(context.Context) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.stopping, nil
}

func (f *fakeSystem) Running(context.Context, string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()

	return !f.unguarded, nil
}

func (f *fakeSystem) Inhibit(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inhibited = true

	return nil
}

func (f *fakeSystem) Release() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.inhibited {
		f.log = append(f.log, "release inhibitor")
	}
	f.inhibited = false

	return nil
}

func (f *fakeSystem) Window(context.Context) (time.Duration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.window, nil
}

func (f *fakeSystem) ShutdownAnnounced() <-chan levels.Mode { return f.announced }

func (f *fakeSystem) End(_ context.Context, mode levels.Mode, report func(string, error)) error {
	report("login1", f.endingFails) // writes to the journal
	f.mu.Lock()
	defer f.mu.Unlock()
	f.endings = append(f.endings, mode)
	f.log = append(f.log, "end "+mode.String())

	return f.endingFails
}

// fakeNotify is systemd's notify socket.
type fakeNotify world

func (f *fakeNotify) Notify(state string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.notified = append(f.notified, state)

	return nil
}

// fakeBus is the bus with its clients, which go on when the agent is killed.
type fakeBus world

func (f *fakeBus) Invoke(call levels.Invoke) error {
	w := (*world)(f)
	w.clients.Go(func() { w.serve(call) })

	return nil
}

// serve is a well-made client: it does the work of a tag once, and tells the
// result until the agent has taken it.
func (w *world) serve(call levels.Invoke) {
	w.mu.Lock()
	client := w.components[call.Registration.Client]
	result, known := w.answered[call.Tag]
	if client == nil || client.hangs {
		w.mu.Unlock()

		return
	}
	if !known {
		if client.fails > 0 {
			client.fails--
			result = errors.New("not today")
		}
		what := client.name + " " + call.Position.String()
		w.calls[what]++
		w.log = append(w.log, "call "+what)
		w.answered[call.Tag] = result
	}
	takes := client.takes
	w.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-w.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	if pause(ctx, takes+time.Millisecond) != nil {
		return
	}
	done := levels.CallbackDone{Tag: call.Tag, Client: call.Registration.Client, OK: result == nil}
	if result != nil {
		done.Message = result.Error()
	}
	for {
		w.mu.Lock()
		agent := w.agent
		w.mu.Unlock()
		err := agent.Done(ctx, done)
		if err == nil || errors.Is(err, levels.ErrNoSuchInvocation) || pause(ctx, 50*time.Millisecond) != nil {
			return
		}
	}
}

func (f *fakeBus) NotifyCanceled(notice levels.NotifyCanceled) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, "canceled "+notice.Sequence.String())
}

func (f *fakeBus) Publish(status *Status, notices []levels.Action) {
	f.mu.Lock()
	hang := f.hang
	f.mu.Unlock()
	if hang != nil {
		<-hang
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shown = append(f.shown, status)
	f.notices = append(f.notices, notices...)
}

func (f *fakeBus) Alive(_ context.Context, clients []levels.ClientID) (map[levels.ClientID]bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deafBus {
		return nil, errNoLogind
	}
	alive := map[levels.ClientID]bool{}
	for _, client := range clients {
		alive[client] = f.components[client] != nil
	}

	return alive, nil
}
