package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(run(os.Args[1:], newSystem()))
}

// run carries out one command line and returns the exit status.
func run(args []string, sys system) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	program := &app{system: sys}
	root := program.rootCommand()
	root.SetArgs(args)
	root.SetIn(sys.in)
	root.SetOut(sys.out)
	root.SetErr(sys.err)

	return program.finish(ctx, root.ExecuteContext(ctx))
}
