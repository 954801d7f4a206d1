package dbusapi

import (
	"fmt"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// Publish makes status readable and sends the signals: what changed of the
// properties first, one signal an object, then the notices in their order. It
// never blocks. Without a bus, or on a stuck one, signals are lost and status is
// not: who reads is never misled. Called by one goroutine, the owner loop.
func (s *Server) Publish(status *Status, notices []levels.Action) {
	next := newSnapshot(status)
	s.snapshot.Store(next)
	s.mu.Lock()
	before := s.told
	s.told = next
	s.mu.Unlock()
	current := s.session.Load()
	if current == nil {
		return
	}
	if before == nil {
		before = newSnapshot(&Status{})
	}
	for _, message := range changes(before.Status, status) {
		current.send(message)
	}
	for _, message := range membership(before.Status, status) {
		current.send(message)
	}
	for _, message := range elsewhere(before.Status, status) {
		current.send(message)
	}
	for _, notice := range notices {
		if message := noticeSignal(notice, status); message != nil {
			current.send(message)
		}
	}
}

// send queues a signal, or counts it as lost: truth is in the properties.
func (s *session) send(message *dbus.Message) {
	if !s.outbox.put(message) {
		s.server.log.Debug("signal lost, the bus takes nothing", "member", message.Headers[dbus.FieldMember].String())
	}
}

// Invoke sends the Callback signal to the registrant. An error means that it was
// not sent: no bus, or a stuck one.
func (s *Server) Invoke(invoke levels.Invoke) error {
	r := &invoke.Registration
	current := s.session.Load()
	if current == nil {
		return fmt.Errorf("invoke %s at %s: %w", r.Component, invoke.Position, ErrNotConnected)
	}
	s.remember(r.Client)
	message := signalMessage(string(r.Client), RootPath, ManagerInterface, "Callback",
		uint64(invoke.Tag), RegistrationPath(r.ID), r.Component,
		invoke.Position.Sequence.String(), int32(invoke.Position.Level),
		flagsOf(invoke.Noboot), infoOf(invoke.Info, r.Cookie, invoke.Resume))
	if !current.outbox.put(message) {
		return fmt.Errorf("invoke %s at %s: %w: the bus takes nothing", r.Component, invoke.Position, levels.ErrBusy)
	}

	return nil
}

// NotifyCanceled sends SequenceCanceled to each of the clients.
func (s *Server) NotifyCanceled(notice levels.NotifyCanceled) {
	current := s.session.Load()
	if current == nil {
		return
	}
	for _, client := range notice.Clients {
		current.send(signalMessage(string(client), RootPath, ManagerInterface, "SequenceCanceled",
			notice.Sequence.String(), int32(notice.LastLevel), map[string]dbus.Variant{}))
	}
}

// changes are the PropertiesChanged signals between two statuses.
func changes(before, after *Status) []*dbus.Message {
	var messages []*dbus.Message
	add := func(path dbus.ObjectPath, iface string, changed map[string]dbus.Variant) {
		if len(changed) > 0 {
			messages = append(messages, signalMessage("", path, propertiesInterface, "PropertiesChanged", iface, changed, []string{}))
		}
	}
	add(RootPath, ManagerInterface, changedProperties(managerProperties(), before, after))
	ofNodes := nodeProperties()
	for index := range after.Nodes {
		now := &after.Nodes[index]
		if old := nodeOf(before, index, now.Node); old != nil {
			add(NodePath(now.Node), NodeInterface, changedProperties(ofNodes, old, now))
		}
	}
	for index := range after.Operations {
		now := &after.Operations[index]
		if old := find(before.Operations, func(o *levels.OperationView) bool { return o.ID == now.ID }); old != nil && *old != *now {
			add(OperationPath(now.ID), OperationInterface, changedProperties(operationProperties(), old, now))
		}
	}

	return messages
}

func find[T any](list []T, match func(*T) bool) *T {
	for index := range list {
		if match(&list[index]) {
			return &list[index]
		}
	}

	return nil
}

// membership are the signals for nodes that came and went. A node of the node table is
// always listed; it is there while it is alive.
func membership(before, after *Status) []*dbus.Message {
	var messages []*dbus.Message
	add := func(member string, node levels.NodeID) {
		messages = append(messages, managerSignal(member, string(node), map[string]dbus.Variant{}))
	}
	for index := range after.Nodes {
		if node := &after.Nodes[index]; node.Alive && living(before, index, node.Node) == nil {
			add("NodeJoined", node.Node)
		}
	}
	for index := range before.Nodes {
		old := &before.Nodes[index]
		if !old.Alive || living(after, index, old.Node) != nil {
			continue
		}
		if now := nodeOf(after, index, old.Node); now != nil {
			old = now // what it said last
		}
		if old.State == levels.StateLeaving || old.State == levels.StateDown {
			add("NodeLeft", old.Node)
		} else {
			add("NodeFailed", old.Node)
		}
	}

	return messages
}

// nodeOf finds a node that another status has at that place: here it is at the same one, unless
// the node table has changed. A search for each of hundreds would be hundreds of times as much.
func nodeOf(status *Status, place int, node levels.NodeID) *levels.NodeView {
	if place < len(status.Nodes) && status.Nodes[place].Node == node {
		return &status.Nodes[place]
	}

	return find(status.Nodes, func(n *levels.NodeView) bool { return n.Node == node })
}

// living is nodeOf for a node that is alive.
func living(status *Status, place int, node levels.NodeID) *levels.NodeView {
	if found := nodeOf(status, place, node); found != nil && found.Alive {
		return found
	}

	return nil
}

func managerSignal(member string, body ...any) *dbus.Message {
	return signalMessage("", RootPath, ManagerInterface, member, body...)
}

// noticeSignal is the signal that tells of a notice, nil for one that only the
// journal or a property tells.
func noticeSignal(notice levels.Action, status *Status) *dbus.Message {
	switch n := notice.(type) {
	case levels.TellMasterReady:
		return managerSignal("MasterReady", string(n.Node), uint64(n.Term), map[string]dbus.Variant{})
	case levels.TellQualified:
		member := "NodeDisqualified"
		if n.Qualified {
			member = "NodeQualified"
		}

		return managerSignal(member, string(n.Node), map[string]dbus.Variant{})
	case levels.TellStateChanged:
		if n.Role == n.OldRole {
			return nil
		}

		return managerSignal("RoleChanged", string(status.Node), n.Role.String(), n.OldRole.String(),
			uint64(status.Term), map[string]dbus.Variant{})
	case levels.TellSequenceStarted, levels.TellLevelReached, levels.TellSequenceFinished, levels.TellFailed:
		return runSignal(notice)
	case levels.TellOperationStarted:
		return operationSignal("OperationNew", &n.Operation)
	case levels.TellOperationFinished:
		return operationSignal("OperationRemoved", &n.Operation)
	case levels.TellHeld, levels.TellWaiting, levels.TellTargetLost, levels.TellDropped, levels.TellNoSuccessor:
		return nil // the properties Phase, Reason and LostTargets tell; the last two are for the journal
	case levels.Invoke, levels.NotifyCanceled, levels.StartUnits, levels.StopUnits,
		levels.PersistQualified, levels.ReleaseRole, levels.LeaveCluster:
		return nil // not for the bus, or not by Publish
	default:
		return nil
	}
}

// runSignal tells of a run.
func runSignal(notice levels.Action) *dbus.Message {
	switch n := notice.(type) {
	case levels.TellSequenceStarted:
		return managerSignal("SequenceStarted", uint64(n.Run), n.Sequence.String(), n.Cause,
			map[string]dbus.Variant{"term": dbus.MakeVariant(uint64(n.Term))})
	case levels.TellLevelReached:
		return managerSignal("LevelReached", uint64(n.Run), n.Position.Sequence.String(), int32(n.Position.Level),
			map[string]dbus.Variant{})
	case levels.TellSequenceFinished:
		return managerSignal("SequenceFinished", uint64(n.Record.Run), n.Record.Sequence.String(), n.Record.Outcome,
			map[string]dbus.Variant{
				"reason": dbus.MakeVariant(printable(n.Record.Reason)),
				"cause":  dbus.MakeVariant(n.Record.Cause),
				"role":   dbus.MakeVariant(n.Record.Role.String()),
				"term":   dbus.MakeVariant(uint64(n.Record.Term)),
			})
	case levels.TellFailed:
		info := map[string]dbus.Variant{
			"kind":   dbus.MakeVariant(n.Participant.Kind.String()),
			"policy": dbus.MakeVariant(n.Policy.String()),
			"run":    dbus.MakeVariant(uint64(n.Run)),
		}
		if n.Participant.Kind == levels.KindMember {
			info["target"] = dbus.MakeVariant(n.Participant.Target.String())
		}

		return managerSignal("ComponentFailed", n.Participant.Name, n.Participant.Position.Sequence.String(),
			int32(n.Participant.Position.Level), printable(n.Participant.Reason), info)
	default:
		return nil
	}
}

// operationSignal tells of an operation's beginning or end.
func operationSignal(member string, o *levels.OperationView) *dbus.Message {
	info := map[string]dbus.Variant{
		"operation": dbus.MakeVariant(o.Kind.String()),
		"by":        dbus.MakeVariant(o.By),
		"mode":      dbus.MakeVariant(o.Mode.String()),
		"to":        dbus.MakeVariant(string(o.To)),
		"reason":    dbus.MakeVariant(printable(o.Reason)),
	}
	if member == "OperationNew" {
		return managerSignal(member, uint64(o.ID), OperationPath(o.ID), string(o.Node), info)
	}
	info["error"] = dbus.MakeVariant(printable(o.Error))

	return managerSignal(member, uint64(o.ID), OperationPath(o.ID), string(o.Node), o.Result.String(), info)
}
