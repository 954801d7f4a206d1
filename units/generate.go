package units

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cssc-ha/cssc/levels"
)

const (
	sourcePath = "/etc/cssc/cssc.toml"
	dropInName = "50-cssc-levels.conf"
	// A limit: maxBefore bounds the members of later levels named in one target; the nearest
	// non-empty level is always named in full.
	maxBefore = 512
)

// Generated is what the generator writes: file names below its folder, with their
// text, and what is wrong with the units that are installed.
type Generated struct {
	Files    map[string]string
	Findings []Finding
}

// Generate renders every target of the ladders. It is a function of its arguments.
//
// Each target starts after the one below it, and before the members of all levels above
// it, so that systemd alone takes everything down in reverse: above all and not only the
// next one, because the target of an empty level is never active and would break the
// chain. A line that would make systemd's order impossible (a member of level 2 that
// waits for one of level 5) is left out and told in Findings.
func Generate(ladders Ladders, installed *Installed) Generated {
	weaving := newWeaving(ladders, installed)
	out := Generated{Files: map[string]string{}, Findings: weaving.findings()}
	for _, r := range weaving.rungs {
		out.Files[TargetUnit(r.target)] = weaving.render(r)
	}
	out.Files[agentUnit+".d/"+dropInName] = weaving.renderAgent()
	out.Files[leaveUnit+".d/"+dropInName] = weaving.renderLeave()

	return out
}

// weaving is the order of all targets and members.
type weaving struct {
	rungs     []rung
	installed *Installed
	// after and before are the lines of each target that are kept.
	after, before map[string][]string
	left          []dropped
	// knot is a cycle that is there without any line of ours.
	knot []string
}

func newWeaving(ladders Ladders, installed *Installed) *weaving {
	w := &weaving{rungs: ladders.rungs(), installed: installed, after: map[string][]string{}, before: map[string][]string{}}
	g := graph{}
	for _, name := range sortedUnits(installed.Before) {
		g[name] = slices.Clone(installed.Before[name])
	}
	for _, r := range w.rungs {
		unit := TargetUnit(r.target)
		g.add(edge{agentUnit, unit})
		for _, member := range installed.Wanted[unit] {
			g.add(edge{member, unit}) // by default dependencies
		}
	}
	w.knot = g.cycle()
	candidates := w.candidates()
	w.left = g.weave(candidates)
	gone := map[edge]bool{}
	for _, d := range w.left {
		gone[d.edge] = true
	}
	for _, e := range candidates {
		if gone[e] {
			continue
		}
		if _, chain := ParseTargetUnit(e.later); chain {
			w.after[e.later] = append(w.after[e.later], e.earlier)
		} else {
			w.before[e.earlier] = append(w.before[e.earlier], e.later)
		}
	}

	return w
}

// candidates are the lines wanted: the chain of targets first, which is worth more.
func (w *weaving) candidates() []edge {
	var chain, members []edge
	wants := map[string]map[string]bool{} // target → its members and those of what is below
	for _, r := range w.rungs {
		unit := TargetUnit(r.target)
		below := map[string]bool{}
		for _, earlier := range r.after {
			chain = append(chain, edge{TargetUnit(earlier), unit})
			for member := range wants[TargetUnit(earlier)] {
				below[member] = true
			}
		}
		for _, member := range w.installed.Wanted[unit] {
			below[member] = true
		}
		wants[unit] = below
		members = append(members, w.later(r, unit, below)...)
	}

	return append(chain, members...)
}

// later are the edges to the members of the levels above. A unit that is wanted at
// this level or below too belongs there.
func (w *weaving) later(r rung, unit string, below map[string]bool) []edge {
	var out []edge
	for _, later := range r.later {
		if len(out) >= maxBefore {
			break
		}
		for _, member := range w.installed.Wanted[TargetUnit(later)] {
			_, own := ParseTargetUnit(member)
			if e := (edge{unit, member}); !own && !below[member] && !slices.Contains(out, e) {
				out = append(out, e)
			}
		}
	}

	return out
}

