package screen

import (
	"context"
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"
)

// picture has so many rows, the third of them this node's own, and a section of so many lines.
func picture(rows, lines int) Picture {
	p := Picture{Title: "plant-7  master n1", Header: []string{"NODE", "ROLE"}}
	for i := range rows {
		row := Row{Name: fmt.Sprintf("n%d", i), Cells: []string{fmt.Sprintf("n%d", i), "\x1b[32mspare\x1b[0m"}}
		if i == 2 {
			row.Mark = "●"
		}
		p.Rows = append(p.Rows, row)
	}
	if lines > 0 {
		p.Sections = []Section{{Heading: "needs attention"}}
	}
	for i := range lines {
		p.Sections[0].Lines = append(p.Sections[0].Lines, fmt.Sprintf("  ! %d %s", i, strings.Repeat("long ", 30)))
	}

	return p
}

func key(m *model, text string) {
	codes := map[string]tea.Key{
		"up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown}, "pgup": {Code: tea.KeyPgUp}, "pgdown": {Code: tea.KeyPgDown},
		"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape},
	}
	pressed, special := codes[text]
	if !special {
		pressed = tea.Key{Text: text, Code: []rune(text)[0]}
	}
	if _, next := m.Update(tea.KeyPressMsg(pressed)); next != nil {
		if message := next(); message != nil {
			_, _ = m.Update(message)
		}
	}
}

func newModel() *model {
	return &model{ctx: context.Background(), options: Options{Ask: func(_ context.Context, name string, _ int) []string {
		return []string{name + " is well", "because it is"}
	}}}
}

// TestEveryFrameFitsIntoItsWindow draws pictures of every size in windows of every size, after
// any keys: as many lines as the window has or fewer, none wider, the keys in the last one, and
// the selected row in view wherever there is room for one.
func TestEveryFrameFitsIntoItsWindow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newModel()
		rows := rapid.IntRange(0, 60).Draw(t, "rows")
		_, _ = m.Update(picture(rows, rapid.IntRange(0, 40).Draw(t, "lines")))
		keys := rapid.SliceOfN(rapid.SampledFrom([]string{"up", "down", "pgup", "pgdown", "enter", "g", "G", "e", "?", "x", "j", "k", "z"}), 0, 30).Draw(t, "keys")
		for _, pressed := range keys {
			_, _ = m.Update(tea.WindowSizeMsg{Width: rapid.IntRange(0, 130).Draw(t, "width"), Height: rapid.IntRange(0, 70).Draw(t, "height")})
			_, _ = m.Update(logged{"something happened", strings.Repeat("ä", 200)})
			key(m, pressed)
			lines := strings.Split(m.View().Content, "\n")
			if len(lines) > max(1, m.height) {
				t.Fatalf("%d lines in a window of %d:\n%s", len(lines), m.height, m.View().Content)
			}
			for _, line := range lines {
				if ansi.StringWidth(line) > m.width {
					t.Fatalf("%d columns in a window of %d: %s", ansi.StringWidth(line), m.width, line)
				}
			}
			if m.height >= 1 && m.width >= 5 && !strings.HasPrefix(lines[len(lines)-1], "q end"[:min(5, m.width)-1]) {
				t.Fatalf("no keys in the last line:\n%s", m.View().Content)
			}
			if wanted := fmt.Sprintf("▸ n%d", m.at()); rows > 0 && m.height >= 12 && m.width >= 10 && !strings.Contains(m.View().Content, wanted) {
				t.Fatalf("%s is not in view, %d×%d:\n%s", wanted, m.width, m.height, m.View().Content)
			}
		}
	})
}

