package timeline

import (
	"fmt"
	"strings"
	"time"
)

// The measures of the picture, in pixels.
const (
	pageWidth   = 1000.0
	margin      = 16.0
	plotLeft    = 104.0
	plotRight   = pageWidth - margin
	plotWidth   = plotRight - plotLeft
	rowHeight   = 18.0
	barHeight   = 13.0
	stripHeight = 14.0
	fontSize    = 11.5
	smallSize   = 10.0
	least       = 2.0 // the width of a bar of no length
	axisTicks   = 10
	mostLines   = 60 // of failures
)

// SVG draws the chart: SVG 1.1, complete in itself, without scripts, for light and dark
// backgrounds and for print. Names are escaped. The height grows with the participants.
func (c Chart) SVG() string {
	d := &drawing{chart: c, y: margin}
	d.head()
	d.legend()
	d.axis(true)
	top := d.y
	for _, b := range c.bands {
		d.band(b)
	}
	bottom := d.y
	d.axis(false)
	d.list("Failures", "bad", c.failures)
	d.list("Not shown", "dim", c.notes)
	height := d.y + margin
	grid := &strings.Builder{}
	for _, mark := range ticks(c.total, axisTicks) {
		x := d.x(mark.at)
		fmt.Fprintf(grid, `<line class="grid" x1="%s" y1="%s" x2="%s" y2="%s"/>`+"\n", px(x), px(top), px(x), px(bottom))
	}
	title := escape(c.title)

	return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" version="1.1" width="%[1]s" height="%[2]s" viewBox="0 0 %[1]s %[2]s" role="img" font-family="%[3]s">
<title>%[4]s</title>
<desc>%[5]s</desc>
<style type="text/css"><![CDATA[
%[6]s]]></style>
%[7]s<rect class="page" width="%[1]s" height="%[2]s"/>
`, px(pageWidth), px(height), fonts, title, escape(strings.Join(c.about, "\n")), styles, patterns) +
		d.back.String() + grid.String() + d.front.String() + "</svg>\n"
}

// drawing is an SVG that grows downwards. Back is what lies below the grid.
type drawing struct {
	chart       Chart
	y           float64
	back, front strings.Builder
}

func (d *drawing) x(at time.Duration) float64 {
	if d.chart.total <= 0 {
		return plotLeft
	}

	return plotLeft + plotWidth*float64(min(max(at, 0), d.chart.total))/float64(d.chart.total)
}

// px writes a length with one decimal.
func px(length float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", length), ".0") }

// text writes one line; it is taken to fit.
func (d *drawing) text(class string, x, y, size float64, words string) {
	fmt.Fprintf(&d.front, `<text class="%s" x="%s" y="%s" font-size="%s">%s</text>`+"\n", class, px(x), px(y), px(size), escape(words))
}

func (d *drawing) head() {
	for _, line := range wrap(d.chart.title, 18, pageWidth-2*margin) {
		d.y += 18
		d.text("strong", margin, d.y, 18, line)
		d.y += 4
	}
	d.y += 2
	for _, line := range d.chart.about {
		for _, part := range wrap(line, fontSize, pageWidth-2*margin) {
			d.y += 14
			d.text("dim", margin, d.y, fontSize, part)
			d.y += 2
		}
	}
	d.y += 8
}

// legend explains the looks that occur.
func (d *drawing) legend() {
	seen := d.chart.looks()
	x := margin
	d.y += barHeight - 2
	for look := range Look(looks) {
		words := lookWords()[look]
		if !seen[look] {
			continue
		}
		room := 22 + width(words, smallSize) + 14
		if x+room > pageWidth-margin {
			x = margin
			d.y += stripHeight
		}
		d.bar(look, x, x+16, d.y-barHeight+3, "")
		d.text("dim", x+22, d.y, smallSize, words)
		x += room
	}
	d.y += 12
}

// axis writes the times; above the bands or below them.
func (d *drawing) axis(above bool) {
	d.y += stripHeight
	edge := -100.0
	for _, mark := range ticks(d.chart.total, axisTicks) {
		room := width(mark.text, smallSize)
		at := min(max(d.x(mark.at)-room/2, plotLeft-room/2), pageWidth-margin/2-room)
		if at < edge+6 {
			continue
		}
		edge = at + room
		d.text("dim", at, d.y, smallSize, mark.text)
	}
	if above {
		d.y += 4
	} else {
		d.y += 10
	}
}

func (d *drawing) list(heading, class string, lines []string) {
	if len(lines) == 0 {
		return
	}
	d.y += 16
	d.text(class+" strong", margin, d.y, fontSize, heading)
	for i, line := range lines {
		if i == mostLines {
			d.y += 16
			d.text("dim", margin, d.y, fontSize, fmt.Sprintf("and %d more", len(lines)-mostLines))

			break
		}
		for _, part := range wrap(line, fontSize, pageWidth-2*margin) {
			d.y += 16
			d.text("", margin, d.y, fontSize, part)
		}
	}
	d.y += 8
}

// band draws one node.
func (d *drawing) band(b band) {
	fmt.Fprintf(&d.back, `<line class="edge" x1="%s" y1="%s" x2="%s" y2="%s"/>`+"\n", px(margin), px(d.y), px(plotRight), px(d.y))
	d.y += 18
	name := fit(b.node, 14, 400)
	d.text("strong", margin, d.y, 14, name)
	d.text("dim", margin+width(name, 14)+10, d.y, fontSize, fit(b.path, fontSize, 400))
	d.y += 6
	for _, s := range b.runs {
		d.section(s)
	}
	d.y += 4
}

// section draws one run: its own row, the strip with the names of the levels, and the rows
// of the participants over the columns of the levels.
func (d *drawing) section(s section) {
	d.row(s.head)
	if len(s.columns) == 0 {
		return
	}
	top := d.y
	bottom := top + stripHeight + rowHeight*float64(len(s.rows)) + 2
	edge := 0.0
	for i, col := range s.columns {
		left, right := d.x(col.begin), d.x(col.end)
		right = max(right, left+1)
		fmt.Fprintf(&d.back, `<rect class="column%d" x="%s" y="%s" width="%s" height="%s"><title>%s</title></rect>`+"\n",
			i%2, px(left), px(top), px(right-left), px(bottom-top), escape(col.title))
		room := width(col.level, smallSize)
		if at := (left + right - room) / 2; right-left >= room+4 && at > edge {
			d.text("dim", at, top+11, smallSize, col.level)
			edge = at + room + 4
		}
	}
	d.y += stripHeight
	for _, r := range s.rows {
		d.row(r)
	}
	d.y += 4
}

// row draws a bar with its label and what stands at the left of it.
func (d *drawing) row(r row) {
	base := d.y + rowHeight - 5
	class := "dim"
	if r.look <= LookCanceled && !strings.HasPrefix(r.gutter, "level ") {
		class = "strong"
	}
	if r.gutter != "" {
		d.text(class, margin, base, fontSize, fit(r.gutter, fontSize, plotLeft-margin-8))
	}
	left, right := d.x(r.begin), d.x(max(r.end, r.begin))
	right = max(right, left+least)
	if right > plotRight {
		left, right = plotRight-least, plotRight
	}
	d.bar(r.look, left, right, d.y+(rowHeight-barHeight)/2, r.title)
	d.label(r, left, right, base)
	d.y += rowHeight
}

// label puts the words behind the bar, before it or into it: where they fit, and else where
// there is most room. Those of a run go into its bar first.
func (d *drawing) label(r row, left, right, base float64) {
	const space = 6.0
	words := r.label
	class := "label"
	if r.look == LookFailed || r.look == LookBroken {
		class, words = "bad", "✗ "+words
	}
	need := width(words, fontSize)
	after, before, inside := plotRight-right-space, left-plotLeft-space, right-left-2*space
	best := max(after, before, inside)
	isRun := r.look == LookRun || r.look == LookBroken
	switch {
	case isRun && inside >= need:
		d.labelInside(r.look, words, left+space, base, inside)
	case after >= need || after == best && before < need && inside < need:
		d.text(class, right+space, base, fontSize, fit(words, fontSize, after))
	case before >= need || before == best && inside < need:
		d.text(class+" end", left-space, base, fontSize, fit(words, fontSize, before))
	default:
		d.labelInside(r.look, words, left+space, base, inside)
	}
}

// labelInside writes on the bar, on a plate where the bar is hatched.
func (d *drawing) labelInside(look Look, words string, x, base, room float64) {
	words = fit(words, fontSize, room)
	class := "on"
	if look == LookIdle {
		class = "label"
	}
	if look == LookCanceled || look == LookWaiting || look == LookHeld {
		class = "label"
		fmt.Fprintf(&d.front, `<rect class="plate" x="%s" y="%s" width="%s" height="%s"/>`+"\n",
			px(x-2), px(base-10), px(width(words, fontSize)+4), px(barHeight-1))
	}
	d.text(class, x, base, fontSize, words)
}

// bar draws a bar with its tooltip.
func (d *drawing) bar(look Look, left, right, top float64, title string) {
	fmt.Fprintf(&d.front, `<rect class="%s" x="%s" y="%s" width="%s" height="%s" rx="2">`,
		lookClasses()[look], px(left), px(top), px(right-left), px(barHeight))
	if title != "" {
		fmt.Fprintf(&d.front, "<title>%s</title>", escape(title))
	}
	d.front.WriteString("</rect>\n")
}

// looks says which looks occur.
func (c Chart) looks() [looks]bool {
	var seen [looks]bool
	for _, b := range c.bands {
		for _, s := range b.runs {
			seen[s.head.look] = true
			for _, r := range s.rows {
				seen[r.look] = true
			}
		}
	}

	return seen
}
