package dbusapi

import (
	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// The rows of the list methods, as they look on the bus.
type (
	nodeRow struct {
		Node, State, Role          string
		Term                       uint64
		Eligible, Qualified, Alive bool
		Why, Address               string
		Path                       dbus.ObjectPath
	}
	registrationRow struct {
		ID                  uint64
		Component, Sequence string
		Level               int32
		Client, Unit        string
		TimeoutUSec         uint64
		OnFailure           string
		Path                dbus.ObjectPath
	}
	operationRow struct {
		ID                                uint64
		Operation, Node, By, Step, Result string
		StartedUSec                       uint64
		Path                              dbus.ObjectPath
	}
	memberRow     struct{ Unit, Target, Outcome, Reason string }
	invocationRow struct {
		Tag          uint64
		Component    string
		Registration dbus.ObjectPath
		Sequence     string
		Level        int32
		Flags        uint64
		Info         map[string]dbus.Variant
	}
)

func (s *Server) planListNodes(c *call) (plan, error) {
	now, err := s.withoutFlags(c, c.body[0].(uint64))
	if err != nil {
		return plan{}, err
	}
	rows := make([]nodeRow, len(now.Nodes))
	for index, n := range now.Nodes {
		rows[index] = nodeRow{
			string(n.Node), n.State.String(), n.Role.String(), uint64(n.Term), n.Eligible, n.Qualified, n.Alive,
			n.Why, n.Address, NodePath(n.Node),
		}
	}

	return always([]any{rows}), nil
}

func (s *Server) planListRegistrations(c *call) (plan, error) {
	now, err := s.withoutFlags(c, c.body[0].(uint64))
	if err != nil {
		return plan{}, err
	}
	rows := make([]registrationRow, len(now.Registrations))
	for index, r := range now.Registrations {
		rows[index] = registrationRow{
			uint64(r.ID), r.Component, r.Position.Sequence.String(), int32(r.Position.Level), string(r.Client), r.Unit,
			uint64(r.Timeout.Microseconds()), r.OnFailure.String(), RegistrationPath(r.ID),
		}
	}

	return always([]any{rows}), nil
}

func (s *Server) planListOperations(c *call) (plan, error) {
	now, err := s.withoutFlags(c, c.body[0].(uint64))
	if err != nil {
		return plan{}, err
	}
	rows := make([]operationRow, len(now.Operations))
	for index, o := range now.Operations {
		rows[index] = operationRow{
			uint64(o.ID), o.Kind.String(), string(o.Node), o.By, o.Step, o.Result.String(), micros(o.Started), OperationPath(o.ID),
		}
	}

	return always([]any{rows}), nil
}

func (s *Server) planListMembers(c *call) (plan, error) {
	now, err := s.withoutFlags(c, c.body[0].(uint64))
	if err != nil {
		return plan{}, err
	}
	rows := make([]memberRow, len(now.Members))
	for index, m := range now.Members {
		rows[index] = memberRow{m.Unit, m.Target.String(), m.Outcome.String(), m.Reason}
	}

	return always([]any{rows}), nil
}

func (s *Server) planPending(c *call) (plan, error) {
	now, err := s.status()
	if err != nil {
		return plan{}, err
	}
	rows := []invocationRow{}
	for index := range now.Pending {
		open := &now.Pending[index]
		if open.Registration.Client != c.client() {
			continue
		}
		rows = append(rows, invocationRow{
			uint64(open.Tag), open.Registration.Component, RegistrationPath(open.Registration.ID),
			open.Position.Sequence.String(), int32(open.Position.Level), flagsOf(open.Noboot),
			infoOf(open.Info, open.Registration.Cookie, true),
		})
	}

	return always([]any{rows}), nil
}

func flagsOf(noboot bool) uint64 {
	if noboot {
		return FlagNoboot
	}

	return 0
}

// infoOf is the last argument of Callback.
func infoOf(info levels.Info, cookie uint64, resume bool) map[string]dbus.Variant {
	made := map[string]dbus.Variant{
		"cookie":  dbus.MakeVariant(cookie),
		"node":    dbus.MakeVariant(string(info.Node)),
		"cluster": dbus.MakeVariant(info.Cluster),
		"state":   dbus.MakeVariant(info.State.String()),
		"role":    dbus.MakeVariant(info.Role.String()),
		"term":    dbus.MakeVariant(uint64(info.Term)),
		"master":  dbus.MakeVariant(string(info.Master)),
		"vice":    dbus.MakeVariant(string(info.Vice)),
	}
	if resume {
		made["resume"] = dbus.MakeVariant(true)
	}

	return made
}
