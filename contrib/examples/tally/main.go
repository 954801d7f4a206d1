// Command tally is the example of a service pair: a log of numbers, kept by a primary on the
// master and by a secondary on the vice, and its clients on every node. README.md beside this
// file tells how to run it. To learn how a service takes part in a cluster, read service.go
// and then write.go; what they coordinate is in package pair and knows nothing of cssc.
//
//	tally serve FOLDER             keep the numbers, in the role that the node has
//	tally write FILE               be a client, and write down what was acknowledged
//	tally check [-last TIME] FILE…  compare what clients wrote down with what is kept
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/cssc-ha/cssc/levels"
)

// port is where a copy answers, on every node. It believes whoever comes.
const port = "7474"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 2 && args[0] == "serve":
		return serve(ctx, args[1])
	case len(args) == 2 && args[0] == "write":
		return write(ctx, args[1])
	case len(args) >= 2 && args[0] == "check":
		return check(ctx, args[1:])
	default:
		return errors.New("usage: tally serve FOLDER | tally write FILE | tally check [-last TIME] FILE…")
	}
}

// addressOf is where the copy of a node answers: the node's host, the tally's port.
func addressOf(node *levels.NodeView) string {
	host, _, err := net.SplitHostPort(node.Address)
	if err != nil {
		host = node.Address // without a port; or nothing, in a cluster of one
	}

	return net.JoinHostPort(host, port)
}
