package main

import (
	"github.com/cssc-ha/cssc/cmd/cssc/bundle"
	"github.com/cssc-ha/cssc/cmd/cssc/doctor"
	"github.com/cssc-ha/cssc/levels"
)

// The JSON documents that are not simply a part of the status. Each stands in
// cssc(1) with its fields; a test compares.
type (
	// What a dry run prints.
	planDocument struct {
		Kind levels.OperationKind `json:"kind"`
		Node string               `json:"node"`
		Mode levels.Mode          `json:"mode"`
		Plan []string             `json:"plan"`
	}
	// The end of an operation that was followed, or is all there is of one
	// that was not.
	resultDocument struct {
		Operation levels.OperationID     `json:"operation"`
		Kind      levels.OperationKind   `json:"kind"`
		Node      string                 `json:"node"`
		Mode      levels.Mode            `json:"mode"`
		Result    levels.OperationResult `json:"result"`
		Error     string                 `json:"error,omitempty"`
	}
	// Something that was asked of the agent and taken.
	actionDocument struct {
		Action   string `json:"action"`
		Sequence string `json:"sequence,omitempty"`
		Unit     string `json:"unit,omitempty"`
		Node     string `json:"node,omitempty"`
	}
	// Everything that explain has to say.
	explainDocument struct {
		Node    string           `json:"node"`
		Role    levels.Role      `json:"role"`
		State   levels.NodeState `json:"state"`
		Reasons []reason         `json:"reasons"`
	}
	// Whatever plot draws.
	transitionDocument struct {
		Title     string        `json:"title"`
		Cause     string        `json:"cause"`
		FirstTerm levels.Term   `json:"first_term"`
		LastTerm  levels.Term   `json:"last_term"`
		StartedAt string        `json:"started_at"`
		EndedAt   string        `json:"ended_at"`
		NotShown  []missingNode `json:"not_shown"`
		Runs      []record      `json:"runs"`
	}
	// One participant of blame.
	blameDocument struct {
		TookUSec int64            `json:"took_usec"`
		Node     string           `json:"node"`
		Run      levels.RunNumber `json:"run"`
		Sequence levels.Sequence  `json:"sequence"`
		Level    levels.Level     `json:"level"`
		Kind     levels.Kind      `json:"kind"`
		Name     string           `json:"name"`
		// Stop: it was to be stopped.
		Stop    bool           `json:"stop,omitempty"`
		Outcome levels.Outcome `json:"outcome"`
		Reason  string         `json:"reason,omitempty"`
	}
	// The keyring file that was written.
	keyFileDocument struct {
		File string `json:"file"`
	}
	// What attach did.
	attachDocument struct {
		Unit     string          `json:"unit"`
		Targets  []levels.Target `json:"targets"`
		Warnings []string        `json:"warnings"`
	}
	// Everything that verify found.
	verifyDocument struct {
		OK       bool      `json:"ok"`
		Files    []string  `json:"files"`
		Findings []finding `json:"findings"`
	}
	// Everything that doctor found.
	doctorDocument struct {
		// OK: nothing has failed.
		OK       bool            `json:"ok"`
		Passed   int             `json:"passed"`
		Warnings int             `json:"warnings"`
		Failures int             `json:"failures"`
		Skipped  int             `json:"skipped"`
		Results  []doctor.Result `json:"results"`
	}
	// The bundle that report wrote.
	reportDocument struct {
		File  string         `json:"file"`
		Bytes int64          `json:"bytes"`
		Parts []bundle.Entry `json:"parts"`
	}
	// The versions; that of the agent is empty without one.
	versionDocument struct {
		CSSC  string `json:"cssc"`
		Agent string `json:"agent"`
		Go    string `json:"go"`
	}
)

// list gives nil slices of a document the form of an empty array.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}

	return items
}
