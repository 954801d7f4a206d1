package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/godbus/dbus/v5"
)

const (
	busName    = "org.cssc.Agent1"
	rootPath   = dbus.ObjectPath("/org/cssc/Agent1")
	manager    = "org.cssc.Agent1.Manager"
	callLimit  = 5 * time.Second
	totalLimit = 90 * time.Second
	retryPause = 50 * time.Millisecond
)

// client is one component's connection to the bus.
type client struct {
	conn      *dbus.Conn
	file      string
	component string
	modes     map[string]string // position → mode

	mutex sync.Mutex
	seen  map[uint64]bool // tags that were taken on
	fails map[string]int  // position → errors answered so far
}

// call is one invocation.
type call struct {
	tag      uint64
	position string // "init:1"
	info     map[string]dbus.Variant
}

func serve(ctx context.Context, file, component string, places []string) error {
	conn, err := dbus.ConnectSystemBus(dbus.WithSignalHandler(dbus.NewSequentialSignalHandler()))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	c := &client{
		conn: conn, file: file, component: component,
		modes: map[string]string{}, seen: map[uint64]bool{}, fails: map[string]int{},
	}
	signals := make(chan *dbus.Signal, 64) // the sequential handler queues what does not fit
	conn.Signal(signals)
	rules := [][]dbus.MatchOption{
		{dbus.WithMatchInterface(manager), dbus.WithMatchMember("Callback")},
		{dbus.WithMatchInterface(manager), dbus.WithMatchMember("SequenceCanceled")},
		{
			dbus.WithMatchInterface("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged"),
			dbus.WithMatchArg(0, busName),
		},
	}
	for _, rule := range rules {
		if err = conn.AddMatchSignalContext(ctx, rule...); err != nil {
			return err
		}
	}
	for _, place := range places {
		position, mode, _ := strings.Cut(place, "=")
		c.modes[position] = mode
		if err = c.register(ctx, position); err != nil {
			return err
		}
	}
	err = c.retry(ctx, func(ctx context.Context) error {
		return c.agent().CallWithContext(ctx, manager+".SubscribeCancellation", 0, uint64(0)).Err
	})
	if err != nil {
		return err
	}
	c.note("registered")
	if _, err = daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		return err
	}

	return c.listen(ctx, signals)
}

func (c *client) listen(ctx context.Context, signals <-chan *dbus.Signal) error {
	for {
		select {
		case <-ctx.Done():
			c.note("terminated")

			return nil
		case signal, open := <-signals:
			if !open {
				return errors.New("the bus is gone")
			}
			c.take(ctx, signal)
		}
	}
}

func (c *client) take(ctx context.Context, signal *dbus.Signal) {
	switch signal.Name {
	case manager + ".Callback":
		var (
			tag, flags          uint64
			path                dbus.ObjectPath
			component, sequence string
			level               int32
			info                map[string]dbus.Variant
		)
		if err := dbus.Store(signal.Body, &tag, &path, &component, &sequence, &level, &flags, &info); err != nil {
			c.note("unreadable callback:", err)

			return
		}
		c.accept(ctx, call{tag, place(sequence, level), info})
	case manager + ".SequenceCanceled":
		c.note(append([]any{"canceled"}, signal.Body...)...)
	case "org.freedesktop.DBus.NameOwnerChanged":
		if owner, ok := signal.Body[2].(string); ok && owner != "" {
			go c.resync(ctx)
		}
	}
}

// resync asks a new agent what it still waits for: a signal sent while it died is lost.
func (c *client) resync(ctx context.Context) {
	var pending []struct {
		Tag          uint64
		Registration dbus.ObjectPath
		Component    string
		Sequence     string
		Level        int32
		Flags        uint64
		Info         map[string]dbus.Variant
	}
	err := c.retry(ctx, func(ctx context.Context) error {
		return c.agent().CallWithContext(ctx, manager+".GetPendingCallbacks", 0).Store(&pending)
	})
	if err != nil {
		c.note("resync:", err)

		return
	}
	for _, one := range pending {
		c.accept(ctx, call{one.Tag, place(one.Sequence, one.Level), one.Info})
	}
}

