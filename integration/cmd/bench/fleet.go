package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cssc-ha/cssc/integration/history"
	"github.com/cssc-ha/cssc/integration/lab"
)

const (
	// Bound of the way back to a cluster at rest: a boot, init, promote.
	settleLimit = 90 * time.Second
	// The recorder: the service that must run once.
	leadUnit = history.Lead + ".service"
	// The pause between two looks at the history: short beside what is
	// measured, and the measured times are the records' own.
	lookEvery = 10 * time.Millisecond
)

// system is what elects a master: cssc with one of its profiles, or what it is compared with.
type system interface {
	// name is what -system takes.
	name() string
	// build makes a lab of that size, its nodes off, with a recorder that runs on the master.
	build(t lab.TB, size int) *lab.Lab
	// daemon is the service that elects, program its file.
	daemon() (unit, program string)
	// rested tells who leads once all nodes take part and a fault may come.
	rested(ctx context.Context, f *fleet) (*lab.Node, error)
	// release makes a master hand over, as its manual wants it; restore undoes that.
	release(t lab.TB, node *lab.Node)
	restore(t lab.TB, node *lab.Node)
	// halt stops the daemon with all that it has started; forget removes what it remembers.
	halt(t lab.TB, node *lab.Node)
	forget(t lab.TB, node *lab.Node)
	// goal is the longest median of a take-over; 0 = none is set.
	goal() time.Duration
}

// fleet is a cluster under measurement and the history that its recorders write.
type fleet struct {
	*lab.Lab

	t       lab.TB
	system  system
	records []history.Record
	offset  int64
	rest    []byte
}

// newFleet boots a cluster and waits until it has a master.
func newFleet(ctx context.Context, t lab.TB, system system, size int) *fleet {
	f := &fleet{Lab: system.build(t, size), t: t, system: system}
	for _, node := range f.Nodes() {
		node.PowerOn(t)
	}
	for _, node := range f.Nodes() {
		node.WaitBoot(t)
	}
	f.settle(ctx)

	return f
}

// settle waits until a fault may come, and returns the master.
func (f *fleet) settle(ctx context.Context) *lab.Node {
	var master *lab.Node
	err := lab.Await(ctx, settleLimit, func() error {
		var err error
		if err = f.read(); err == nil {
			master, err = f.system.rested(ctx, f)
		}

		return err
	})
	if err != nil {
		f.t.Fatalf("%s, %d nodes: %v", f.system.name(), len(f.Nodes()), err)
	}

	return master
}

// read takes in what the recorders have written since the last time.
func (f *fleet) read() error {
	file, err := os.Open(filepath.Join(f.Shared(), "history"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	text := make([]byte, 1<<20)
	for {
		n, _ := file.ReadAt(text, f.offset) // a short read at the end of the file
		if n == 0 {
			return nil
		}
		f.offset += int64(n)
		f.rest = append(f.rest, text[:n]...)
		end := bytes.LastIndexByte(f.rest, '\n') + 1
		more, err := history.Read(bytes.NewReader(f.rest[:end]))
		if err != nil {
			return err
		}
		f.records, f.rest = append(f.records, more...), bytes.Clone(f.rest[end:])
	}
}

// leading is the node whose recorder runs now; more than one, or none, is an error.
func (f *fleet) leading() (*lab.Node, error) {
	var living []string
	at := now()
	for _, life := range history.Lives(f.records[f.recent(3*time.Second):]) {
		if life.Duty == history.Lead && !life.Stopped && at-life.Last < 200*time.Millisecond {
			living = append(living, life.Node)
		}
	}
	if len(living) != 1 {
		return nil, fmt.Errorf("recorders run on [%s], want one", strings.Join(living, " "))
	}

	return f.node(living[0]), nil
}

// recent is the index of the first record of the last while.
func (f *fleet) recent(while time.Duration) int {
	from := now() - while
	i := len(f.records)
	for i > 0 && f.records[i-1].At >= from {
		i--
	}

	return i
}

func (f *fleet) node(name string) *lab.Node {
	for _, node := range f.Nodes() {
		if node.Name == name {
			return node
		}
	}
	f.t.Fatalf("the history names a node %q", name)

	return nil
}

// awaitStart waits for a start of the recorder after the record with that index, on another
// node than the excluded one if there is one.
func (f *fleet) awaitStart(ctx context.Context, from int, except *lab.Node, limit time.Duration) (history.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		if err := f.read(); err != nil {
			return history.Record{}, err
		}
		for ; from < len(f.records); from++ {
			r := f.records[from]
			if r.Word == history.Start && r.Duty == history.Lead && (except == nil || r.Node != except.Name) {
				return r, nil
			}
		}
		select {
		case <-ctx.Done():
			return history.Record{}, fmt.Errorf("no start of the recorder within %v: %w", limit, ctx.Err())
		case <-ticker.C:
		}
	}
}

// kill ends the daemon of a node at once, with its program out of the way so that nothing
// brings it back; revive undoes that.
func (f *fleet) kill(node *lab.Node) {
	unit, program := f.system.daemon()
	path := filepath.Join(node.Root(), program)
	processes, err := node.UnitProcesses(unit)
	if err == nil {
		err = os.Rename(path, path+".away")
	}
	if err != nil {
		f.t.Fatalf("kill %s: %v", unit, err)
	}
	for _, process := range processes {
		_ = syscall.Kill(process, syscall.SIGKILL)
	}
}

func (f *fleet) revive(node *lab.Node) {
	unit, program := f.system.daemon()
	path := filepath.Join(node.Root(), program)
	if err := os.Rename(path+".away", path); err != nil {
		f.t.Fatalf("revive %s: %v", unit, err)
	}
	_, _, _ = node.Try("systemctl", "reset-failed", unit)
	node.Run(f.t, "systemctl", "start", unit)
}

// now is the clock of all records.
func now() time.Duration {
	var at unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &at); err != nil {
		panic(err) // there is no Linux without it
	}

	return time.Duration(at.Nano())
}

// pause lets time pass, as an input of a measurement.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// equip gives a node that is off the recorder; more are lines for its unit.
func equip(t lab.TB, node *lab.Node, unitLines, wantedBy string) {
	node.Copy(t, lab.BuildProgram(t, "./integration/cmd/probe"), "/usr/bin/probe")
	text := "[Unit]\nStartLimitIntervalSec=0\n" + unitLines +
		"[Service]\nType=notify\nExecStart=/usr/bin/probe hold /lab " + history.Lead + "\nTimeoutStopSec=5s\n"
	if wantedBy != "" {
		text += "[Install]\nWantedBy=" + wantedBy + "\n"
	}
	node.WriteFile(t, "/etc/systemd/system/"+leadUnit, text)
	if wantedBy != "" {
		if err := lab.Enable(node, leadUnit); err != nil {
			t.Fatalf("%v", err)
		}
	}
}
