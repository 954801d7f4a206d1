package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/cssc-ha/cssc/levels"
)

// paint colours text, or leaves it alone when off.
type paint struct{ on bool }

func (a *app) paint() paint      { return paint{on: a.terminalOut && a.colourWanted()} }
func (a *app) errorPaint() paint { return a.paint() }

func (a *app) colourWanted() bool {
	return a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
}

func (p paint) with(code, words string) string {
	if !p.on || words == "" {
		return words
	}

	return "\x1b[" + code + "m" + words + "\x1b[0m"
}

func (p paint) good(words string) string   { return p.with("32", words) }
func (p paint) bad(words string) string    { return p.with("1;31", words) }
func (p paint) warn(words string) string   { return p.with("33", words) }
func (p paint) dim(words string) string    { return p.with("2", words) }
func (p paint) strong(words string) string { return p.with("1", words) }

// printf writes to standard output. What it is given must be printable already.
func (a *app) printf(format string, args ...any) { _, _ = fmt.Fprintf(a.out, format, args...) }

// complainf writes to standard error.
func (a *app) complainf(format string, args ...any) { _, _ = fmt.Fprintf(a.err, format, args...) }

// printJSON writes one document, indented.
func (a *app) printJSON(document any) error {
	whole, err := indented(document)
	if err != nil {
		return err
	}

	return a.write(whole)
}

// write writes a whole document to standard output.
func (a *app) write(document string) error {
	_, err := io.WriteString(a.out, document)

	return err
}

// indented is a document as printJSON writes it.
func indented(document any) (string, error) {
	var whole strings.Builder
	encoder := json.NewEncoder(&whole)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(document)

	return whole.String(), err
}

// printJSONLine writes one document on one line, for streams.
func (a *app) printJSONLine(document any) error { return json.NewEncoder(a.out).Encode(document) }

// grid is a table: a header and rows of cells, which may be coloured.
type grid struct {
	header []string
	rows   [][]string
}

func (g *grid) add(cells ...string) { g.rows = append(g.rows, cells) }

// print writes the table with aligned columns on a terminal, and otherwise one
// line a row with a tabulator between the cells, "-" standing for an empty one.
func (a *app) print(g *grid, nothing string) {
	switch {
	case len(g.rows) == 0 && a.terminalOut:
		a.printf("%s\n", a.paint().dim(nothing))
	case a.terminalOut:
		a.printf("%s\n", g.render(a.paint(), "", a.width()))
	default:
		a.printf("%s\n", strings.Join(g.header, "\t"))
		for _, row := range g.rows {
			a.printf("%s\n", strings.Join(plainCells(row), "\t"))
		}
	}
}

func plainCells(row []string) []string {
	cells := make([]string, len(row))
	for i, cell := range row {
		cells[i] = dash(cell)
	}

	return cells
}

// render draws the table for a terminal of that width; 0 = do not cut.
func (g *grid) render(p paint, indent string, width int) string {
	writer := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft = ""
	style.Box.PaddingRight = "  "
	style.Format.Header = text.FormatDefault
	writer.SetStyle(style)
	header := make(table.Row, len(g.header))
	for i, name := range g.header {
		header[i] = p.dim(name)
	}
	writer.AppendHeader(header)
	for _, cells := range g.rows {
		row := make(table.Row, len(cells))
		for i, cell := range cells {
			row[i] = cell
		}
		writer.AppendRow(row)
	}
	lines := strings.Split(writer.Render(), "\n")
	for i, line := range lines {
		line = indent + strings.TrimRight(line, " ")
		if width > 0 {
			line = text.Trim(line, width)
		}
		lines[i] = line
	}

	return strings.Join(lines, "\n")
}

// wrapped breaks words into lines of at most width columns, all but the first behind the
// indent, which the first is taken to stand behind already; width 0 = do not break.
func wrapped(words string, indent, width int) string {
	if width <= indent {
		return words
	}
	var out strings.Builder
	column := indent
	for i, word := range strings.Fields(words) {
		length := len([]rune(word))
		switch {
		case i == 0:
		case column+1+length > width:
			out.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			out.WriteString(" ")
			column++
		}
		out.WriteString(word)
		column += length
	}

	return out.String()
}

// dash stands for nothing in a line of cells.
func dash(cell string) string {
	if cell == "" {
		return "-"
	}

	return cell
}

// span writes a duration the way people say it: 40ms, 1.4s, 12s, 3m 5s, 2h 10m, 3d 4h.
func span(d time.Duration) string {
	switch {
	case d <= 0:
		return "0s"
	case d < time.Second:
		return fmt.Sprintf("%dms", max(d.Milliseconds(), 1))
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm %ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh %dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd %dh", int(d.Hours())/24, int(d.Hours())%24)
	}
}

func usec(count uint64) time.Duration { return time.Duration(min(count, 1<<50)) * time.Microsecond }

// since is the time from then to now, in words; empty when then never was.
func (a *app) since(then levels.Instant) string {
	if then == 0 {
		return ""
	}

	return span(a.boot().Sub(then))
}

// calendar turns an instant of this boot into a time of day.
func (a *app) calendar(then levels.Instant) time.Time {
	return a.now().Add(-a.boot().Sub(then)).Truncate(time.Millisecond)
}

func yesNo(value bool) string {
	if value {
		return "yes"
	}

	return "no"
}
