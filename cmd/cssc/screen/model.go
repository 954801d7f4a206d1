package screen

import (
	"context"

	tea "charm.land/bubbletea/v2"
)

// pane is what the lower part shows.
type pane uint8

const (
	paneLog pane = iota
	paneExplain
	paneKeys
)

// model is the state of the screen. It belongs to the program's loop; the context is that of
// the whole program.
type model struct {
	ctx     context.Context //nolint:containedctx // the library calls without one
	options Options

	width, height int
	picture       Picture
	shown         bool // a picture has come
	log           []string
	// selected is the name of the selected row; while there is none of that name it is the one
	// with a mark.
	selected string
	pane     pane
	// back counts the lines that the lower pane is scrolled: up from the end of the log, down
	// from the beginning of other panes.
	back int
	// answer is the explanation of answered; asking says that a question is open, again that
	// another has to follow it.
	answered      string
	answer        []string
	asking, again bool
}

// Init asks for nothing: sizes come by themselves.
func (m *model) Init() tea.Cmd { return nil }

// Update takes one message.
func (m *model) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	switch message := message.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = message.Width, message.Height
		if m.pane == paneExplain {
			return m, m.ask() // for lines of the new width
		}
	case Picture:
		m.picture, m.shown = message, true
	case logged:
		m.keep(message)
	case stale:
		if m.pane == paneExplain {
			return m, m.ask()
		}
	case told:
		m.asking = false
		m.answered, m.answer = message.name, message.lines
		if m.again {
			return m, m.ask()
		}
	case tea.KeyPressMsg:
		return m, m.press(message.String())
	}

	return m, nil
}

// View draws the frame.
func (m *model) View() tea.View {
	view := tea.NewView(m.frame())
	view.AltScreen = true

	return view
}

// keep adds to the log. Whoever has scrolled back goes on reading where they are.
func (m *model) keep(lines []string) {
	m.log = append(m.log, lines...)
	if m.pane == paneLog && m.back > 0 {
		m.back += len(lines)
	}
	if more := len(m.log) - LogLines; more > 0 {
		m.log = append(m.log[:0:0], m.log[more:]...)
	}
}

// press carries out a key.
func (m *model) press(key string) tea.Cmd {
	switch key {
	case "ctrl+c", "q":
		return tea.Quit
	case "esc":
		if m.pane == paneLog {
			return tea.Quit
		}
		m.open(paneLog)
	case "up", "k":
		return m.move(-1)
	case "down", "j":
		return m.move(1)
	case "home", "g":
		return m.move(-len(m.picture.Rows))
	case "end", "G":
		return m.move(len(m.picture.Rows))
	case "pgup", "b":
		m.scroll(-1)
	case "pgdown", "f":
		m.scroll(1)
	case "enter", "space", "x":
		if m.pane == paneExplain && key != "x" {
			m.open(paneLog)

			return nil
		}
		m.open(paneExplain)

		return m.ask()
	case "e":
		m.open(paneLog)
	case "?", "h":
		if m.pane == paneKeys {
			m.open(paneLog)
		} else {
			m.open(paneKeys)
		}
	}

	return nil
}

func (m *model) open(pane pane) { m.pane, m.back = pane, 0 }

// move selects another row; an explanation that is open follows.
func (m *model) move(by int) tea.Cmd {
	rows := m.picture.Rows
	if len(rows) == 0 {
		return nil
	}
	m.selected = rows[min(max(m.at()+by, 0), len(rows)-1)].Name
	if m.pane != paneExplain {
		return nil
	}
	m.back = 0

	return m.ask()
}

// at is the index of the selected row.
func (m *model) at() int {
	marked := 0
	for i, row := range m.picture.Rows {
		if row.Name == m.selected {
			return i
		}
		if row.Mark != "" && marked == 0 {
			marked = i
		}
	}

	return marked
}

// scroll moves the lower pane by half of it: down, or up for -1.
func (m *model) scroll(down int) {
	half := max(1, m.lowerHeight()/2)
	if m.pane == paneLog {
		down = -down
	}
	m.back = min(max(0, m.back+down*half), max(0, len(m.lowerLines())-m.lowerHeight()))
}

// ask asks for the explanation of the selected row, one question at a time.
func (m *model) ask() tea.Cmd {
	if m.options.Ask == nil || len(m.picture.Rows) == 0 {
		return nil
	}
	if m.asking {
		m.again = true

		return nil
	}
	m.asking, m.again = true, false
	name, width, ctx, ask := m.picture.Rows[m.at()].Name, m.width, m.ctx, m.options.Ask

	return func() tea.Msg { return told{name, ask(ctx, name, width)} }
}