// TestKeysMoveAndExplain walks through the panes.
func TestKeysMoveAndExplain(t *testing.T) {
	t.Parallel()
	m := newModel()
	_, _ = m.Update(tea.WindowSizeMsg{Width: 60, Height: 20})
	for _, c := range []struct {
		press       string
		want, wants string
	}{
		{"z", "waiting for the agent", "── events"},
		{"enter", "asking …", ""}, // nothing is selected yet
		{"esc", "── events", ""},
	} {
		key(m, c.press)
		if got := m.View().Content; !strings.Contains(got, c.want) || !strings.Contains(got, c.wants) {
			t.Errorf("after %s the screen is\n%s\nwithout %q", c.press, got, c.want)
		}
	}
	_, _ = m.Update(picture(4, 1))
	for _, c := range []struct{ press, want string }{
		{"z", "▸ n2"},
		{"down", "▸ n3"},
		{"down", "▸ n3"},
		{"enter", "n3 is well"},
		{"up", "n2 is well"},
		{"enter", "── events"},
		{"?", "these keys"},
		{"?", "── events"},
		{"g", "▸ n0"},
		{"x", "why n0 is as it is"},
		{"esc", "── events"},
	} {
		key(m, c.press)
		if got := m.View().Content; !strings.Contains(got, c.want) {
			t.Errorf("after %s the screen is\n%s\nwithout %q", c.press, got, c.want)
		}
	}
	for _, press := range []string{"q", "esc"} {
		if m.press(press) == nil {
			t.Errorf("%s does not end it", press)
		}
	}
}

// TestTheLogIsBoundedAndStaysWhereItIsRead scrolls back while more comes in.
func TestTheLogIsBoundedAndStaysWhereItIsRead(t *testing.T) {
	t.Parallel()
	m := newModel()
	_, _ = m.Update(tea.WindowSizeMsg{Width: 60, Height: 20})
	_, _ = m.Update(picture(3, 0))
	for i := range LogLines + 100 {
		_, _ = m.Update(logged{fmt.Sprintf("event %d.", i)})
	}
	if len(m.log) != LogLines {
		t.Errorf("the log has %d lines", len(m.log))
	}
	if got := m.View().Content; !strings.Contains(got, fmt.Sprintf("event %d.", LogLines+99)) {
		t.Errorf("the newest is not in view:\n%s", got)
	}
	key(m, "pgup")
	before := m.lower()
	_, _ = m.Update(logged{"one more"})
	if after := m.lower(); strings.Join(after, "\n") != strings.Join(before, "\n") {
		t.Errorf("the view moved from\n%q to\n%q", before, after)
	}
	for range LogLines {
		key(m, "pgup")
	}
	if got := m.View().Content; !strings.Contains(got, "event 101.") {
		t.Errorf("the oldest cannot be reached:\n%s", got)
	}
	for range LogLines {
		key(m, "pgdown")
	}
	if got := m.View().Content; !strings.Contains(got, "one more") {
		t.Errorf("the newest cannot be reached again:\n%s", got)
	}
}

// TestOneQuestionAtATime: while an answer is awaited no other is asked for, and the last wish
// is asked after it.
func TestOneQuestionAtATime(t *testing.T) {
	t.Parallel()
	m := newModel()
	_, _ = m.Update(tea.WindowSizeMsg{Width: 60, Height: 20})
	_, _ = m.Update(picture(4, 0))
	_, first := m.Update(tea.KeyPressMsg(tea.Key{Code: tea.KeyEnter}))
	if first == nil {
		t.Fatal("nothing is asked")
	}
	if _, second := m.Update(tea.KeyPressMsg(tea.Key{Code: tea.KeyDown})); second != nil {
		t.Fatal("a second question beside the first")
	}
	if _, third := m.Update(stale{}); third != nil {
		t.Fatal("a third question beside the first")
	}
	_, next := m.Update(first())
	if next == nil || strings.Contains(m.View().Content, "n2 is well") {
		t.Fatalf("the answer to another question is shown, or no question follows:\n%s", m.View().Content)
	}
	if _, more := m.Update(next()); more != nil || !strings.Contains(m.View().Content, "n3 is well") {
		t.Fatalf("the last answer is not shown:\n%s", m.View().Content)
	}
}
