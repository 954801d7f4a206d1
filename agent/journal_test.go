package agent

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// Goal: attributes become fields and stand in the message, the identifier only
// in its field. Method: entries through the handler.
func TestJournalEntries(t *testing.T) {
	type sent struct {
		priority int
		message  string
		fields   map[string]string
	}
	var got []sent
	handler := NewJournalHandler(slog.LevelInfo, func(priority int, message string, fields map[string]string) error {
		got = append(got, sent{priority, message, fields})

		return nil
	})
	journal{handler: handler}.tell(t.Context(), msgSequenceHeld, "level", 3, "reason", "a failed: \"x\"\nsee its log", "empty", "")
	log := slog.New(handler)
	log.DebugContext(t.Context(), "not wanted")
	log.With("peer", "n2").WithGroup("bus").WarnContext(t.Context(), "lost", "tries", 4)
	want := []sent{
		{priorityError, `sequence is held: level=3 reason="a failed: 'x'; see its log"`, map[string]string{
			"SYSLOG_IDENTIFIER": "cssc-agent", "MESSAGE_ID": msgSequenceHeld.describe().id,
			"CSSC_LEVEL": "3", "CSSC_REASON": "a failed: \"x\"\nsee its log", "CSSC_EMPTY": "",
		}},
		{priorityWarning, "lost: peer=n2 bus_tries=4", map[string]string{
			"SYSLOG_IDENTIFIER": "cssc-agent", "CSSC_PEER": "n2", "CSSC_BUS_TRIES": "4",
		}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	if handler.Enabled(context.Background(), slog.LevelDebug) {
		t.Error("debug is enabled at level info")
	}
}

// Goal: every kind of message has an identifier of its own and an entry in the
// catalogue, and what an entry refers to is really sent. Method: the table, the
// catalogue and the sources.
func TestCatalogueFitsTheMessages(t *testing.T) {
	text, err := os.ReadFile("../contrib/dist/catalog/cssc.catalog")
	if err != nil {
		t.Fatal(err)
	}
	entries := map[string]string{}
	for _, entry := range regexp.MustCompile(`(?m)^-- `).Split(string(text), -1)[1:] {
		id, rest, _ := strings.Cut(entry, "\n")
		entries[id] = rest
	}
	seen := map[string]messageKind{}
	for kind := msgUnknown + 1; kind < messageCount; kind++ {
		fixed := kind.describe()
		if len(fixed.id) != 32 || fixed.text == "" || seen[fixed.id] != 0 {
			t.Errorf("kind %d: identifier %q and text %q, want both, and the identifier once", kind, fixed.id, fixed.text)
		}
		seen[fixed.id] = kind
		if entry := entries[fixed.id]; !strings.Contains(entry, "Subject: ") || !strings.Contains(entry, "Defined-By: cssc\n") {
			t.Errorf("%q has no entry in the catalogue", fixed.text)
		}
		delete(entries, fixed.id)
	}
	for id := range entries {
		t.Errorf("catalogue entry %s is no message", id)
	}
	var sources strings.Builder
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sources.Write(source)
	}
	for _, match := range regexp.MustCompile(`@CSSC_(\w+)@`).FindAllStringSubmatch(string(text), -1) {
		if key := strings.ToLower(match[1]); !strings.Contains(sources.String(), `"`+key+`"`) {
			t.Errorf("the catalogue refers to the field %q, which nobody sends", key)
		}
	}
}
