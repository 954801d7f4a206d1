package units

import (
	"errors"
	"fmt"
)

// ErrNoBus says that the system bus, or its peer there, could not be reached in time. Nothing is
// known of what was asked for; ask again when Changed tells.
var ErrNoBus = errors.New("system bus is not reachable")

// errLost interrupts a work whose connection broke; the work goes on with the next one.
var errLost = errors.New("connection to the system bus lost")

// UnitError is a refusal by PID 1: nothing was started or stopped by that request.
type UnitError struct {
	// Unit is what the request was for.
	Unit string
	// Name is that of the D-Bus error, "org.freedesktop.systemd1.TransactionIsDestructive".
	Name string
	// Message is systemd's own text.
	Message string
}

// Error returns systemd's text behind the unit's name.
func (e *UnitError) Error() string { return fmt.Sprintf("unit %s: %s", e.Unit, e.Message) }
