package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/godbus/dbus/v5"
)

// viewLimit bounds one look at an agent: one that was stopped does not answer.
const viewLimit = time.Second

// View is what a node's agent tells of itself on the bus.
type View struct {
	Node, State, Role string
	Term              uint64
	// Master and Vice are empty while none is known.
	Master, Vice string
	// Phase and Sequence are of the run in progress, empty without one.
	Phase, Sequence string
	Reason          string
	Ready           bool
	Quorate         bool
	Headless        bool
	Problems        []string
}

// View asks the node's agent. It uses the node's bus from outside: a look costs no process
// in the node, so that many looks do not slow down what is looked at.
func (n *Node) View(ctx context.Context) (View, error) {
	ctx, cancel := context.WithTimeout(ctx, viewLimit)
	defer cancel()
	conn, err := n.bus(ctx)
	if err != nil {
		return View{}, fmt.Errorf("node %s: bus: %w", n.Name, err)
	}
	var all map[string]dbus.Variant
	agent := conn.Object("org.cssc.Agent1", "/org/cssc/Agent1")
	err = agent.CallWithContext(ctx, "org.freedesktop.DBus.Properties.GetAll", dbus.FlagNoAutoStart, "org.cssc.Agent1.Manager").Store(&all)
	if err != nil {
		return View{}, fmt.Errorf("node %s: agent: %w", n.Name, err)
	}

	return View{
		Node: get[string](all, "Node"), State: get[string](all, "State"), Role: get[string](all, "Role"),
		Term: get[uint64](all, "Term"), Master: get[string](all, "Master"), Vice: get[string](all, "Vice"),
		Phase: get[string](all, "Phase"), Sequence: get[string](all, "Sequence"), Reason: get[string](all, "Reason"),
		Ready: get[bool](all, "Ready"), Quorate: get[bool](all, "Quorate"), Headless: get[bool](all, "Headless"),
		Problems: get[[]string](all, "Problems"),
	}, nil
}

// Known is what a node's agent knows of a node.
type Known struct {
	Name, State, Role string
	Term              uint64
	// Alive and Why are as in "cssc nodes".
	Eligible, Qualified, Alive bool
	Why, Address               string
	Object                     dbus.ObjectPath
}

// Knows asks the node's agent what it knows of all nodes, in the order of the table.
func (n *Node) Knows(ctx context.Context) ([]Known, error) {
	ctx, cancel := context.WithTimeout(ctx, viewLimit)
	defer cancel()
	conn, err := n.bus(ctx)
	if err != nil {
		return nil, fmt.Errorf("node %s: bus: %w", n.Name, err)
	}
	var all []Known
	agent := conn.Object("org.cssc.Agent1", "/org/cssc/Agent1")
	err = agent.CallWithContext(ctx, "org.cssc.Agent1.Manager.ListNodes", dbus.FlagNoAutoStart, uint64(0)).Store(&all)
	if err != nil {
		return nil, fmt.Errorf("node %s: agent: %w", n.Name, err)
	}

	return all, nil
}

// get is the named property, the zero value when it is missing or of another type.
func get[T any](all map[string]dbus.Variant, name string) T {
	value, _ := all[name].Value().(T)

	return value
}

// bus is a connection to the node's system bus, kept for its present life.
func (n *Node) bus(ctx context.Context) (*dbus.Conn, error) {
	run := n.current()
	if run.ended() || run.pid == 0 {
		return nil, fmt.Errorf("the node is off")
	}
	n.busMutex.Lock()
	defer n.busMutex.Unlock()
	if n.busConn != nil && n.busOf == run.pid && n.busConn.Connected() {
		return n.busConn, nil
	}
	n.closeBus()
	conn, err := dbus.Dial(fmt.Sprintf("unix:path=/proc/%d/root/run/dbus/system_bus_socket", run.pid), dbus.WithContext(context.WithoutCancel(ctx)))
	if err != nil {
		return nil, err
	}
	// A frozen bus accepts and says nothing; closing ends the wait.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	err = conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Geteuid()))})
	if err == nil {
		err = conn.Hello()
	}
	if err != nil {
		_ = conn.Close()

		return nil, err
	}
	n.busConn, n.busOf = conn, run.pid

	return conn, nil
}

// closeBus ends the kept connection; the caller holds busMutex.
func (n *Node) closeBus() {
	if n.busConn != nil {
		_ = n.busConn.Close()
	}
	n.busConn, n.busOf = nil, 0
}

// MasterReady asks the node's agent for the method of that name: which master is ready, and
// in which term. Both are zero while none is, which the agent answers with TryAgain.
func (n *Node) MasterReady(ctx context.Context) (master string, term uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, viewLimit)
	defer cancel()
	conn, err := n.bus(ctx)
	if err != nil {
		return "", 0, fmt.Errorf("node %s: bus: %w", n.Name, err)
	}
	agent := conn.Object("org.cssc.Agent1", "/org/cssc/Agent1")
	err = agent.CallWithContext(ctx, "org.cssc.Agent1.Manager.MasterReady", dbus.FlagNoAutoStart).Store(&master, &term)
	var failure dbus.Error
	if errors.As(err, &failure) && failure.Name == "org.cssc.Agent1.Error.TryAgain" {
		return "", 0, nil
	}

	return master, term, err
}
