package config

import (
	"strconv"
	"strings"
)

// locator finds where keys stand in a file that the TOML parser has accepted;
// the parser itself tells places only for its own errors.
type locator struct {
	text   string
	at     int
	table  string // the table that the last header opened
	places map[string]int
	arrays map[string]int // number of entries seen of each array of tables
}

// locate returns the byte offset of every key and table header of text.
func locate(text string) map[string]int {
	l := &locator{text: text, places: map[string]int{}, arrays: map[string]int{}}
	for l.skipBlank(); l.at < len(l.text); l.skipBlank() {
		start := l.at
		if l.peek() == '[' {
			l.header()
		} else {
			l.assignment(l.table)
		}
		if l.at == start { // text that is not TOML after all
			break
		}
	}

	return l.places
}

// keyPath appends one part to a dotted key.
func keyPath(table, part string) string {
	if part == "" || strings.ContainsFunc(part, func(r rune) bool { return !isBare(r) }) {
		part = strconv.Quote(part)
	}
	if table == "" {
		return part
	}

	return table + "." + part
}

// entryPath names one entry of an array of tables, counted from 1 as people do.
func entryPath(table string, index int) string {
	return table + "[" + strconv.Itoa(index+1) + "]"
}

func isBare(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-'
}

func (l *locator) peek() byte {
	if l.at < len(l.text) {
		return l.text[l.at]
	}

	return 0
}

func (l *locator) header() {
	start := l.at
	l.at++
	many := l.peek() == '['
	if many {
		l.at++
	}
	parts := l.key()
	path := ""
	for i, part := range parts {
		path = keyPath(path, part)
		count := l.arrays[path]
		if many && i == len(parts)-1 {
			l.arrays[path] = count + 1
			l.note(path, start)
			path = entryPath(path, count)
		} else if count > 0 {
			path = entryPath(path, count-1)
		}
	}
	l.note(path, start)
	l.table = path
	for l.peek() == ']' || l.peek() == ' ' || l.peek() == '\t' {
		l.at++
	}
}

// note keeps the first place at which a key or table was named.
func (l *locator) note(path string, offset int) {
	if _, seen := l.places[path]; !seen {
		l.places[path] = offset
	}
}

func (l *locator) assignment(table string) {
	start := l.at
	path := table
	for _, part := range l.key() {
		path = keyPath(path, part)
		l.note(path, start)
	}
	l.skipBlank()
	if l.peek() == '=' {
		l.at++
		l.skipBlank()
		l.value(path)
	}
}

// key reads a dotted key.
func (l *locator) key() []string {
	var parts []string
	for {
		l.skipSpace()
		switch c := l.peek(); {
		case c == '"' || c == '\'':
			parts = append(parts, l.quoted())
		case isBare(rune(c)):
			start := l.at
			for isBare(rune(l.peek())) {
				l.at++
			}
			parts = append(parts, l.text[start:l.at])
		default:
			return parts
		}
		l.skipSpace()
		if l.peek() != '.' {
			return parts
		}
		l.at++
	}
}

// quoted reads a string of any of the four kinds and returns what it means, as
// far as keys need it.
func (l *locator) quoted() string {
	mark := l.text[l.at : l.at+1]
	if triple := strings.Repeat(mark, 3); strings.HasPrefix(l.text[l.at:], triple) {
		mark = triple
	}
	start := l.at
	l.at += len(mark)
	for l.at < len(l.text) && !strings.HasPrefix(l.text[l.at:], mark) {
		if l.text[l.at] == '\\' && mark[0] == '"' {
			l.at++
		}
		l.at++
	}
	l.at = min(l.at+len(mark), len(l.text))
	for len(mark) == 3 && l.peek() == mark[0] { // up to two quotes may stand before the end
		l.at++
	}
	whole := l.text[start:l.at]
	if text, err := strconv.Unquote(whole); err == nil && mark == `"` {
		return text
	}

	return strings.Trim(whole, mark[:1])
}

func (l *locator) value(path string) {
	switch l.peek() {
	case '"', '\'':
		l.quoted()
	case '[':
		index := 0
		l.listed(']', func() {
			l.value(entryPath(path, index))
			index++
		})
	case '{':
		l.listed('}', func() { l.assignment(path) })
	default:
		for l.at < len(l.text) && !strings.ContainsRune(",]}#\n", rune(l.text[l.at])) {
			l.at++
		}
	}
}

// listed reads what stands between brackets, separated by commas.
func (l *locator) listed(end byte, item func()) {
	l.at++
	for l.skipBlank(); l.at < len(l.text) && l.peek() != end; l.skipBlank() {
		start := l.at
		item()
		if l.skipBlank(); l.peek() == ',' {
			l.at++
		}
		if l.at == start { // text that is not TOML after all
			return
		}
	}
	l.at++
}

func (l *locator) skipSpace() {
	for l.peek() == ' ' || l.peek() == '\t' {
		l.at++
	}
}

// skipBlank skips white space, line ends and comments.
func (l *locator) skipBlank() {
	for l.at < len(l.text) {
		switch l.text[l.at] {
		case ' ', '\t', '\r', '\n':
			l.at++
		case '#':
			for l.at < len(l.text) && l.text[l.at] != '\n' {
				l.at++
			}
		default:
			return
		}
	}
}
