package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	sd "github.com/coreos/go-systemd/v22/journal"
)

// queueSize is what a journal that takes nothing may cost.
const queueSize = 64

// journal writes messages on a goroutine of its own, so that a journal that takes nothing
// holds up nobody; what finds no room is lost.
type journal struct {
	entries chan entry // never closed; capacity queueSize
	send    func(e entry)
}

type entry struct {
	kind   messageKind
	fields []field
}

func newJournal() *journal {
	j := &journal{entries: make(chan entry, queueSize), send: toStderr}
	if stream, err := sd.StderrIsJournalStream(); err == nil && stream && sd.Enabled() {
		j.send = toJournal
	}

	return j
}

func (j *journal) put(kind messageKind, fields []field) {
	select {
	case j.entries <- entry{kind, fields}:
	default:
	}
}

// run writes until ctx ends, and then what is left.
func (j *journal) run(ctx context.Context) {
	for {
		select {
		case next := <-j.entries:
			j.send(next)
		case <-ctx.Done():
			for len(j.entries) > 0 {
				j.send(<-j.entries)
			}

			return
		}
	}
}

// text is the message for a person.
func (e entry) text() string {
	var out strings.Builder
	out.WriteString(e.kind.describe().text)
	separator := ": "
	for _, f := range e.fields {
		value := f.value
		if value == "" {
			continue
		}
		if strings.ContainsAny(value, " =\"\n") {
			value = fmt.Sprintf("%q", value)
		}
		out.WriteString(separator + f.key + "=" + value)
		separator = " "
	}

	return out.String()
}

func toJournal(e entry) {
	fixed := e.kind.describe()
	values := map[string]string{"SYSLOG_IDENTIFIER": "cssc-guard", "MESSAGE_ID": fixed.id}
	for _, f := range e.fields {
		values["CSSC_"+strings.ToUpper(f.key)] = f.value
	}
	_ = sd.Send(e.text(), sd.Priority(fixed.priority), values) // there is nobody left to tell
}

func toStderr(e entry) { fmt.Fprintf(os.Stderr, "<%d>%s\n", e.kind.describe().priority, e.text()) }
