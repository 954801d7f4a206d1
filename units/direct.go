package units

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	guardUnit     = "cssc-guard.service"
	privateSocket = "unix:path=/run/systemd/private"
	// A limit: how long an answer is listened for that nobody waits for.
	answerLimit = 30 * time.Second
)

// Direct speaks to PID 1 on the socket that it keeps for root, so that it works when the
// bus does not. It knows one thing: what must not run on a node without a lease. It is
// owned by one goroutine, but for Changed and Refused. It connects by itself, and again after
// an error.
type Direct struct {
	options Options
	// refused is the newest answer that was a refusal; nil = none since the last Stop.
	refused atomic.Pointer[UnitError]
	// changed has capacity 1: one pending hint stands for all. Never closed.
	changed chan struct{}
	current *session
}

// NewDirect returns a Direct that is not connected yet. With an address in the options it
// uses that bus; without one PID 1's socket, and the system bus when there is none.
func NewDirect(options Options) *Direct {
	return &Direct{options: options, changed: make(chan struct{}, 1)}
}

// Changed receives when PID 1 has read its unit files again or a target has changed: what
// Doomed tells may be another list now. Only while there is a connection.
func (d *Direct) Changed() <-chan struct{} { return d.changed }

// DeliverSignal takes a signal of PID 1; it implements dbus.SignalHandler.
func (d *Direct) DeliverSignal(_, _ string, signal *dbus.Signal) {
	switch signal.Name {
	case systemdManager + ".Reloading":
		if begins, ok := argument[bool](signal, 0); !ok || begins {
			return
		}
	case systemdManager + ".JobRemoved":
		if unit, ok := argument[string](signal, 2); !ok || !mastersTarget(unit) {
			return
		}
	default:
		return
	}
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// Meet connects, so that what comes next need not.
func (d *Direct) Meet(ctx context.Context) error {
	_, err := d.session(ctx)

	return err
}

// Close ends the connection.
func (d *Direct) Close() {
	if d.current != nil {
		_ = d.current.conn.Close()
		d.current = nil
	}
}

// session connects when it must, within the time of ctx.
func (d *Direct) session(ctx context.Context) (*session, error) {
	if d.current != nil && d.current.conn.Context().Err() == nil {
		return d.current, nil
	}
	d.Close()
	ways := []func() (*dbus.Conn, error){
		func() (*dbus.Conn, error) { return d.dial(privateSocket) },
		func() (*dbus.Conn, error) { return dbus.Connect(d.options.address(), dbus.WithSignalHandler(d)) },
	}
	if d.options.Address != "" {
		ways = ways[1:]
	}
	var errs []error
	for _, way := range ways {
		conn, err := within(ctx, way)
		if err == nil {
			d.current = &session{conn: conn, portions: make(chan struct{}, portionsAtOnce)}

			return d.current, nil
		}
		errs = append(errs, err)
	}

	return nil, fmt.Errorf("%w: reach PID 1: %w", ErrNoBus, errors.Join(errs...))
}

// dial opens a connection that is not to a bus: there is nobody to say Hello to.
func (d *Direct) dial(address string) (*dbus.Conn, error) {
	conn, err := dbus.Dial(address, dbus.WithSignalHandler(d))
	if err != nil {
		return nil, err
	}
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Getuid()))}); err != nil {
		_ = conn.Close()

		return nil, err
	}

	return conn, nil
}

// within opens a connection; one that comes too late is closed again.
func within(ctx context.Context, open func() (*dbus.Conn, error)) (*dbus.Conn, error) {
	type opened struct {
		conn *dbus.Conn
		err  error
	}
	came := make(chan opened, 1) // room for the one result, so that the goroutine ends
	go func() {
		conn, err := open()
		came <- opened{conn, err}
	}()
	select {
	case o := <-came:
		return o.conn, o.err
	case <-ctx.Done():
		go func() {
			if o := <-came; o.conn != nil {
				_ = o.conn.Close()
			}
		}()

		return nil, ctx.Err()
	}
}

// Stop asks for the stop of the units, so that none is started again, and does not wait
// for the answers: Refused tells of them.
func (d *Direct) Stop(ctx context.Context, units []string) error {
	d.refused.Store(nil)

	return d.tell(ctx, units, func(unit string) request {
		return request{manager(), systemdManager + ".StopUnit", []any{unit, "replace"}}
	})
}

// Kill asks for SIGKILL to every process of the units, and does not wait for the answers.
func (d *Direct) Kill(ctx context.Context, units []string) error {
	return d.tell(ctx, units, killRequest)
}

// Reboot asks PID 1 for a reboot that stops no unit, and does not wait for an answer.
func (d *Direct) Reboot(ctx context.Context) error {
	return d.tell(ctx, []string{""}, func(string) request {
		return request{manager(), systemdManager + ".Reboot", nil}
	})
}

// Refused is a *UnitError with the newest answer that refused something since the last Stop, or
// with why there was none; nil while all went well or is still open. It may be called from
// anywhere.
func (d *Direct) Refused() error {
	if refused := d.refused.Load(); refused != nil {
		return refused
	}

	return nil
}

// tell sends one message for each unit, and leaves the answers to listen.
func (d *Direct) tell(ctx context.Context, units []string, what func(unit string) request) error {
	s, err := d.session(ctx)
	if err != nil {
		return err
	}
	open, done := context.WithTimeout(context.WithoutCancel(ctx), answerLimit)
	calls := make([]*dbus.Call, len(units))
	for i, unit := range units {
		r := what(unit)
		calls[i] = s.conn.Object(r.to.destination, r.to.path).GoWithContext(open, r.method, 0, make(chan *dbus.Call, 1), r.args...)
	}
	go d.listen(units, calls, done)
	if s.conn.Context().Err() != nil {
		d.Close()

		return fmt.Errorf("%w: tell PID 1: %w", ErrNoBus, dbus.ErrClosed)
	}

	return nil
}

// listen reads the answers; each call ends, with its connection or with its time at the latest.
func (d *Direct) listen(units []string, calls []*dbus.Call, done func()) {
	defer done()
	for i, call := range calls {
		<-call.Done
		remote, ok := errors.AsType[dbus.Error](call.Err)
		switch {
		case call.Err == nil:
		case ok && remote.Name == systemdName+".NoSuchUnit": // there is nothing to end
		case ok && remote.Name == busName+".Error.NotSupported": // a target has nothing to kill
		case ok:
			d.refused.Store(&UnitError{Unit: units[i], Name: remote.Name, Message: remote.Error()})
		default:
			d.refused.Store(&UnitError{Unit: units[i], Message: call.Err.Error()})
		}
	}
}
