// Command probe is the recorder in the nodes of the integration tests. It speaks the bus
// interface by itself, without package dbusapi, so that the tests have a second opinion on
// the protocol.
//
//	probe record FILE WORDS…                   append one line: monotonic µs, then the words
//	probe serve FILE COMPONENT POSITION[=MODE]…  register at each position and write down
//	                                           every invocation; notifies systemd when ready
//	probe hold FOLDER DUTY                     record a life for package history until told to
//	                                           stop; notifies systemd when ready
//	probe lease FILE once|fence|renew LENGTH   play the agent: write the lease record
//	probe lease FILE clear|show -
//	probe stubborn FILE                        show in FILE.beat that this process lives
//	probe spin                                 use a processor up
//	probe answer ADDRESS                       say the node's name to whoever connects
//	probe ask FILE ADDRESS…                    ask again and again, write down who answered when
//	probe get URL                              print the status and the text
//	probe attack KIND ARGUMENT                 try something forbidden; see attack.go
//
// A POSITION is SEQUENCE:LEVEL. A MODE is ok (the default), fail:N (the first N answers are
// errors), slow:DURATION (answer late), until:FILE (answer when it is there), hang (never answer), die (exit at the first
// invocation, once per FILE.COMPONENT.died).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) > 2 && args[0] == "record":
		return record(args[1], strings.Join(args[2:], " "))
	case len(args) > 3 && args[0] == "serve":
		return serve(ctx, args[1], args[2], args[3:])
	case len(args) == 3 && args[0] == "hold":
		return hold(ctx, args[1], args[2])
	case len(args) == 2 && args[0] == "answer":
		return answer(ctx, args[1])
	case len(args) == 2 && args[0] == "get":
		return get(ctx, args[1])
	case len(args) > 2 && args[0] == "ask":
		return ask(ctx, args[1], args[2:])
	case len(args) == 4 && args[0] == "lease":
		return playAgent(ctx, args[1], args[2], args[3])
	case len(args) == 2 && args[0] == "stubborn":
		return stubborn(args[1])
	case len(args) == 1 && args[0] == "spin":
		return spin()
	case len(args) == 3 && args[0] == "attack":
		return attack(ctx, args[1], args[2])
	default:
		return errors.New("usage: probe record FILE WORDS… | probe hold FOLDER DUTY | probe attack KIND ARGUMENT | probe serve FILE COMPONENT POSITION[=MODE]…")
	}
}

// record appends one line in one write, so that lines of many processes never mix and their
// order in the file is the order of the writes.
func record(path, words string) error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, "%d %s\n", now.Nano()/1000, words)

	return errors.Join(err, file.Close())
}
