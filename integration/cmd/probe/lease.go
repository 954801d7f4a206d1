package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cssc-ha/cssc/agent/lease"
)

const (
	// How often: aliveEvery is how often a process that must die shows that it lives.
	aliveEvery = 500 * time.Microsecond
	// The part of a lease that is left when the guard kills: half of the kill margin.
	marginParts = 20
	renewParts  = 8
	// How long a processor is used up: real-time processes leave nothing to anybody.
	spinFor = 2500 * time.Millisecond
)

// playAgent writes the lease record as the agent would: "once" holds a lease of the length
// and prints "KILLAT UNTIL", "renew" goes on renewing it, "clear" ends it; "show" only prints
// the one in force. With fence the node is to be rebooted when its members survive.
func playAgent(ctx context.Context, file, what, length string) error {
	if what == "show" {
		return showLease(file)
	}
	record, err := lease.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = record.Close() }()
	fence := what == "fence"
	switch what {
	case "clear":
		record.Write(lease.Record{})

		return nil
	case "once", "fence":
		return holdLease(record, length, fence)
	case "renew":
		period, err := time.ParseDuration(length)
		if err != nil {
			return err
		}
		ticker := time.NewTicker(period / renewParts)
		defer ticker.Stop()
		for {
			if err := holdLease(record, length, false); err != nil {
				return err
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return nil
			}
		}
	default:
		return fmt.Errorf("lease %q: want once, fence, renew, clear or show", what)
	}
}

// showLease prints the lease in force.
func showLease(file string) error {
	reader, err := lease.OpenReader(file)
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close() }()
	r, err := reader.Inspect()
	if err != nil {
		return err
	}
	fmt.Println(r.KillAt, r.Until)

	return nil
}

// holdLease writes one lease that begins now.
func holdLease(record *lease.Writer, length string, fence bool) error {
	l, err := time.ParseDuration(length)
	if err != nil {
		return err
	}
	now := new(lease.Clock).Now()
	r := lease.Record{Term: 1, Held: true, SelfFence: fence, From: now, Until: now + int64(l)}
	r.KillAt = r.Until - int64(l/marginParts)
	record.Write(r)
	fmt.Println(r.KillAt, r.Until)

	return nil
}

// stubborn appends a line with its start to FILE and then writes the time into FILE.beat again
// and again, so that the last one is when it lived last. Signals that can be caught do not end it.
func stubborn(file string) error {
	var clock lease.Clock
	starts, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(starts, "%d start\n", clock.Now())
	last, openErr := os.OpenFile(file+".beat", os.O_WRONLY|os.O_CREATE, 0o644)
	if err = errors.Join(err, starts.Close(), openErr); err != nil {
		return err
	}
	ticker := time.NewTicker(aliveEvery)
	defer ticker.Stop()
	for range ticker.C {
		if _, err = last.WriteAt(fmt.Appendf(nil, "%020d\n", clock.Now()), 0); err != nil {
			return err
		}
	}

	return nil
}

// spin uses a processor up with the highest priority that is not a real-time one.
func spin() error {
	runtime.LockOSThread() // the priority is of a thread
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, -20); err != nil {
		return err
	}
	var clock lease.Clock
	for begin := clock.Now(); clock.Now()-begin < int64(spinFor); {
	}

	return nil
}