// accept starts the work for an invocation that is not yet known.
func (c *client) accept(ctx context.Context, one call) {
	c.mutex.Lock()
	known := c.seen[one.tag]
	c.seen[one.tag] = true
	c.mutex.Unlock()
	if !known {
		go c.work(ctx, one)
	}
}

func (c *client) work(ctx context.Context, one call) {
	c.note("begin", one.position, c.about(one))
	kind, argument, _ := strings.Cut(c.modes[one.position], ":")
	status, message := int32(0), ""
	switch kind {
	case "hang":
		return
	case "die":
		died := c.file + "." + c.component + ".died"
		if _, err := os.Stat(died); err != nil {
			_ = os.WriteFile(died, nil, 0o644)
			os.Exit(3)
		}
	case "fail":
		limit, _ := strconv.Atoi(argument)
		c.mutex.Lock()
		if c.fails[one.position] < limit {
			c.fails[one.position]++
			status, message = -1, fmt.Sprintf("told to fail (%d of %d)", c.fails[one.position], limit)
		}
		c.mutex.Unlock()
	case "slow":
		pause, _ := time.ParseDuration(argument)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	case "until":
		if !appears(ctx, argument) {
			return
		}
	}
	c.note("end", one.position, fmt.Sprintf("tag=%d status=%d", one.tag, status))
	err := c.retry(ctx, func(ctx context.Context) error {
		return c.agent().CallWithContext(ctx, manager+".Done", 0, one.tag, status, message).Err
	})
	if err != nil {
		c.note("unanswered", one.position, fmt.Sprintf("tag=%d: %v", one.tag, err))

		return
	}
	c.note("answered", one.position, fmt.Sprintf("tag=%d status=%d", one.tag, status))
}

// appears waits for a file and says whether it is there.
func appears(ctx context.Context, file string) bool {
	ticker := time.NewTicker(retryPause)
	defer ticker.Stop()
	for {
		if _, err := os.Stat(file); err == nil {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
	}
}

// about is what the invocation told: tag, term, role, master.
func (c *client) about(one call) string {
	word := func(key string) any { return one.info[key].Value() }

	return fmt.Sprintf("tag=%d term=%v role=%v state=%v master=%v", one.tag, word("term"), word("role"), word("state"), word("master"))
}

func (c *client) register(ctx context.Context, position string) error {
	sequence, text, _ := strings.Cut(position, ":")
	level := int64(-1)
	if text != "last" {
		var err error
		if level, err = strconv.ParseInt(text, 10, 32); err != nil {
			return err
		}
	}

	return c.retry(ctx, func(ctx context.Context) error {
		return c.agent().CallWithContext(ctx, manager+".RegisterCallback", 0,
			c.component, sequence, int32(level), map[string]dbus.Variant{}).Err
	})
}

// retry repeats a call while the agent is not there.
func (c *client) retry(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, totalLimit)
	defer cancel()
	for {
		one, stop := context.WithTimeout(ctx, callLimit)
		err := try(one)
		stop()
		if err == nil || !absent(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(retryPause):
		}
	}
}

// absent says whether an error means that no agent answered, or none that is ready.
func absent(err error) bool {
	var failure dbus.Error
	if !errors.As(err, &failure) {
		return errors.Is(err, context.DeadlineExceeded)
	}
	switch failure.Name {
	case "org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner",
		"org.freedesktop.DBus.Error.NoReply", "org.freedesktop.DBus.Error.Disconnected",
		"org.cssc.Agent1.Error.TryAgain", "org.cssc.Agent1.Error.Busy":
		return true
	default:
		return false
	}
}

func (c *client) agent() dbus.BusObject { return c.conn.Object(busName, rootPath) }

func (c *client) note(words ...any) {
	line := c.component + " " + strings.TrimSuffix(fmt.Sprintln(words...), "\n")
	if err := record(c.file, line); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
	}
}

func place(sequence string, level int32) string {
	if level < 0 {
		return sequence + ":last"
	}

	return fmt.Sprintf("%s:%d", sequence, level)
}
