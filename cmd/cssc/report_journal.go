package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/cssc-ha/cssc/cmd/cssc/bundle"
	"github.com/cssc-ha/cssc/units"
)

// journalLines bounds what journalctl prints, from the end: the newest are wanted.
const journalLines = 100_000

// journalParts are the journals of cssc's own units together, and of each unit that was asked for.
func journalParts(options reportOptions, now time.Time) []bundle.Part {
	parts := []bundle.Part{journalPart("journal/cssc.txt", options, now, agentUnit, guardUnit, leaveUnit, markerUnit)}
	for _, name := range options.units {
		if unit, err := units.UnitName(name); err == nil {
			name = unit
		}
		parts = append(parts, journalPart("journal/"+strings.ReplaceAll(name, "/", "_")+".txt", options, now, name))
	}

	return parts
}

// journalPart is the journal of some units. Journal files are read by journalctl alone: their
// format is systemd's own affair, and its library needs a C compiler (contrib/decisions/0021). The
// program and its options are fixed here; a name of a unit is one argument and begins no option.
func journalPart(name string, options reportOptions, now time.Time, names ...string) bundle.Part {
	args := []string{"--no-pager", "--quiet", "--output=short-iso-precise", "--lines=" + strconv.Itoa(journalLines)}
	if options.since > 0 {
		args = append(args, fmt.Sprintf("--since=@%d", now.Add(-options.since).Unix()))
	}
	for _, unit := range names {
		args = append(args, "--unit="+unit)
	}

	return bundle.Part{
		Name: name, Source: "journalctl " + strings.Join(args, " "), Limit: limitPart, Newest: true,
		Collect: func(ctx context.Context) ([]byte, error) {
			command := exec.CommandContext(ctx, "journalctl", args...)
			command.WaitDelay = time.Second
			out, complaints := &tail{most: reportPart + 1}, &tail{most: 1 << 10}
			command.Stdout, command.Stderr = out, complaints
			err := command.Run()
			if text := strings.TrimSpace(string(complaints.data)); err != nil && text != "" {
				err = fmt.Errorf("%w: %s", err, text)
			}
			if errors.Is(err, exec.ErrNotFound) {
				err = errors.New("there is no journalctl here")
			}

			return out.data, err
		},
	}
}

// tail keeps the end of what is written.
type tail struct {
	most int
	data []byte
}

// Write never fails.
func (t *tail) Write(text []byte) (int, error) {
	t.data = append(t.data, text...)
	if len(t.data) > 2*t.most {
		t.data = bytes.Clone(t.data[len(t.data)-t.most:])
	}

	return len(text), nil
}
