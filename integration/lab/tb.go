package lab

import (
	"context"
	"fmt"
	"time"
)

// TB is the part of testing.TB that the lab uses, so that commands can use the lab too.
type TB interface {
	Helper()
	Name() string
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(cleanup func())
	Failed() bool
}

// tick is the pause between two looks in Await.
const tick = 25 * time.Millisecond

// Await calls look until it returns nil and returns the last error after the limit. It is
// the one place of the lab and of the integration tests that polls: for states that nobody
// announces across the border of a container.
func Await(ctx context.Context, limit time.Duration, look func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		err := look()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %v: %w", limit, err)
		case <-ticker.C:
		}
	}
}

// Eventually is Await that ends the test.
func Eventually(t TB, limit time.Duration, what string, look func() error) {
	t.Helper()
	if err := Await(context.Background(), limit, look); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}
