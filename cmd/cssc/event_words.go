package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// eventLine is an event for a person: the time of day and what happened.
func (a *app) eventLine(happened event) string {
	p := a.paint()
	at := happened.At
	if stamp, err := time.Parse(time.RFC3339Nano, at); err == nil {
		at = stamp.Local().Format("15:04:05.000")
	}
	words := printable(eventWords(happened))
	switch happened.Name {
	case "ComponentFailed", "NodeFailed", eventAgentLost:
		words = p.bad(words)
	case "SequenceFinished":
		if happened.Fields["outcome"] == "completed" {
			words = p.good(words)
		} else {
			words = p.warn(words)
		}
	case "MasterReady", "NodeQualified", "NodeJoined", eventAgentFound:
		words = p.good(words)
	case "NodeDisqualified", "NodeLeft", "Missed":
		words = p.warn(words)
	}

	return p.dim(printable(at)) + "  " + words
}

// eventWords is what happened in a phrase; of an event without one the name and the fields.
func eventWords(happened event) string {
	phrase, known := eventPhrases()[happened.Name]
	if !known {
		return happened.Name + fieldWords(happened.Fields)
	}

	return os.Expand(phrase, func(name string) string {
		field := strings.Trim(name, ": ")
		value, found := happened.Fields[field]
		if !found || value == "" {
			return ""
		}

		return strings.Replace(name, field, fmt.Sprint(value), 1)
	})
}

// eventPhrases say what the events mean: ${name} is a field, and what stands beside the name
// within the braces is there only when the field is.
func eventPhrases() map[string]string {
	return map[string]string{
		"SequenceStarted":  "${sequence} begins, run ${run}${: cause}",
		"LevelReached":     "${node: }${sequence} level ${level} reached",
		"SequenceFinished": "${sequence} ${outcome}, run ${run}${: reason}",
		"ComponentFailed":  "${component} failed at ${sequence} level ${level}${: reason}",
		"MasterReady":      "${node} is master and ready, term ${term}",
		"RoleChanged":      "${node} is ${role} now, was ${old_role}, term ${term}",
		"NodeJoined":       "${node} has joined",
		"NodeLeft":         "${node} has left",
		"NodeFailed":       "${node} is lost",
		"NodeDisqualified": "${node} is locked",
		"NodeQualified":    "${node} is unlocked",
		"OperationNew":     "${operation} of ${node} is asked for by ${by}${: reason}",
		"OperationRemoved": "${operation} of ${node} is ${result}${: error}",
		eventAgentLost:     "the agent of this node is away",
		eventAgentFound:    "the agent of this node is back",
		"Missed":           "more happened than could be followed",
	}
}
