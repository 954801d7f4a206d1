package units

import (
	"context"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/integration/privatebus"
)

// testLimit bounds every wait of these tests.
const testLimit = 20 * time.Second

// smallReplies is a limit that one question for too many units runs into.
const smallReplies = `  <limit name="max_replies_per_connection">128</limit>
`

func startBus(t *testing.T) *privatebus.Bus {
	t.Helper()

	return privatebus.Start(t, privatebus.Open+smallReplies)
}

// running runs something until the test ends, and waits for its end.
func running(t *testing.T, run func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	t.Cleanup(cancel)

	return ctx
}
