package lab

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync"
	"syscall"
)

// console is the TB of a command.
type console struct {
	mutex    sync.Mutex
	cleanups []func()
	failed   bool
}

// Main runs a command's story with a TB that writes to standard error and whose Fatalf ends
// the story. It cleans up in every case, an interrupt included, and returns the exit status.
func Main(story func(ctx context.Context, t TB)) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := &console{}
	done := make(chan struct{}) // closed by the story's goroutine
	go func() {
		defer close(done)
		story(ctx, c)
	}()
	status := 0
	select {
	case <-done:
	case <-ctx.Done():
		status = 130
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, cleanup := range slices.Backward(c.cleanups) {
		cleanup()
	}
	if c.failed {
		status = 1
	}

	return status
}

// Helper does nothing.
func (c *console) Helper() {}

// Name names the program.
func (c *console) Name() string { return os.Args[0] }

// Logf prints a line.
func (c *console) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// Fatalf prints a line and ends the calling goroutine, which is the story's.
func (c *console) Fatalf(format string, args ...any) {
	c.Logf(format, args...)
	c.mutex.Lock()
	c.failed = true
	c.mutex.Unlock()
	runtime.Goexit()
}

// Cleanup notes what to do at the end, last noted first done.
func (c *console) Cleanup(cleanup func()) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.cleanups = append(c.cleanups, cleanup)
}

// Failed is false for a person; who wants the journals after a failure sets CSSC_JOURNALS.
func (c *console) Failed() bool { return c.failed && os.Getenv("CSSC_JOURNALS") != "" }
