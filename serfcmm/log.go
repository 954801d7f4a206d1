package serfcmm

import (
	"context"
	"log"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	// This many of Serf's warnings reach the log per period, the rest is counted: a
	// stranger who sends rubbish must not fill the journal.
	linesPerPeriod = 10
	logPeriod      = 10 * time.Second
	longestLine    = 512
)

// serfLog takes the lines that Serf and memberlist log. They come without levels but for a
// word in brackets, and some say what an operator must know and no interface tells.
type serfLog struct {
	to *slog.Logger
	// undecryptable is called with the address of a packet or stream under a strange key.
	undecryptable func(from string)

	mutex   sync.Mutex
	begin   time.Time
	lines   int
	skipped int
}

// logger is what Serf and memberlist are given.
func (l *serfLog) logger() *log.Logger { return log.New(l, "", 0) }

// Write takes one line.
func (l *serfLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	level, text := serfLevel(text)
	if from, found := strangeKey(text); found {
		l.undecryptable(from)
		level = slog.LevelDebug
	}
	if level == slog.LevelDebug {
		if l.to.Enabled(context.Background(), slog.LevelDebug) {
			l.to.Debug("serf", "says", text)
		}

		return len(line), nil
	}
	pass, skipped := l.admit(time.Now())
	if skipped > 0 {
		l.to.Warn("serf lines were left out", "count", skipped)
	}
	if pass {
		l.to.Warn("serf", "says", text[:min(len(text), longestLine)])
	}

	return len(line), nil
}

func (l *serfLog) admit(now time.Time) (pass bool, skipped int) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if now.Sub(l.begin) > logPeriod {
		skipped = l.skipped
		l.begin, l.lines, l.skipped = now, 0, 0
	}
	if l.lines == linesPerPeriod {
		l.skipped++

		return false, skipped
	}
	l.lines++

	return true, skipped
}

// serfLevel takes the word in brackets away. What Serf does on its own and needs nobody is
// debugging, whatever it calls itself.
func serfLevel(text string) (slog.Level, string) {
	word, rest, found := strings.Cut(strings.TrimPrefix(text, "["), "] ")
	if !found || !strings.HasPrefix(text, "[") {
		return slog.LevelWarn, text
	}
	usual := []string{"Refuting", "Shutdown without a Leave", "ignoring alive message", "Got ping for unexpected node", "Was able to connect"}
	for _, begin := range usual {
		if strings.Contains(rest, begin) {
			return slog.LevelDebug, rest
		}
	}
	if word == "WARN" || strings.HasPrefix(word, "ERR") {
		return slog.LevelWarn, rest
	}

	return slog.LevelDebug, rest
}

// strangeKey finds the sender in memberlist's complaint about something that no key of ours
// opens, or that is not encrypted where it has to be.
func strangeKey(text string) (from string, found bool) {
	complaints := []string{
		"Decrypt packet failed", "o installed keys could decrypt",
		"remote state is not encrypted", "remote state is encrypted and encryption is not configured",
	}
	for _, complaint := range complaints {
		if strings.Contains(text, complaint) {
			_, from, _ = strings.Cut(text, "from=")
			from, _, _ = strings.Cut(from, " ")

			return from, true
		}
	}

	return "", false
}
