// Package units is the shell between levels and systemd: it names and renders
// the level targets, drives them, and carries out the endings of a shutdown.
//
// # Model
//
// A levels.Target is a systemd target unit; its members are the units that the
// target wants (Wants=, Requires=, BindsTo=, Upholds=, whoever wrote them).
//
//	Generate     ladders + what is installed → unit files (pure; cssc-generator writes them)
//	CheckGraph   what is installed → cycles and double enablement (cssc verify)
//	Driver       levels.StartUnits, levels.StopUnits → jobs of PID 1 → levels.Member
//	System       logind's delay inhibitor, PrepareForShutdown, the endings
//	Attach       a unit of the distribution becomes a member
//	Direct       what must not run without a lease, from PID 1 past the bus (cssc-guard)
//
// A start or stop is one job of PID 1 for each unit. Neither the job's result nor
// the unit's state tells alone what became of it, so a member is classified by load
// state, job result, active state, result, condition and time stamps together
// (classify.go). Truth is the unit's state, read again at least every second while
// a work runs; signals only make that faster.
//
// # Guarantees
//
// A member is reported when it has come to rest, and then once. Stopped means that
// the unit is inactive, not that a stop was asked for. With Resume nothing is started
// that was started at or after Since. A lost bus, a restarted bus, daemon-reload and
// daemon-reexec in the middle of a work lose nothing: the work goes on from the units'
// states. Signals are believed only from the connection that owns the peer's name, and
// only with the right types.
//
// # What is not guaranteed
//
// A unit that is pulled in by a member but is no member itself is not waited for. When
// the bus was away while a job ended, assert, dependency and job timeout cannot be told
// apart; the reason then says so. Two works on one unit at the same time cancel each
// other, as two systemctl calls do. After a suspend a resumed work may take a start from
// shortly before Since for its own: it rather waits for an old start than starts twice.
//
// # Concurrency
//
// Direct is owned by one goroutine. Driver and System are safe for concurrent use. Each owns one connection; Run owns
// its life and must be running for anything else to succeed. Everything else is a
// function or a value.
//
// # Errors
//
// ErrNoBus while the bus cannot be reached within the context's time; *UnitError when
// PID 1 refuses. What becomes of a member is never an error but its Outcome.
//
// # Testing
//
// Fast tests run against a systemd1 of our own on a private bus (fake_test.go); the table
// of what a level job tells is run against real ones in package integration
// (units_*_test.go). Read classify_test.go, driver_test.go and survive_test.go first.
package units
