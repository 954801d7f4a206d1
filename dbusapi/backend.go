package dbusapi

import (
	"context"

	"github.com/cssc-ha/cssc/levels"
)

// Backend is what the server asks of the agent. Every method may be called from
// several goroutines, returns within the context's time and maps to one event of
// the owner loop; errors wrap the sentinels of levels, whose D-Bus names stand in
// errors.go. The wiring in cmd/cssc-agent satisfies it.
type Backend interface {
	// Fresh returns once everything that was answered before is published.
	Fresh(ctx context.Context)
	Register(ctx context.Context, registration levels.Registration) (levels.RegistrationID, error)
	Unregister(ctx context.Context, client levels.ClientID, id levels.RegistrationID) error
	Done(ctx context.Context, done levels.CallbackDone) error
	SubscribeCancellation(ctx context.Context, client levels.ClientID) error
	Operation(ctx context.Context, request levels.OperationRequested) (levels.OperationID, []string, error)
	Retry(ctx context.Context, sequence levels.Sequence) error
	Skip(ctx context.Context, sequence levels.Sequence) error
	Abort(ctx context.Context, sequence levels.Sequence) error
	Sync(ctx context.Context) error
	Reload(ctx context.Context) error
	// ClientVanished and BusLost are observations; they never wait for an answer.
	ClientVanished(client levels.ClientID)
	BusLost()
	// History returns the newest records first, as JSON documents of levels.RunRecord
	// with wall clock times; limit 0 = all that are kept.
	History(ctx context.Context, limit int) ([]string, error)
	// ConfigValue answers GetConfig; unknown keys give levels.ErrInvalid.
	ConfigValue(key string) (any, error)
}

// Status is what properties and lists are made from: a snapshot, never changed
// after it was given to Server.Publish.
type Status struct {
	levels.View

	Version        string `json:"version"`
	Quorate        bool   `json:"quorate"`
	LeaseRemaining uint64 `json:"lease_remaining_usec"` // µs
	Headless       bool   `json:"headless"`
	ConfigHash     string `json:"config_hash"`
	NeedReload     bool   `json:"need_reload"`
	// Problems are standing warnings: "logind window 5 s is shorter than …".
	Problems []string          `json:"problems"`
	Nodes    []levels.NodeView `json:"nodes"`
}
