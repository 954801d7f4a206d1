package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"github.com/cssc-ha/cssc/integration/history"
)

const (
	beatEvery = 10 * time.Millisecond
	termLimit = 2 * time.Second
)

// holder is one recorder process: it does a duty, and writes down that it does.
type holder struct {
	life, node, duty string
	history          *os.File
	lock             *os.File
}

// hold records its life into the folder that all nodes share until it is told to stop. A
// second process of the same duty, on whichever node, is seen twice over: by the records,
// and by the kernel's lock, which exists as long as the process does.
func hold(ctx context.Context, folder, duty string) error {
	h, err := newHolder(folder, duty)
	if err != nil {
		return err
	}
	if err = h.write(history.Start, ""); err != nil {
		return err
	}
	locked, err := h.locked()
	if err == nil && !locked {
		err = h.write(history.Clash, "")
	}
	if err != nil {
		return err
	}
	if _, err = daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		return err
	}
	go h.askTerm(ctx)
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return h.write(history.Stop, "")
		case <-ticker.C:
			if err = h.write(history.Beat, ""); err != nil {
				return err
			}
			if !locked { // so that a third one is seen as well
				if locked, err = h.locked(); err != nil {
					return err
				}
			}
		}
	}
}

func newHolder(folder, duty string) (*holder, error) {
	node, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	life := make([]byte, 6)
	for i := range life {
		life[i] = byte(rand.Uint32())
	}
	h := &holder{life: hex.EncodeToString(life), node: node, duty: duty}
	if h.history, err = os.OpenFile(filepath.Join(folder, "history"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644); err != nil {
		return nil, err
	}
	h.lock, err = os.OpenFile(filepath.Join(folder, duty+".lock"), os.O_RDWR|os.O_CREATE, 0o644)

	return h, err
}

// locked tries to take the duty's lock, which the kernel gives back when the process is gone.
func (h *holder) locked() (bool, error) {
	err := unix.Flock(int(h.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}

	return err == nil, err
}

// write appends one record in one write.
func (h *holder) write(word, text string) error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return err
	}
	r := history.Record{At: time.Duration(now.Nano()), Life: h.life, Node: h.node, Duty: h.duty, Word: word, Text: text}
	_, err := h.history.WriteString(r.String() + "\n")

	return err
}

// askTerm writes down the mastership that the agent tells of. An agent that cannot answer
// leaves this start without a term.
func (h *holder) askTerm(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, termLimit)
	defer cancel()
	conn, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		fmt.Fprintln(os.Stderr, "probe: bus:", err)

		return
	}
	defer func() { _ = conn.Close() }()
	var all map[string]dbus.Variant
	call := conn.Object(busName, rootPath).CallWithContext(ctx, "org.freedesktop.DBus.Properties.GetAll", 0, manager)
	if err = call.Store(&all); err != nil {
		fmt.Fprintln(os.Stderr, "probe: term:", err)

		return
	}
	text := fmt.Sprintf("%v %v", all["Term"].Value(), all["Master"].Value())
	if err = h.write(history.Term, text); err != nil {
		fmt.Fprintln(os.Stderr, "probe: term:", err)
	}
}