func (w *weaving) render(r rung) string {
	unit := TargetUnit(r.target)
	var text strings.Builder
	text.WriteString("# Made by cssc-generator from " + sourcePath + " and the units that are installed.\n")
	for _, d := range w.left {
		if d.earlier == unit {
			fmt.Fprintf(&text, "# WARNING: Before=%s is left out, it would close the cycle %s\n", d.later, d.text())
		} else if d.later == unit {
			fmt.Fprintf(&text, "# WARNING: After=%s is left out, it would close the cycle %s\n", d.earlier, d.text())
		}
	}
	fmt.Fprintf(&text, "[Unit]\nDescription=%s\nDocumentation=man:cssc-units(7) man:cssc-agent(8)\nSourcePath=%s\n", r.description, sourcePath)
	if r.target.Momentary() {
		text.WriteString("StopWhenUnneeded=yes\n")
	}
	writeNames(&text, "After", w.after[unit])
	writeNames(&text, "Before", w.before[unit])

	return text.String()
}

// renderAgent orders the agent before every target. The reference also keeps the
// targets loaded as long as the agent's unit is, which changes nothing else: when a
// momentary target was last up tells a restarted agent what it had already started.
func (w *weaving) renderAgent() string {
	var text strings.Builder
	text.WriteString("# Made by cssc-generator: order, and a reference that keeps the targets loaded.\n[Unit]\n")
	writeNames(&text, "Before", w.targets())

	return text.String()
}

// renderLeave lets the last words at shutdown come before any member stops.
func (w *weaving) renderLeave() string {
	members := map[string]struct{}{}
	for _, names := range w.installed.Wanted {
		for _, name := range names {
			if _, own := ParseTargetUnit(name); !own && name != leaveUnit {
				members[name] = struct{}{}
			}
		}
	}
	var text strings.Builder
	text.WriteString("# Made by cssc-generator: at shutdown this unit stops before all targets and members.\n[Unit]\n")
	writeNames(&text, "After", w.targets())
	writeNames(&text, "After", sortedUnits(members))

	return text.String()
}

func (w *weaving) targets() []string {
	names := make([]string, len(w.rungs))
	for i, r := range w.rungs {
		names[i] = TargetUnit(r.target)
	}

	return names
}

// writeNames writes a few names a line, so that no line grows without bound.
func writeNames(text *strings.Builder, key string, names []string) {
	for chunk := range slices.Chunk(names, 8) {
		text.WriteString(key + "=" + strings.Join(chunk, " ") + "\n")
	}
}

// findings tells what is wrong with the order, and links to levels that do not exist.
func (w *weaving) findings() []Finding {
	var out []Finding
	if w.knot != nil {
		out = append(out, Finding{Kind: FindingCycle, Unit: w.knot[0], Text: "these units wait for each other without any doing of cssc: " + strings.Join(w.knot, " → ")})
	}
	told := map[string]bool{}
	for _, d := range w.left {
		if told[d.later] {
			continue
		}
		told[d.later] = true
		out = append(out, Finding{
			Kind: FindingCycle, Unit: d.later,
			Text: "the order of the levels and the units' own After=/Before= contradict: " + d.text() +
				"; at shutdown systemd will not keep to the levels here. Move the unit to another level or remove its After=",
		})
	}
	known := map[string]bool{}
	for _, name := range w.targets() {
		known[name] = true
	}
	for _, target := range sortedUnits(w.installed.Wanted) {
		if !known[target] {
			parsed, _ := ParseTargetUnit(target)
			out = append(out, Finding{
				Kind: FindingLevel, Unit: strings.Join(w.installed.Wanted[target], " "),
				Text: fmt.Sprintf("wanted by %s, but there is no level %s: it will never start; see %s", target, describeTarget(parsed), sourcePath),
			})
		}
	}
	for _, name := range w.installed.Missing {
		out = append(out, Finding{Kind: FindingMissing, Unit: name, Text: "a level wants it, but it has no unit file: install it, or disable it"})
	}

	return out
}

func describeTarget(target levels.Target) string { return target.Group + ":" + target.Level.String() }
