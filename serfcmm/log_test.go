package serfcmm

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Goal: Serf's warnings reach the log, its chatter does not, and a flood is counted instead
// of logged. Method: lines as Serf writes them, 1000 of them at once, and one much later.
func TestSerfsLinesAreTamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		var strangers []string
		l := &serfLog{
			to:            slog.New(slog.NewTextHandler(&out, nil)),
			undecryptable: func(from string) { strangers = append(strangers, from) },
		}
		log := l.logger()
		log.Print("[DEBUG] memberlist: Stream connection from=192.0.2.2:1")
		log.Print("[WARN] memberlist: Refuting a suspect message (from: n2)")
		if out.Len() > 0 {
			t.Errorf("chatter is logged: %s", out.String())
		}
		log.Print("[ERR] memberlist: Decrypt packet failed: no installed keys could decrypt the message from=192.0.2.9:7946")
		log.Print("[ERR] memberlist: failed to receive: No installed keys could decrypt the message from=192.0.2.8:4321")
		if got := strings.Join(strangers, " "); got != "192.0.2.9:7946 192.0.2.8:4321" {
			t.Errorf("strangers: %q", got)
		}
		for range 1000 {
			log.Print("[ERR] serf: something odd")
		}
		if got := strings.Count(out.String(), "something odd"); got != linesPerPeriod {
			t.Errorf("%d lines of a flood are logged, want %d", got, linesPerPeriod)
		}
		time.Sleep(time.Minute)
		log.Print("a line without a level")
		if !strings.Contains(out.String(), "count=990") || !strings.Contains(out.String(), "without a level") {
			t.Errorf("after the flood: %s", out.String()[out.Len()/2:])
		}
	})
}
