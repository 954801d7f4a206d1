package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
)

// repeat is how a line of the tables is measured again.
const repeat = "go run ./integration/cmd/bench "

// quantile returns the value that the percentage of all does not exceed (nearest rank).
func quantile(values []time.Duration, percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	if len(sorted) == 0 {
		return 0
	}

	return sorted[max(0, (len(sorted)*percent+99)/100-1)]
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.4g", float64(d)/float64(time.Millisecond))
}

// handoverGoal is how long a cluster may be without a master when one hands over.
const handoverGoal = 5 * time.Millisecond

// verdict says which goals were missed.
func (s takeovers) verdict() string {
	var missed []string
	taken := s.taken()
	if s.fault == "handover" && s.goal > 0 && quantile(s.vacancies(), 50) > handoverGoal {
		missed = append(missed, "vacant")
	}
	if s.fault != "handover" && s.goal > 0 {
		if quantile(taken, 50) > s.goal {
			missed = append(missed, "median")
		}
		if 2*quantile(taken, 99) > 3*quantile(taken, 50) {
			missed = append(missed, "p99")
		}
	}
	if overlap, clashes := s.overlap(); overlap > 0 || clashes > 0 {
		missed = append(missed, "overlap")
	}
	if none := len(s.trials) - len(taken); none > 0 {
		missed = append(missed, fmt.Sprintf("%d without a master", none))
	}
	switch {
	case len(missed) > 0:
		return "MISSED: " + strings.Join(missed, ", ")
	case s.goal == 0:
		return ""
	default:
		return "met"
	}
}

func (s takeovers) taken() (all []time.Duration) {
	for _, one := range s.trials {
		if one.taken > 0 {
			all = append(all, one.taken)
		}
	}

	return all
}

func (s takeovers) vacancies() (all []time.Duration) {
	for _, one := range s.trials {
		if one.vacant > 0 {
			all = append(all, one.vacant)
		}
	}

	return all
}

func (s takeovers) vacantText() string {
	all := s.vacancies()
	if len(all) == 0 {
		return ""
	}

	return milliseconds(quantile(all, 50)) + "/" + milliseconds(quantile(all, 100))
}

func (s takeovers) gaps() (all []time.Duration) {
	for _, one := range s.trials {
		if one.taken > 0 {
			all = append(all, one.gap)
		}
	}

	return all
}

func (s takeovers) overlap() (longest time.Duration, clashes int) {
	for _, one := range s.trials {
		longest = max(longest, one.overlap)
		clashes += one.clashes
	}

	return longest, clashes
}

// goalText says what the line is compared with.
func (s takeovers) goalText() string {
	switch {
	case s.goal == 0:
		return ""
	case s.fault == "handover":
		return fmt.Sprintf("vacant <= %s", milliseconds(handoverGoal))
	default:
		return "median <= " + milliseconds(s.goal)
	}
}

func (s takeovers) command() string {
	which := "--only together"
	if s.fault != firstStart && s.fault != startAgain {
		which = "--only takeover --fault " + s.fault
	}

	return fmt.Sprintf("%s%s --system %s --nodes %d --trials %d", repeat, which, s.system, s.size, len(s.trials))
}

// printTakeovers prints the table, the same faults of all systems beside each other, and how
// each line is repeated.
func printTakeovers(to io.Writer, title string, all []takeovers) {
	if len(all) == 0 {
		return
	}
	order := map[string]int{}
	for i, f := range faults() {
		order[f.name] = i
	}
	slices.SortStableFunc(all, func(a, b takeovers) int {
		if a.fault != b.fault {
			return order[a.fault] - order[b.fault]
		}

		return a.size - b.size
	})
	writer := table.NewWriter()
	writer.SetTitle(title)
	writer.AppendHeader(table.Row{"fault", "nodes", "system", "trials", "median", "p90", "p99", "max", "gap", "vacant", "overlap", "clashes", "busy", "goal", ""})
	var commands []string
	for _, s := range all {
		taken := s.taken()
		overlap, clashes := s.overlap()
		writer.AppendRow(table.Row{
			s.fault, s.size, s.system, len(s.trials),
			milliseconds(quantile(taken, 50)), milliseconds(quantile(taken, 90)), milliseconds(quantile(taken, 99)), milliseconds(quantile(taken, 100)),
			milliseconds(quantile(s.gaps(), 50)), s.vacantText(), milliseconds(overlap), clashes, fmt.Sprintf("%.0f %%", s.busy), s.goalText(), s.verdict(),
		})
		if s.reference > 0 {
			writer.AppendRow(table.Row{"", "", "systemd alone: stop, start", "", "", "", "", "", milliseconds(s.reference)})
		}
		commands = append(commands, s.command())
	}
	_, _ = fmt.Fprintln(to, writer.Render())
	_, _ = fmt.Fprintln(to, "gap: median of the time in which no recorder ran. vacant: median/longest time without a master, as the agents tell.\n"+
		"overlap: the longest time in which two recorders ran (they write every 10 ms). clashes: starts at which the kernel\n"+
		"says that the old one still existed. busy: share of all processors at work meanwhile, our own work included.\n"+
		"p99 should be <= 1.5 x the median. To repeat a line:")
	for _, command := range commands {
		_, _ = fmt.Fprintln(to, "  "+command)
	}
}
