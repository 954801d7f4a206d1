package screen

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

const (
	// The lower pane has at least this many lines beside its heading, where there is room.
	leastLower = 4
	// A window that is smaller shows the title alone.
	leastHeight = 6
	gap         = "  "
)

// frame is the whole window: exactly height lines, none wider than the window.
func (m *model) frame() string {
	if m.width <= 0 || m.height <= 0 {
		return ""
	}
	lines := m.upper()
	if m.height >= leastHeight {
		for len(lines) < m.upperHeight() {
			lines = append(lines, "")
		}
		lines = append(lines, m.heading())
		lines = append(lines, m.lower()...)
	}
	lines = append(lines, m.footer())
	for i, line := range lines {
		lines[i] = ansi.Truncate(line, m.width, "…")
	}

	return strings.Join(lines[max(0, len(lines)-m.height):], "\n")
}

// upperHeight is what the picture may have.
func (m *model) upperHeight() int {
	if m.height < leastHeight {
		return m.height - 1
	}

	return min(len(m.content(m.picture.Rows))+1, m.height-2-min(leastLower, m.height/4)) // one line between
}

func (m *model) lowerHeight() int { return max(0, m.height-m.upperHeight()-2) }

// content is the picture with these rows, as long as it is.
func (m *model) content(rows []Row) []string {
	lines := []string{m.picture.Title}
	if !m.shown {
		lines[0] = m.dim("waiting for the agent …")
	}
	if m.picture.Notice != "" {
		lines = []string{m.picture.Notice, m.dim(ansi.Strip(m.picture.Title))}
	}
	if len(rows) > 0 {
		if len(lines) == 1 {
			lines = append(lines, "")
		}
		lines = append(lines, m.table(rows)...)
	}
	for _, section := range m.picture.Sections {
		lines = append(append(lines, "", section.Heading), section.Lines...)
	}

	return lines
}

// upper is the picture cut to its height: first rows that are not selected go, then the end.
func (m *model) upper() []string {
	height := m.upperHeight()
	all := m.content(m.picture.Rows)
	if len(all) <= height {
		return all
	}
	rest := len(m.content(nil)) + 2 // heading of the table and the line before it
	room := max(1, height-rest-1)   // one line for what is left out
	if few := max(3, height/3); room < few {
		room = min(few, max(1, height-4))
	}
	if room < len(m.picture.Rows) {
		first := min(max(0, m.at()-room/2), len(m.picture.Rows)-room)
		all = m.content(m.picture.Rows[first : first+room])
		left := m.dim(fmt.Sprintf("  … %d of %d nodes, ↑↓ for the others", room, len(m.picture.Rows)))
		at := min(len(all), 3+room)
		all = append(append(append([]string{}, all[:at]...), left), all[at:]...)
	}
	if len(all) > height {
		all = append(all[:max(0, height-1):max(0, height-1)], m.dim(fmt.Sprintf("  … %d lines more: make the window higher", len(all)-height+1)))
	}

	return all[:min(len(all), height)]
}

// table lays out the rows; columns are as wide as in the whole picture, so that nothing moves
// when rows go out of view.
func (m *model) table(rows []Row) []string {
	widths := make([]int, len(m.picture.Header))
	for i, name := range m.picture.Header {
		widths[i] = ansi.StringWidth(name)
	}
	for _, row := range m.picture.Rows {
		for i, cell := range row.Cells {
			if i < len(widths) {
				widths[i] = max(widths[i], ansi.StringWidth(cell))
			}
		}
	}
	header := make([]string, len(m.picture.Header))
	for i, name := range m.picture.Header {
		header[i] = m.dim(name)
	}
	lines := []string{"  " + spread(header, widths)}
	selected := m.at()
	for _, row := range rows {
		mark := row.Mark
		if m.picture.Rows[selected].Name == row.Name {
			mark = m.with("1;36", "▸")
		}
		if mark == "" {
			mark = " "
		}
		lines = append(lines, mark+" "+spread(row.Cells, widths))
	}

	return lines
}

func spread(cells []string, widths []int) string {
	var line strings.Builder
	for i, cell := range cells {
		line.WriteString(cell)
		if i < len(cells)-1 && i < len(widths) {
			line.WriteString(strings.Repeat(" ", max(0, widths[i]-ansi.StringWidth(cell))) + gap)
		}
	}

	return strings.TrimRight(line.String(), " ")
}

// heading is the line above the lower pane.
func (m *model) heading() string {
	words := "events"
	switch m.pane {
	case paneExplain:
		words = "why"
		if len(m.picture.Rows) > 0 {
			words = "why " + m.picture.Rows[m.at()].Name + " is as it is"
		}
	case paneKeys:
		words = "keys"
	case paneLog:
	}
	if hidden := len(m.lowerLines()) - m.lowerHeight(); hidden > 0 {
		switch {
		case m.pane == paneLog && m.back > 0:
			words += fmt.Sprintf(", %d newer below", m.back)
		case m.pane != paneLog && m.back < hidden:
			words += fmt.Sprintf(", %d lines more: PgDn", hidden-m.back)
		}
	}
	line := "── " + words + " "

	return m.dim(line + strings.Repeat("─", max(0, m.width-ansi.StringWidth(line))))
}

// lowerLines is everything that the lower pane could show.
func (m *model) lowerLines() []string {
	switch m.pane {
	case paneExplain:
		if len(m.picture.Rows) == 0 || m.answered != m.picture.Rows[m.at()].Name {
			return []string{m.dim("asking …")}
		}

		return m.answer
	case paneKeys:
		return keys()
	case paneLog:
		return m.log
	default:
		return nil
	}
}

// lower is the part of the lower pane that is in view, filled up to its height.
func (m *model) lower() []string {
	lines, height := m.lowerLines(), m.lowerHeight()
	first := m.back
	if m.pane == paneLog {
		first = len(lines) - height - m.back
	}
	first = min(max(0, first), max(0, len(lines)-height))
	view := append([]string{}, lines[first:min(len(lines), first+height)]...)
	for len(view) < height {
		view = append(view, "")
	}

	return view
}

func keys() []string {
	return []string{
		"↑ ↓  k j      another node              g G    the first, the last",
		"Enter  Space  why it is as it is        e Esc  back to the events",
		"PgUp PgDn     older and newer, or more  b f    the same",
		"q  Ctrl-C     end                       ? h    these keys, and away",
	}
}

// footer is the last line.
func (m *model) footer() string {
	words := []string{"q end", "↑↓ node", "Enter why", "PgUp PgDn events", "? keys"}
	if m.pane != paneLog {
		words = []string{"q end", "↑↓ node", "Esc events", "PgUp PgDn more", "? keys"}
	}

	return m.dim(strings.Join(words, "   "))
}

func (m *model) dim(words string) string { return m.with("2", words) }

func (m *model) with(code, words string) string {
	if !m.options.Colour || words == "" {
		return words
	}

	return "\x1b[" + code + "m" + words + "\x1b[0m"
}
