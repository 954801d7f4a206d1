package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/cssc-ha/cssc/agent/lease"
)

// version is overwritten by the linker.
var version = "devel"

// collectEarly is the garbage collector's percentage: it begins at a fifth of the usual
// 4 MiB, so that the process stays small.
const collectEarly = 20

func main() {
	debug.SetGCPercent(collectEarly)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// settings are the command line.
type settings struct {
	record, groups string
}

// run carries out one command line and returns the exit status.
func run(ctx context.Context, args []string, out, complaints io.Writer) int {
	var s settings
	flags := flag.NewFlagSet("cssc-guard", flag.ContinueOnError)
	flags.SetOutput(complaints)
	flags.StringVar(&s.record, "record", lease.Path, "where the agent writes the lease")
	flags.StringVar(&s.groups, "groups", "", "root of the control groups (default: found)")
	show := flags.Bool("version", false, "print the version and exit")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		_, _ = fmt.Fprintf(complaints, "cssc-guard: unknown argument %q; see \"cssc-guard --help\"\n", flags.Arg(0))

		return 2
	case *show:
		_, _ = fmt.Fprintf(out, "cssc-guard %s\n", version)

		return 0
	}
	if err := serve(ctx, s); err != nil {
		_, _ = fmt.Fprintf(complaints, "cssc-guard: %v\n", err)

		return 1
	}

	return 0
}

// serve guards until ctx ends.
func serve(ctx context.Context, s settings) error {
	w, err := newKernel(ctx, s)
	if err != nil {
		return err
	}
	defer w.close()
	w.start()
	newGuard(w, w.interval).run(ctx)

	return nil
}
