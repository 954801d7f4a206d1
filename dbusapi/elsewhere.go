package dbusapi

import (
	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// elsewhere are the signals for what has happened on other nodes: the event channel is the
// same everywhere. They follow from the status, so that nothing is lost with a message that
// is lost, and two changes between two statuses are one signal.
func elsewhere(before, after *Status) []*dbus.Message {
	if before.Node == "" {
		return nil // the agent has just begun to look: nothing has happened
	}
	var messages []*dbus.Message
	add := func(member string, body ...any) {
		messages = append(messages, managerSignal(member, append(body, map[string]dbus.Variant{})...))
	}
	for index := range after.Nodes {
		now := &after.Nodes[index]
		old := living(before, index, now.Node)
		if now.Self || !now.Alive || old == nil || old.Role == now.Role {
			continue
		}
		add("RoleChanged", string(now.Node), now.Role.String(), old.Role.String(), uint64(now.Term))
		switch {
		case now.Role == levels.RoleOffline:
			add("NodeDisqualified", string(now.Node))
		case old.Role == levels.RoleOffline && now.Role != levels.RoleUnknown:
			add("NodeQualified", string(now.Node))
		}
	}
	ready := after.MasterReady && after.Master != "" && after.Master != after.Node
	if ready && (!before.MasterReady || before.Master != after.Master || before.Term != after.Term) {
		add("MasterReady", string(after.Master), uint64(after.Term))
	}

	return messages
}
