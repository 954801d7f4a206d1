package main

import (
	"maps"
	"testing"

	"github.com/cssc-ha/cssc/dbusapi"
	"github.com/cssc-ha/cssc/levels"
)

// Goal: that another node has reached a level is an event; whatever else changes there, and
// this node's own levels, which have a signal, are none. Method: changed properties.
func TestLevelOfAnotherNodeIsAnEvent(t *testing.T) {
	t.Parallel()
	nodes := []levels.NodeView{{Node: "n1", Self: true}, {Node: "n-2"}}
	change := func(path, iface string, changed map[string]any) dbusapi.Event {
		return dbusapi.Event{Name: dbusapi.EventPropertiesChanged, Fields: map[string]any{"path": path, "interface": iface, "changed": changed}}
	}
	other := string(dbusapi.NodePath("n-2"))
	got, counts := levelReached(change(other, dbusapi.NodeInterface, map[string]any{"ReachedLevel": "3", "State": "initializing"}), nodes)
	if want := map[string]any{"node": "n-2", "sequence": "init", "level": "3"}; !counts || got.Name != "LevelReached" || !maps.Equal(got.Fields, want) {
		t.Errorf("another node's level: got %+v, %v; want LevelReached %v", got, counts, want)
	}
	for name, happened := range map[string]dbusapi.Event{
		"own level":          change(string(dbusapi.NodePath("n1")), dbusapi.NodeInterface, map[string]any{"ReachedLevel": "3"}),
		"unknown node":       change("/org/cssc/Agent1/node/n9", dbusapi.NodeInterface, map[string]any{"ReachedLevel": "3"}),
		"no level any more":  change(other, dbusapi.NodeInterface, map[string]any{"ReachedLevel": ""}),
		"another property":   change(other, dbusapi.NodeInterface, map[string]any{"State": "up"}),
		"another interface":  change(other, dbusapi.ManagerInterface, map[string]any{"ReachedLevel": "3"}),
		"nothing to be read": {Name: dbusapi.EventPropertiesChanged},
	} {
		if got, counts := levelReached(happened, nodes); counts {
			t.Errorf("%s: got %+v, want no event", name, got)
		}
	}
}
