package main

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
)

// progress shows something that goes on: lines that stay, and on a terminal a few
// lines below them that are drawn anew. It belongs to one goroutine.
type progress struct {
	app *app
	// drawn counts the live lines on the screen now.
	drawn int
	// beat turns the sign of life.
	beat int
}

// stay prints lines for good, above the live ones.
func (p *progress) stay(lines ...string) {
	if p.app.asJSON {
		return
	}
	p.wipe()
	for _, line := range lines {
		p.app.printf("%s\n", line)
	}
}

// live replaces the live lines; nothing happens where nobody is looking, or where
// the cursor cannot be moved.
func (p *progress) live(lines ...string) {
	if p.app.asJSON || !p.app.terminalOut || p.app.getenv("TERM") == "dumb" {
		return
	}
	p.beat++
	var screen strings.Builder
	screen.WriteString(p.erase())
	width := p.app.width()
	for _, line := range lines {
		if width > 0 {
			line = text.Trim(line, width-1)
		}
		screen.WriteString(line + "\n")
	}
	p.app.printf("%s", screen.String())
	p.drawn = len(lines)
}

// wipe takes the live lines away.
func (p *progress) wipe() {
	if p.drawn > 0 {
		p.app.printf("%s", p.erase())
		p.drawn = 0
	}
}

func (p *progress) erase() string {
	if p.drawn == 0 {
		return ""
	}

	return fmt.Sprintf("\x1b[%dA\x1b[J", p.drawn)
}

// sign is the next picture of the sign of life.
func (p *progress) sign() string {
	pictures := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

	return string(pictures[p.beat%len(pictures)])
}
