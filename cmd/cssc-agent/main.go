package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is overwritten by the linker.
var version = "devel"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run carries out one command line and returns the exit status.
func run(ctx context.Context, args []string, out, complaints io.Writer) int {
	settings, err := parse(args, complaints)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		_, _ = fmt.Fprintf(complaints, "cssc-agent: %v; see \"cssc-agent --help\"\n", err)

		return 2
	case settings.version:
		_, _ = fmt.Fprintf(out, "cssc-agent %s\n", version)

		return 0
	}
	act := serve
	if settings.leave {
		act = leave
	}
	if err := act(ctx, settings, complaints); err != nil {
		if _, told := errors.AsType[*toldError](err); told {
			return 1
		}
		_, _ = fmt.Fprintf(complaints, "cssc-agent: %v\n", err)

		return 1
	}

	return 0
}
