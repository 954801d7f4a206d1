package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"github.com/cssc-ha/cssc/levels"
)

// servicePort is a service's side of the interface; connection.go satisfies it.
type servicePort interface {
	// Register waits for the agent until ctx ends. handle is called for one invocation
	// after the other and must not block; its context ends when the invocation is void.
	Register(ctx context.Context, registration registration, handle func(context.Context, invocation)) error
	// Done answers; nil is done, anything else is the reason of the failure.
	Done(ctx context.Context, tag levels.Tag, cause error) error
	Close() error
}

// registration is one wish to be called.
type registration struct {
	Component string
	Position  levels.Position
	Cookie    uint64
	Limit     time.Duration
	OnFailure levels.Policy
}

// invocation is one call.
type invocation struct {
	Tag       levels.Tag
	Component string
	Position  levels.Position
	Noboot    bool
	Cookie    uint64
	Info      levels.Info
}

// runOptions are the flags of run-callback.
type runOptions struct {
	component, onFailure string
	places               positionFlags
	cookie               uint64
	limit, grace         time.Duration
	readyFD              int
}

const (
	limitRegistration = 90 * time.Second
	limitFarewell     = 2 * time.Second
)

func (a *app) runCallbackCommand() *cobra.Command {
	var options runOptions
	cmd := &cobra.Command{
		Use:   "run-callback --component NAME --init LEVEL … -- COMMAND [ARGUMENT …]",
		Short: "Register callbacks and run a command at each; its exit status is the answer",
		Long: "Register callbacks under a component's name, and run COMMAND whenever one is invoked.\n" +
			"Exit status 0 says done; anything else says failed, with the last line that the\n" +
			"command wrote to standard error as the reason. The command learns what it is called\n" +
			"for from CSSC_SEQUENCE, CSSC_LEVEL, CSSC_ROLE, CSSC_TERM and others, see cssc(1).\n" +
			"It goes on until it is terminated; use it as a service of Type=notify.",
		Example: "  cssc run-callback --component naming --init 0 --shut last -- /usr/lib/naming/switch",

		ValidArgsFunction: files,
		RunE: func(cmd *cobra.Command, args []string) error {
			wanted, err := options.registrations()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return failed(exitUsage, errors.New("run-callback: which command?"), "usage: "+cmd.UseLine())
			}

			return a.runCallbacks(cmd.Context(), options, wanted, args)
		},
	}
	cmd.Flags().SetInterspersed(false)
	flags := cmd.Flags()
	flags.StringVar(&options.component, "component", "", "register under this `NAME`")
	options.places.add(cmd, "be called", a.completeLevel)
	flags.Uint64Var(&options.cookie, "cookie", 0, "a `NUMBER` that comes back as CSSC_COOKIE")
	flags.DurationVar(&options.limit, "limit", 0, "the time one call may take, instead of the configured one")
	flags.StringVar(&options.onFailure, "on-failure", "", "what a failure does, `POLICY` instead of the configured one: hold, abort, continue or fence")
	flags.DurationVar(&options.grace, "grace", 5*time.Second, "the time between SIGTERM and SIGKILL when a call is cancelled")
	flags.IntVar(&options.readyFD, "ready-fd", -1, "write a line to this file `DESCRIPTOR` when all is registered")
	completes(cmd, "component", a.completeComponent)
	completes(cmd, "on-failure", wordsOnly("hold", "abort", "continue", "fence"))
	freely(cmd, "cookie", "limit", "grace", "ready-fd")

	return cmd
}

func (o *runOptions) registrations() ([]registration, error) {
	if o.component == "" {
		return nil, usage("run-callback: --component is missing")
	}
	policy := levels.PolicyInherit
	if o.onFailure != "" {
		var err error
		if policy, err = levels.ParsePolicy(o.onFailure); err != nil {
			return nil, usage("run-callback: --on-failure %s: want hold, abort, continue or fence", o.onFailure)
		}
	}
	if o.limit < 0 || o.grace < 0 {
		return nil, usage("run-callback: --limit and --grace must not be negative")
	}
	positions, err := o.places.positions()
	if err != nil {
		return nil, err
	}
	if len(positions) == 0 {
		return nil, failed(exitUsage, errors.New("run-callback: at which level?"), "for instance: --init 3 --shut 7")
	}
	wanted := make([]registration, 0, len(positions))
	for _, position := range positions {
		wanted = append(wanted, registration{
			Component: o.component, Position: position, Cookie: o.cookie, Limit: o.limit, OnFailure: policy,
		})
	}

	return wanted, nil
}

// runCallbacks serves until ctx ends, which is the good end.
func (a *app) runCallbacks(ctx context.Context, options runOptions, wanted []registration, command []string) error {
	service, err := a.serve(ctx, a.address)
	if err != nil {
		return err
	}
	defer func() { _ = service.Close() }()
	runner := &callbackRunner{app: a, service: service, command: command, grace: options.grace}
	defer runner.running.Wait()
	register, cancel := a.limited(ctx, limitRegistration)
	defer cancel()
	for _, one := range wanted {
		err := service.Register(register, one, func(call context.Context, invoked invocation) {
			runner.running.Go(func() { runner.answer(ctx, call, invoked) })
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
	}
	if err := a.announceReady(options, len(wanted)); err != nil {
		return err
	}
	<-ctx.Done()

	return nil
}

// announceReady tells the service manager, or whoever holds the other end of the
// descriptor, that every registration is acknowledged.
func (a *app) announceReady(options runOptions, count int) error {
	state := fmt.Sprintf("%s\nSTATUS=%s: %d callbacks registered", daemon.SdNotifyReady, printable(options.component), count)
	if _, err := daemon.SdNotify(true, state); err != nil {
		return fmt.Errorf("tell systemd that run-callback is ready: %w", err)
	}
	if options.readyFD < 0 {
		return nil
	}
	file := os.NewFile(uintptr(options.readyFD), "ready-fd")
	if file == nil {
		return usage("run-callback: --ready-fd %d: not an open descriptor", options.readyFD)
	}
	if _, err := file.WriteString("READY=1\n"); err != nil {
		return fmt.Errorf("--ready-fd %d: %w", options.readyFD, err)
	}

	return file.Close()
}

// callbackRunner runs the command for each invocation. Safe for concurrent use.
type callbackRunner struct {
	app     *app
	service servicePort
	command []string
	grace   time.Duration
	running sync.WaitGroup
}

// answer runs the command for one invocation and reports how it ended. The command
// is ended by the end of either context; no answer is owed for a void invocation.
func (r *callbackRunner) answer(life, call context.Context, invoked invocation) {
	ctx, cancel := context.WithCancel(call)
	defer cancel()
	defer context.AfterFunc(life, cancel)()
	cause := r.run(ctx, invoked)
	if ctx.Err() != nil {
		return
	}
	report, done := context.WithTimeout(context.WithoutCancel(ctx), limitRegistration)
	defer done()
	// Who is told to end does not wait for an agent that may not come back.
	defer context.AfterFunc(life, func() { time.AfterFunc(limitFarewell, done) })()
	if err := r.service.Done(report, invoked.Tag, cause); err != nil && !errors.Is(err, levels.ErrNoSuchInvocation) {
		r.app.complainf("cssc: answer %s at %s: %s\n", invoked.Component, invoked.Position, printable(err.Error()))
	}
}
