package history

import (
	"fmt"
	"time"
)

// Change is what a fault has done to the mastership.
type Change struct {
	// Fault is the text of its mark.
	Fault string
	// Healed says whether the fault ended before the next one.
	Healed bool
	// From and To are the nodes that led before the fault and at the end; equal when nobody
	// else took over, To empty when nobody led any more.
	From, To string
	// Starts counts the masterships that began under the fault.
	Starts int
	// Ended is from the fault to the last record of who led before, TakeOver from the fault
	// to the first start of the next one, Gap from one to the other. 0 when nothing changed.
	Ended, TakeOver, Gap time.Duration
}

// String is one line of figures.
func (c Change) String() string {
	if c.Starts == 0 {
		return fmt.Sprintf("%-44s %s stays", c.Fault, c.From)
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

	return fmt.Sprintf("%-44s %s to %s, old ended after %.1f ms, new started after %.1f ms, gap %.1f ms, %d starts",
		c.Fault, c.From, c.To, ms(c.Ended), ms(c.TakeOver), ms(c.Gap), c.Starts)
}

// Changes measures every fault from its mark to the next one's.
func Changes(records []Record) []Change {
	var changes []Change
	var marks []span
	for _, r := range records {
		switch r.Word {
		case Mark:
			if len(marks) > 0 {
				marks[len(marks)-1].to = r.At
			}
			marks = append(marks, span{r.At, 1 << 62})
			changes = append(changes, Change{Fault: r.Text})
		case Heal:
			if len(changes) > 0 {
				changes[len(changes)-1].Healed = true
			}
		}
	}
	lives := Lives(records)
	for i, change := range changes {
		changes[i] = change.measured(lives, marks[i])
	}

	return changes
}

// measured is the change with what the lives say about the time of the mark.
func (c Change) measured(lives []Life, mark span) Change {
	var old Life
	for _, life := range lives {
		switch {
		case life.Duty != Lead || life.Start >= mark.to:
		case life.Start < mark.from:
			old, c.From, c.To = life, life.Node, life.Node
		default:
			if c.Starts == 0 {
				c.TakeOver = life.Start - mark.from
				c.Ended = max(old.Last-mark.from, 0)
				c.Gap = life.Start - max(old.Last, 0)
			}
			c.Starts++
			c.To = life.Node
		}
	}

	return c
}
