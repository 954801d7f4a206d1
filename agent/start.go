package agent

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/levels"
)

// start brings back what this boot has saved, or begins anew. Nothing is told to
// anybody and nothing begun before the bus is there.
func (l *loop) start(ctx context.Context) error {
	durable, err := l.ports.Store.LoadDurable()
	if err := l.accept(ctx, "state", err); err != nil {
		return err
	}
	l.durable = *durable
	boot, err := l.ports.Store.LoadBoot()
	if err := l.accept(ctx, "boot", err); err != nil {
		return err
	}
	c, configErr := l.options.Load()
	if configErr != nil {
		l.journal.tell(ctx, msgConfigRefused, "error", configErr.Error())
		c, err = l.ports.Store.LoadConfig() // that with which the node came up
		if err != nil || boot.Machine == nil {
			return fmt.Errorf("start the agent: %w", configErr)
		}
		l.problems.set("config", "the configuration cannot be read, the node goes on with the one before: "+configErr.Error())
	} else {
		l.problems.check("config", l.ports.Store.SaveConfig(c))
	}
	l.config.Store(&c)
	l.listen()
	l.bringBack(ctx, boot, c)
	now := l.ports.Clock()
	l.view = l.machine.View()
	if l.restored && configErr == nil && !reflect.DeepEqual(c.Levels, l.machine.Save().Config) {
		l.pushConfigured(&c)
	}
	if err := l.snapshot(); err != nil {
		l.behind, l.retryAt = true, now.Add(retryPause)
		l.runProblem(ctx, err)
	}
	l.left = l.hasLeft()
	if err := l.beginElection(ctx, c); err != nil {
		return err
	}
	l.beginFleet(c)
	l.resyncAt, l.pingAt = now, now
	l.timer.Reset(0)

	return nil
}

// pushConfigured tells the machine of a configuration that changed while the
// agent was away.
func (l *loop) pushConfigured(c *config.Config) {
	l.queue = append(l.queue, pending{request: request{event: levels.Configured{Config: c.Levels}, config: c}})
}

// accept goes on after damage, with a problem that stays, and refuses the rest.
func (l *loop) accept(ctx context.Context, topic string, err error) error {
	damaged, ok := errors.AsType[*DamagedError](err)
	if !ok && err != nil {
		return fmt.Errorf("start the agent: %w", err)
	}
	if ok {
		l.journal.tell(ctx, msgStateDamaged, "file", damaged.File, "kept_as", damaged.Aside, "error", damaged.Error())
		l.problems.set("damaged "+topic, damaged.Error()+"; see what happened to the disk, then remove the file; this notice goes with the next start of the agent")
	}

	return nil
}

// bringBack makes the machine: that of the snapshot with the events since
// stepped again, their actions discarded, or a new one.
func (l *loop) bringBack(ctx context.Context, boot *BootState, c config.Config) {
	if boot.Machine != nil {
		err := l.replay(boot, c)
		if err == nil {
			l.restored = true
			l.journal.tell(ctx, msgAgentResumed, "version", l.options.Version, "events", len(boot.Events), "torn", boot.Torn)

			return
		}
		l.journal.tell(ctx, msgStateDamaged, "file", "the boot state", "error", err.Error())
		l.problems.set("damaged boot", fmt.Sprintf("the saved state of this boot was not used: %v; the node begins its init again", err))
	}
	l.serial = 0
	l.machine = levels.New(levels.Start{
		Config: c.Levels, FirstTag: l.options.FirstTag, FirstRun: l.durable.Run + 1, Qualified: l.durable.Qualified,
	})
	l.durable.Boots++
	l.unsaved = true // written after READY=1
	l.journal.tell(ctx, msgAgentStarted, "version", l.options.Version, "node", c.Levels.Node, "cluster", c.Levels.Cluster)
}

// replay steps the saved events again. An event that breaks the core broke it
// before, too: then the state is of no use.
func (l *loop) replay(boot *BootState, c config.Config) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("replay: internal error: %v", cause)
		}
	}()
	machine, err := levels.Restore(c.Levels, *boot.Machine)
	if err != nil {
		return err
	}
	var finished []levels.RunRecord
	qualified := machine.View().Qualified
	for _, event := range boot.Events {
		for _, action := range machine.Step(event.Now, event.Event).Actions {
			switch action := action.(type) {
			case levels.TellSequenceFinished:
				finished = append(finished, action.Record)
			case levels.PersistQualified:
				qualified = action.Qualified
			}
		}
	}
	if err := machine.Check(); err != nil {
		return err
	}
	l.machine, l.serial = machine, boot.Serial+uint64(len(boot.Events))
	l.repair(finished, qualified)

	return nil
}

// repair does what the agent may have been killed before: the durable state and
// the history of the replayed events.
func (l *loop) repair(finished []levels.RunRecord, qualified bool) {
	view := l.machine.View()
	before := l.durable
	l.durable.Qualified = qualified
	l.durable.Term = max(l.durable.Term, view.Term)
	if len(finished) > 0 {
		l.durable.Run = max(l.durable.Run, finished[len(finished)-1].Run)
		kept, err := l.ports.Store.History(1)
		l.problems.check("history", err)
		for _, record := range finished {
			if len(kept) == 0 || kept[0].Run < record.Run {
				l.remember(record)
			}
		}
	}
	l.unsaved = l.unsaved || l.durable != before
}

// greet follows the first moment in which clients can reach the agent: their
// first look finds the status published by the turn before.
func (l *loop) greet() {
	l.notify("READY=1")
	if l.unsaved {
		l.saveDurable()
	}
}
