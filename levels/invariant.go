package levels

import "errors"

// Check is completed in invariants.
func (m *Machine) Check() error { return errors.Join() }
