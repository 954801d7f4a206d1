package main

import (
	"fmt"
	"strings"
)

const (
	// The units: benchLevels × benchWidth, on levels 0…benchLevels-1; the other levels are empty.
	benchLevels = 10
	benchWidth  = 10
	// All of init: allLevels counts the levels of init: 0…98, then last.
	allLevels = 100
)

// benchConfig has a hundred init levels, of which a benchmark fills as many as it needs.
const benchConfig = `[sequence.init]
levels = 98
timeout = "60s"
`

// benchPolicy lets the references speak to each other on the system bus.
const benchPolicy = `<busconfig><policy user="root"><allow send_interface="org.cssc.Bench"/></policy></busconfig>
`

// benchUnits are the files of the node: one set of oneshots twice, for the agent
// ("ours", not enabled: the program enables them for its trial) and for systemd alone.
func benchUnits() map[string]string {
	const folder = "/etc/systemd/system/"
	files := map[string]string{}
	for level := range benchLevels {
		var names []string
		for i := range benchWidth {
			name := fmt.Sprintf("alone-%d-%d.service", level, i)
			names = append(names, name)
			files[folder+name] = oneshot(fmt.Sprintf("alone-%d.target", level))
			files[folder+oursUnit(level, i)] = oneshot(fmt.Sprintf("cssc-init-%d.target", level))
		}
		files[folder+fmt.Sprintf("alone-%d.target", level)] = aloneTarget(level, names)
	}

	return files
}

func oursUnit(level, i int) string { return fmt.Sprintf("ours-%d-%d.service", level, i) }

func allOurs() (all []string) {
	for level := range benchLevels {
		for i := range benchWidth {
			all = append(all, oursUnit(level, i))
		}
	}

	return all
}

func oneshot(target string) string {
	// A trial follows the other faster than systemd's start limit allows.
	return "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\nExecStop=/bin/true\n[Install]\nWantedBy=" + target + "\n"
}

// aloneTarget is one step of the chain that systemd runs by itself: it wants its own
// members and keeps those of the next step waiting.
func aloneTarget(level int, members []string) string {
	text := "[Unit]\nWants=" + strings.Join(members, " ") + "\n"
	if level > 0 {
		below := fmt.Sprintf("alone-%d.target", level-1)
		text += "Requires=" + below + "\nAfter=" + below + "\n"
	}
	if level+1 < benchLevels {
		var next []string
		for i := range benchWidth {
			next = append(next, fmt.Sprintf("alone-%d-%d.service", level+1, i))
		}
		text += "Before=" + strings.Join(next, " ") + "\n"
	}

	return text
}
