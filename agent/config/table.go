package config

import (
	"encoding"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// source is one file and where its keys stand.
type source struct {
	name   string
	text   string
	places map[string]int
}

// at makes a problem at the place of key, or of the nearest table around it.
func (s *source) at(key, text string) Problem {
	problem := Problem{File: s.name, Key: key, Text: text}
	for path := key; path != ""; {
		if offset, known := s.places[path]; known {
			problem.Line, problem.Column = s.place(offset)

			return problem
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	problem.Line, problem.Column = 1, 1

	return problem
}

// place turns a byte offset into line and column, counted from 1.
func (s *source) place(offset int) (line, column int) {
	before := s.text[:min(max(0, offset), len(s.text))]

	return 1 + strings.Count(before, "\n"), 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
}

// table reads the keys of one TOML table, notes which ones it was asked for, and
// reports everything else when done.
type table struct {
	source *source
	path   string
	values map[string]any
	known  []string
	report func(Problem)
}

func (t *table) problem(key, format string, args ...any) {
	t.report(t.source.at(keyPath(t.path, key), fmt.Sprintf(format, args...)))
}

// take returns the value of a key and notes that it is known.
func (t *table) take(key string) (any, bool) {
	t.known = append(t.known, key)
	value, present := t.values[key]

	return value, present
}

// done reports the keys that nobody asked for, in their order in the alphabet.
func (t *table) done() {
	for _, key := range sortedKeys(t.values) {
		if !slices.Contains(t.known, key) {
			t.problem(key, "unknown key; %s", didYouMean(key, t.known))
		}
	}
}

func (t *table) text(key string, into *string) bool {
	value, present := t.take(key)
	if !present {
		return false
	}
	text, ok := value.(string)
	if !ok {
		t.problem(key, "want a string, got %s", describe(value))

		return false
	}
	*into = text

	return true
}

func (t *table) flag(key string, into *bool) {
	value, present := t.take(key)
	if !present {
		return
	}
	flag, ok := value.(bool)
	if !ok {
		t.problem(key, "want true or false, got %s", describe(value))

		return
	}
	*into = flag
}

func (t *table) integer(key string, lowest, highest int, into *int) bool {
	value, present := t.take(key)
	if !present {
		return false
	}
	number, ok := value.(int64)
	if !ok || number < int64(lowest) || number > int64(highest) {
		t.problem(key, "want a whole number in %d…%d, got %s", lowest, highest, describe(value))

		return false
	}
	*into = int(number)

	return true
}

func (t *table) duration(key string, lowest, highest time.Duration, into *time.Duration) bool {
	value, present := t.take(key)
	if !present {
		return false
	}
	text, ok := value.(string)
	length, err := time.ParseDuration(text)
	switch {
	case !ok || err != nil:
		t.problem(key, `want a time in quotes with a unit, like "90s" or "5m", got %s`, describe(value))
	case length < lowest || length > highest:
		t.problem(key, "want a time from %s to %s, got %s", short(lowest), short(highest), short(length))
	default:
		*into = length

		return true
	}

	return false
}

// word reads one of a fixed set of words into an enumeration.
func (t *table) word(key string, allowed []string, into encoding.TextUnmarshaler) {
	var text string
	if !t.text(key, &text) {
		return
	}
	if !slices.Contains(allowed, text) || into.UnmarshalText([]byte(text)) != nil {
		t.problem(key, "unknown word %q; %s", text, didYouMean(text, allowed))
	}
}

// choice is word for settings that stay a string.
func (t *table) choice(key string, allowed []string, into *string) {
	text := *into
	if !t.text(key, &text) {
		return
	}
	if !slices.Contains(allowed, text) {
		t.problem(key, "unknown word %q; %s", text, didYouMean(text, allowed))

		return
	}
	*into = text
}

// texts reads a list of strings; each is handed to add, whose error is reported.
func (t *table) texts(key string, add func(string) error) bool {
	value, present := t.take(key)
	if !present {
		return false
	}
	list, ok := value.([]any)
	if !ok {
		t.problem(key, "want a list of strings, got %s", describe(value))

		return false
	}
	for _, entry := range list {
		text, ok := entry.(string)
		if !ok {
			t.problem(key, "want a list of strings, got %s in it", describe(entry))

			return false
		}
		if err := add(text); err != nil {
			t.problem(key, "%v", err)
		}
	}

	return true
}

// sub opens a table below this one and hands it to read.
func (t *table) sub(key string, read func(*table)) {
	value, present := t.take(key)
	if !present {
		return
	}
	values, ok := value.(map[string]any)
	if !ok {
		t.problem(key, "want a table [%s], got %s", keyPath(t.path, key), describe(value))

		return
	}
	child := &table{source: t.source, path: keyPath(t.path, key), values: values, report: t.report}
	read(child)
	child.done()
}

// each opens every entry of an array of tables.
func (t *table) each(key string, read func(*table)) {
	value, present := t.take(key)
	if !present {
		return
	}
	entries, ok := value.([]map[string]any)
	if !ok {
		t.problem(key, "want entries that begin with [[%s]], got %s", keyPath(t.path, key), describe(value))

		return
	}
	for i, values := range entries {
		child := &table{source: t.source, path: entryPath(keyPath(t.path, key), i), values: values, report: t.report}
		read(child)
		child.done()
	}
}

// describe names a value's type and shows it when it is short.
func describe(value any) string {
	switch value := value.(type) {
	case string:
		return fmt.Sprintf("the string %.40q", value)
	case int64:
		return fmt.Sprintf("the number %d", value)
	case float64:
		return fmt.Sprintf("the number %v", value)
	case bool:
		return fmt.Sprintf("%v", value)
	case map[string]any:
		return "a table"
	case []map[string]any:
		return "an array of tables"
	case []any:
		return "a list"
	default:
		return "a date or time"
	}
}

// short prints a duration without trailing zero parts.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}

	return text
}
