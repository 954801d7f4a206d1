package dbusapi

import (
	"context"
	"testing"
)

// exampleTB is what an example has instead of a test.
type exampleTB struct {
	testing.TB

	cleanups []func()
}

func (*exampleTB) Helper()                  {}
func (*exampleTB) Context() context.Context { return context.Background() }
func (*exampleTB) Fatal(reasons ...any)     { panic(reasons) }
func (*exampleTB) Fatalf(format string, _ ...any) {
	panic(format)
}
func (e *exampleTB) Cleanup(cleanup func()) { e.cleanups = append(e.cleanups, cleanup) }

// PrivateAgent is a private bus with an agent on it that ends every operation at
// once and invokes what was registered when told to.
func PrivateAgent() (address string, invoke func(component string), stop func()) {
	tb := &exampleTB{}
	bus, server := start(tb)
	server.agent.mu.Lock()
	server.agent.instant = true
	server.agent.mu.Unlock()
	invoke = func(component string) { server.agent.invoke(component) }
	stop = func() {
		for index := range tb.cleanups {
			tb.cleanups[len(tb.cleanups)-1-index]()
		}
	}

	return bus.address, invoke, stop
}
