package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
)

// figure is one measured line. Value and Reference are medians in Unit; a figure
// without a reference has Reference 0 and its goal is on Value itself.
type figure struct {
	Name      string  `json:"name"`
	Value     float64 `json:"value"`
	Reference float64 `json:"reference,omitempty"`
	// Against says what the reference is.
	Against string  `json:"against,omitempty"`
	Unit    string  `json:"unit"`
	Goal    float64 `json:"goal"`
	// Absolute: the goal is on Value although there is a reference.
	Absolute bool `json:"absolute,omitempty"`
	// Share: the goal is on what Value is more than Reference.
	Share  bool `json:"share,omitempty"`
	Trials int  `json:"trials"`
}

// judged is what the goal is about: the ratio, or the value when there is no reference.
func (f figure) judged() float64 {
	if f.Share {
		return f.Value - f.Reference
	}
	if f.Reference == 0 || f.Absolute {
		return f.Value
	}

	return f.Value / f.Reference
}

func printTable(to io.Writer, suite string, figures []figure) {
	writer := table.NewWriter()
	writer.SetTitle("cssc benchmarks on " + suite)
	writer.AppendHeader(table.Row{"what", "median", "reference", "ratio", "goal", "", "trials"})
	for _, one := range figures {
		reference, ratio := "", ""
		if one.Reference != 0 {
			reference = fmt.Sprintf("%.3g %s (%s)", one.Reference, one.Unit, one.Against)
			ratio = fmt.Sprintf("%.2f", one.Value/one.Reference)
			if one.Share {
				ratio = fmt.Sprintf("+ %.3g %s", one.Value-one.Reference, one.Unit)
			}
		}
		verdict := "met"
		if one.judged() > one.Goal {
			verdict = "MISSED"
		}
		writer.AppendRow(table.Row{
			one.Name, fmt.Sprintf("%.3g %s", one.Value, one.Unit), reference, ratio,
			"<= " + strconv.FormatFloat(one.Goal, 'g', 3, 64), verdict, one.Trials,
		})
	}
	_, _ = fmt.Fprintln(to, writer.Render())
}

// median returns the middle of the values in milliseconds; of an even number the lower one.
func median(values []time.Duration) float64 {
	sorted := slices.Sorted(slices.Values(values))

	return float64(sorted[(len(sorted)-1)/2]) / float64(time.Millisecond)
}

// turns runs measured and reference by turns and returns the medians of both.
func turns(trials int, measured, reference func() (time.Duration, error)) (value, against float64, err error) {
	var ours, theirs []time.Duration
	for range trials {
		one, err := measured()
		if err != nil {
			return 0, 0, err
		}
		other, err := reference()
		if err != nil {
			return 0, 0, err
		}
		ours, theirs = append(ours, one), append(theirs, other)
	}

	return median(ours), median(theirs), nil
}
