package main

import (
	"fmt"
	"testing"

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
