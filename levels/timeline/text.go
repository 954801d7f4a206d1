package timeline

import (
	"slices"
	"strings"
	"time"
)

// The measures of the chart for terminals, in columns.
const (
	gutterColumns = 14
	leastBars     = 16
	mostLabel     = 48
)

// Text draws the chart in so many columns, at least 60, one line a bar: for terminals and
// wherever a picture cannot be. Paint colours a piece of a line by what it stands for; it
// must not change how wide it is. Nil leaves it alone.
func (c Chart) Text(columns int, paint func(look Look, words string) string) string {
	if paint == nil {
		paint = func(_ Look, words string) string { return words }
	}
	columns = max(columns, 60)
	label := min(c.longestLabel(), mostLabel, columns-gutterColumns-leastBars-2)
	t := &textChart{total: c.total, label: label, bars: columns - gutterColumns - label - 2, paint: paint}
	t.add(c.title)
	for _, line := range c.about {
		t.add(line)
	}
	t.axis()
	for _, b := range c.bands {
		t.add(b.node + "  " + b.path)
		for _, s := range b.runs {
			t.row(s.head)
			for _, r := range s.rows {
				t.row(r)
			}
		}
	}
	t.list("Failures:", c.failures)
	t.list("Not shown:", c.notes)

	return t.out.String()
}

type textChart struct {
	total       time.Duration
	label, bars int
	paint       func(Look, string) string
	out         strings.Builder
}

func (c Chart) longestLabel() int {
	longest := 0
	for _, b := range c.bands {
		for _, s := range b.runs {
			longest = max(longest, runes(s.head.label))
			for _, r := range s.rows {
				longest = max(longest, runes(r.label))
			}
		}
	}

	return longest
}

func (t *textChart) add(line string) { t.out.WriteString(strings.TrimRight(line, " ") + "\n") }

func (t *textChart) list(heading string, lines []string) {
	if len(lines) == 0 {
		return
	}
	t.add("")
	t.add(heading)
	for _, line := range lines {
		t.add("  " + line)
	}
}

// axis writes the times above the bars, each beginning where its mark is.
func (t *textChart) axis() {
	line := []rune(strings.Repeat(" ", gutterColumns+t.label+2+t.bars))
	free := 0
	for _, mark := range ticks(t.total, max(1, t.bars/10)) {
		at := gutterColumns + t.label + 2 + t.eighths(mark.at)/8
		words := []rune("╷" + mark.text)
		if at < free || at+len(words) > len(line)+1 {
			continue
		}
		line = append(line[:at], append(words, line[min(len(line), at+len(words)):]...)...)
		free = at + len(words) + 1
	}
	t.add(string(line))
}

func (t *textChart) row(r row) {
	label := r.label
	if r.look == LookFailed || r.look == LookBroken {
		label = "✗ " + label
	}
	gutter := "  " + r.gutter
	if strings.HasPrefix(r.gutter, "level ") {
		gutter = "   " + r.gutter
	}
	t.add(pad(gutter, gutterColumns) + t.paint(r.look, pad(label, t.label)) + "  " + t.bar(r))
}

// bar begins at the column of its beginning and ends at the eighth of a column of its end.
func (t *textChart) bar(r row) string {
	first := min(t.eighths(r.begin)/8, t.bars-1)
	length := min(max(t.eighths(r.end)-8*first, 1), 8*(t.bars-first))
	body, parts := fillOf(r.look)
	bar := strings.Repeat(body, length/8)
	if rest := length % 8; rest > 0 {
		bar += parts[rest-1]
	}

	return strings.Repeat(" ", first) + t.paint(r.look, bar)
}

// fillOf is what a bar is made of, and its end by eighths.
func fillOf(look Look) (body string, parts [7]string) {
	whole := func(body string) (string, [7]string) {
		return body, [7]string{body, body, body, body, body, body, body}
	}
	switch look {
	case LookRun, LookBroken:
		return whole("━")
	case LookCanceled:
		return whole("╌")
	case LookIdle:
		return whole("▪")
	case LookWaiting:
		return whole("░")
	case LookHeld:
		return whole("▒")
	case LookCallback, LookStart, LookStop, LookFailed:
	}

	return "█", [7]string{"▏", "▎", "▍", "▌", "▋", "▊", "▉"}
}

func (t *textChart) eighths(at time.Duration) int {
	if t.total <= 0 {
		return 0
	}

	return int(float64(8*t.bars) * float64(min(max(at, 0), t.total)) / float64(t.total))
}

func runes(text string) int { return len([]rune(text)) }

// pad makes the text so many columns wide, cutting it or filling it up.
func pad(text string, columns int) string {
	letters := []rune(text)
	if len(letters) > columns {
		return string(slices.Concat(letters[:columns-1], []rune("…")))
	}

	return text + strings.Repeat(" ", columns-len(letters))
}
