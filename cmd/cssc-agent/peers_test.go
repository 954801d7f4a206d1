package main

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm"
)

// halfRotated is the report of a rotation that n3 was away from.
func halfRotated() serfcmm.KeyReport {
	return serfcmm.KeyReport{Nodes: []serfcmm.KeyHolder{
		{Node: "n2", Answered: true, Keys: []string{"new", "old"}},
		{Node: "n1", Answered: true, Keys: []string{"new", "old"}},
		{Node: "n3", Problem: "did not answer"},
		{Node: "n4", Answered: true, Keys: []string{"old"}, Problem: "has no room"},
	}}
}

// Goal: the keys are told by key, those in use first, with who has them and who does not.
// Method: a half-done rotation.
func TestKeysAreToldByKey(t *testing.T) {
	got := fmt.Sprintf("%+v", keyViews(halfRotated()))
	want := "[{Key:new Primary:true Nodes:[n1 n2] Missing:[n3 n4]} {Key:old Primary:true Nodes:[n1 n2 n4] Missing:[n3]}]"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Goal: what became of a question is told in the words that the agent and the bus know. Method:
// a node that is not on the network asks nobody, too much, and one that is listed.
func TestQuestionsFailInKnownWords(t *testing.T) {
	node, err := serfcmm.New(serfcmm.Options{
		Self: "n1", Peers: []serfcmm.Peer{{Name: "n1", Address: "192.0.2.1"}, {Name: "n2", Address: "192.0.2.2"}},
		Insecure: true, Origin: serfcmm.OriginOf("one"), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		node levels.NodeID
		size int
		want error
	}{{"n9", 1, levels.ErrNoSuchNode}, {"n2", serfcmm.MaxQuestion + 1, levels.ErrInvalid}, {"n2", 1, levels.ErrUnreachable}} {
		if _, err := (peers{node}).Ask(t.Context(), row.node, make([]byte, row.size)); !errors.Is(err, row.want) {
			t.Errorf("Ask(%s, %d bytes) = %v, want %v", row.node, row.size, err, row.want)
		}
	}
}
