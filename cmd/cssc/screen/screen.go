package screen

import (
	"context"
	"errors"
	"fmt"
	"io"

	tea "charm.land/bubbletea/v2"
)

// LogLines bounds the log.
const LogLines = 1000

// framesPerSecond bounds how often a terminal is written to.
const framesPerSecond = 15

// Picture is what is to be seen now. It is not changed after it was shown.
type Picture struct {
	// Title is one line.
	Title string
	// Header and Rows are the table; the first cell of a row begins behind a mark.
	Header []string
	Rows   []Row
	// Sections follow below, the most important first.
	Sections []Section
	// Notice, when not empty, says that the picture is old, and why.
	Notice string
}

// Row is one line of the table.
type Row struct {
	// Name identifies the row from picture to picture.
	Name string
	// Mark is one column wide; the selected row shows another one.
	Mark  string
	Cells []string
}

// Section is a heading with lines.
type Section struct {
	Heading string
	Lines   []string
}

// Options are what a screen is made of.
type Options struct {
	In  io.Reader
	Out io.Writer
	// Environment is that of the process: TERM, NO_COLOR.
	Environment []string
	// Colour says whether the frame itself may use any.
	Colour bool
	// Ask explains a row; the answer is lines for a pane of that width. It ends with ctx.
	Ask func(ctx context.Context, name string, width int) []string
}

// Screen is a terminal that is taken as a whole. Make it with New.
type Screen struct{ program *tea.Program }

// New prepares a screen; nothing is drawn before Run.
func New(ctx context.Context, options Options) *Screen {
	begin := &model{ctx: ctx, options: options}

	return &Screen{tea.NewProgram(begin,
		tea.WithContext(ctx), tea.WithInput(options.In), tea.WithOutput(options.Out), tea.WithEnvironment(options.Environment),
		tea.WithFPS(framesPerSecond), tea.WithoutSignalHandler(),
	)}
}

// Run takes the terminal until a key ends it or ctx does, and gives it back; both are nil.
func (s *Screen) Run() error {
	_, err := s.program.Run()
	if err != nil && !errors.Is(err, tea.ErrProgramKilled) {
		return fmt.Errorf("draw on the terminal: %w", err)
	}

	return nil
}

// Show replaces the picture.
func (s *Screen) Show(picture Picture) { s.program.Send(picture) }

// Log adds lines to the log.
func (s *Screen) Log(lines ...string) { s.program.Send(logged(lines)) }

// Refresh asks again for the explanation that is shown, if one is.
func (s *Screen) Refresh() { s.program.Send(stale{}) }

// The messages of the model, besides Picture and those of the terminal.
type (
	logged []string
	stale  struct{}
	told   struct {
		name  string
		lines []string
	}
)
