package config

import (
	"fmt"
	"strings"
)

// Problem is one thing wrong with the configuration.
type Problem struct {
	File string
	// Line and Column count from 1; 0 when the problem is not at one place.
	Line, Column int
	// Key is the dotted name of the setting, "sequence.init.level.3.timeout".
	Key string
	// Text says what is wrong and what is allowed.
	Text string
}

// String returns "file:line:column: key: text", leaving out what is not known.
func (p Problem) String() string {
	var text strings.Builder
	if p.File != "" {
		text.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&text, ":%d:%d", p.Line, p.Column)
		}
		text.WriteString(": ")
	}
	if p.Key != "" {
		text.WriteString(p.Key + ": ")
	}
	text.WriteString(p.Text)

	return text.String()
}

// InvalidError says that the configuration cannot be used. The caller shows it,
// keeps the configuration in force, and asks for the file to be corrected.
type InvalidError struct{ Problems []Problem }

// Error returns one line per problem.
func (e *InvalidError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, problem := range e.Problems {
		lines[i] = problem.String()
	}

	return strings.Join(lines, "\n")
}
