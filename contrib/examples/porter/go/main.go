// Command go is the porter in Go.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/cssc-ha/cssc/dbusapi"
	"github.com/cssc-ha/cssc/levels"
)

// answerLimit bounds the wait for an agent that takes an answer; it may be restarting.
const answerLimit = time.Minute

// porter opens the door on the master and keeps it closed elsewhere. What it does may be asked
// of it twice for one level of one term, and changes nothing then.
type porter struct {
	client *dbusapi.Client
	// The files: the door, the note that keeps it closed, and what was done.
	door, closed, story string
	// turn is held at work: a level and the start may meet.
	turn sync.Mutex
}

func (p *porter) tell(format string, arguments ...any) error {
	file, err := os.OpenFile(p.story, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, format+"\n", arguments...)

	return errors.Join(err, file.Close())
}

// openDoor lets the door appear with the term in it, or not at all.
func (p *porter) openDoor(term levels.Term) error {
	if err := os.WriteFile(p.door+".new", fmt.Appendf(nil, "term %d\n", term), 0o644); err != nil {
		return err
	}

	return os.Rename(p.door+".new", p.door)
}

// work does what a level asks for.
func (p *porter) work(call dbusapi.Invocation) error {
	beginning := call.Sequence == levels.Init || call.Sequence == levels.Promote
	switch {
	case beginning && call.Level == 0:
		note, err := os.ReadFile(p.closed)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		reason, _, _ := strings.Cut(string(note), "\n")

		return errors.Join(err, errors.New(reason))
	case beginning && call.Info.Role == levels.RoleMaster:
		return p.openDoor(call.Info.Term)
	case beginning:
		return nil
	}
	err := os.Remove(p.door)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}

	return err
}

// level is called when a level is reached, and must return soon: the work goes on beside it.
// The context ends when the level was cancelled; then nobody waits for an answer.
func (p *porter) level(ctx context.Context, call dbusapi.Invocation) {
	go func() {
		p.turn.Lock()
		defer p.turn.Unlock()
		if ctx.Err() != nil {
			return
		}
		failure := p.work(call)
		word := "done"
		if failure != nil {
			word = "failed: " + failure.Error()
		}
		failure = errors.Join(failure, p.tell("%s %s %s %d %s", call.Sequence, call.Level, call.Info.Role, call.Info.Term, word))
		answer, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerLimit)
		defer cancel()
		if err := p.client.Done(answer, call.Tag, failure); err != nil && !errors.Is(err, levels.ErrNoSuchInvocation) {
			fmt.Fprintln(os.Stderr, "porter-go: not answered:", err)
		}
	}()
}

// catchUp is for a porter that was started again: it finds out itself what the node is, since
// levels that are behind the node do not come back. Nobody is ready while a promote or demote
// runs, and their levels will come; they wait for the turn.
func (p *porter) catchUp(ctx context.Context) error {
	p.turn.Lock()
	defer p.turn.Unlock()
	now, err := p.client.Status(ctx)
	if err != nil || !now.MasterReady || now.Role != levels.RoleMaster {
		return err
	}

	return errors.Join(p.openDoor(now.Term), p.tell("start master %d done", now.Term))
}

func run(ctx context.Context, component string) error {
	client, err := dbusapi.Connect(ctx, dbusapi.ClientOptions{Logger: slog.Default()})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	p := &porter{
		client: client,
		door:   filepath.Join(os.Getenv("RUNTIME_DIRECTORY"), "open"),
		closed: filepath.Join(os.Getenv("CONFIGURATION_DIRECTORY"), "closed"),
		story:  filepath.Join(os.Getenv("STATE_DIRECTORY"), "story"),
	}
	for _, position := range []levels.Position{
		{Sequence: levels.Init, Level: 0},
		{Sequence: levels.Init, Level: levels.Last},
		{Sequence: levels.Promote, Level: 0},
		{Sequence: levels.Promote, Level: levels.Last},
		{Sequence: levels.Demote, Level: 0},
		{Sequence: levels.Shut, Level: 0},
	} {
		registration := dbusapi.Registration{Component: component, Sequence: position.Sequence, Level: position.Level}
		if err = client.Register(ctx, registration, p.level); err != nil {
			return err
		}
	}
	if err = p.catchUp(ctx); err != nil {
		return err
	}
	if _, err = daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		return err
	}
	<-ctx.Done()

	return nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: porter-go COMPONENT")
		os.Exit(2) //nolint:gocritic // the deferred stop has nothing to do
	}
	if err := run(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "porter-go:", err)
		os.Exit(1)
	}
}
