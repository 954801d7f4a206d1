package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

const (
	longest     = 24 * time.Hour
	maxNameSize = 128
)

// reader gathers all files into one Config.
type reader struct {
	config   Config
	problems []Problem
	// places tells where each key that took effect stands; later files overwrite.
	places map[string]Problem
	// levels tells which positions have settings of their own, and where.
	levels map[levels.Position]Problem
	// nodes and addresses tell where each node's name and address stand.
	nodes, addresses map[levels.NodeID]Problem
	components       map[string]Problem
}

func (r *reader) report(problem Problem) { r.problems = append(r.problems, problem) }

// mark remembers where a key stands, for the relations that are checked at the end.
func (r *reader) mark(t *table, key string) {
	path := keyPath(t.path, key)
	r.places[path] = t.source.at(path, "")
}

// root reads one file.
func (r *reader) root(t *table) {
	t.sub("cluster", r.cluster)
	t.each("node", r.node)
	t.sub("sequence", r.sequences)
	t.each("component", r.component)
	t.sub("mastership", r.mastership)
	t.sub("security", r.security)
	t.sub("local", r.local)
	t.sub("shutdown", r.shutdown)
	t.sub("limits", r.limits)
	t.sub("endpoints", r.endpoints)
	t.done()
}

func (r *reader) cluster(t *table) {
	r.name(t, "name", &r.config.Levels.Cluster)
	t.flag("gate_vice", &r.config.Levels.GateVice)
	t.duration("registration_timeout", 0, longest, &r.config.Levels.RegistrationTimeout)
}

// name reads a node's or a cluster's name.
func (r *reader) name(t *table, key string, into *string) bool {
	text := ""
	if !t.text(key, &text) {
		return false
	}
	if !validName(text) {
		t.problem(key, "%q is not a name; want 1 to %d letters, digits, '.', '_' or '-', beginning with a letter or digit",
			text, maxNameSize)

		return false
	}
	*into = text

	return true
}

func validName(text string) bool {
	if text == "" || len(text) > maxNameSize || strings.ContainsAny(text[:1], "._-") {
		return false
	}

	return !strings.ContainsFunc(text, func(c rune) bool { return !isBare(c) && c != '.' })
}

func (r *reader) sequences(t *table) {
	for _, sequence := range levels.Sequences() {
		t.sub(sequence.String(), func(t *table) { r.sequence(t, sequence) })
	}
}

func (r *reader) sequence(t *table, sequence levels.Sequence) {
	settings := &r.config.Levels.Sequences[sequence]
	top := int(settings.Ladder.Top)
	if t.integer("levels", 0, int(levels.MaxLevel), &top) {
		settings.Ladder.Top = levels.Level(top)
		r.mark(t, "levels")
	}
	if t.duration("timeout", time.Millisecond, longest, &settings.Timeout) {
		r.mark(t, "timeout")
	}
	t.word("on_failure", policies(), &settings.OnFailure)
	t.sub("level", func(t *table) {
		for _, key := range sortedKeys(t.values) {
			level, err := levels.ParseLevel(key)
			if err != nil {
				t.known = append(t.known, key)
				t.problem(key, "no such level; want a number in 0…%d or last", levels.MaxLevel)

				continue
			}
			t.sub(key, func(t *table) { r.level(t, levels.Position{Sequence: sequence, Level: level}) })
		}
	})
}

func (r *reader) level(t *table, position levels.Position) {
	sequence := &r.config.Levels.Sequences[position.Sequence]
	settings := sequence.Levels[position.Level]
	if t.duration("timeout", time.Millisecond, longest, &settings.Timeout) {
		r.mark(t, "timeout")
	}
	t.word("on_failure", policies(), &settings.OnFailure)
	if sequence.Levels == nil {
		sequence.Levels = map[levels.Level]levels.LevelConfig{}
	}
	sequence.Levels[position.Level] = settings
	r.levels[position] = t.source.at(t.path, "")
}

func policies() []string { return []string{"hold", "abort", "continue", "fence"} }

func (r *reader) component(t *table) {
	name := ""
	if _, present := t.values["name"]; !present {
		t.problem("name", `missing; every [[component]] needs the name that it registers under`)
	}
	named := t.text("name", &name)
	var settings levels.ComponentConfig
	t.duration("timeout", time.Millisecond, longest, &settings.Timeout)
	t.word("on_failure", policies(), &settings.OnFailure)
	t.text("unit", &settings.Unit)
	if settings.Unit != "" && !validUnit(settings.Unit) {
		t.problem("unit", "%q is not a unit name; want one with its suffix, like %q", settings.Unit, "naming.service")
	}
	t.texts("required", func(text string) error {
		position, err := parsePosition(text)
		if err == nil {
			settings.Required = append(settings.Required, position)
		}

		return err
	})
	if !named {
		return
	}
	if name == "" || len(name) > 255 || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		t.problem("name", "%q is not a component name; want 1 to 255 bytes without blanks", name)

		return
	}
	if first, twice := r.components[name]; twice {
		t.problem("name", "component %q is listed twice, first at %s:%d; put its settings into one entry", name, first.File, first.Line)

		return
	}
	r.components[name] = t.source.at(keyPath(t.path, "required"), "")
	r.config.Levels.Components[name] = settings
}

// validUnit wants a file name with one of systemd's suffixes that a component
// can be stopped by.
func validUnit(name string) bool {
	dot := strings.LastIndexByte(name, '.')
	if dot <= 0 || len(name) > 255 || strings.ContainsAny(name, "/ \t\n") {
		return false
	}
	suffixes := []string{"service", "socket", "target", "mount", "automount", "swap", "timer", "path", "slice", "scope", "device"}

	return slices.Contains(suffixes, name[dot+1:])
}

func parsePosition(text string) (levels.Position, error) {
	word, number, found := strings.Cut(text, ":")
	sequence, err := levels.ParseSequence(word)
	level, levelErr := levels.ParseLevel(number)
	if !found || err != nil || levelErr != nil {
		return levels.Position{}, fmt.Errorf(`%q is not a position; want sequence:level, like "init:0" or "shut:last"`, text)
	}

	return levels.Position{Sequence: sequence, Level: level}, nil
}

func (r *reader) security(t *table) {
	if t.text("keyring", &r.config.Security.Keyring) && !strings.HasPrefix(r.config.Security.Keyring, "/") {
		t.problem("keyring", "%q is not an absolute path", r.config.Security.Keyring)
	}
	t.flag("insecure", &r.config.Security.Insecure)
	var kinds []levels.OperationKind
	given := t.texts("remote_operations", func(text string) error {
		kind, err := levels.ParseOperationKind(text)
		if err != nil {
			return fmt.Errorf("unknown operation %q; %s", text, didYouMean(text, operationWords()))
		}
		kinds = append(kinds, kind)

		return nil
	})
	if given {
		r.config.Security.RemoteOperations = kinds
	}
}

func operationWords() []string {
	var words []string
	for _, kind := range operations() {
		words = append(words, kind.String())
	}

	return words
}

func (r *reader) local(t *table) {
	name := ""
	if r.name(t, "node", &name) {
		r.config.Local.Node = levels.NodeID(name)
		r.mark(t, "node")
	}
	t.choice("log_level", []string{"debug", "info", "warn", "error"}, &r.config.Local.LogLevel)
}

func (r *reader) shutdown(t *table) {
	if t.duration("timeout", time.Second, longest, &r.config.Shutdown.Timeout) {
		r.mark(t, "timeout")
	}
	if t.duration("margin", 100*time.Millisecond, time.Hour, &r.config.Shutdown.Margin) {
		r.mark(t, "margin")
	}
	if t.duration("emergency", time.Second, time.Hour, &r.config.Shutdown.Emergency) {
		r.mark(t, "emergency")
	}
}

func (r *reader) limits(t *table) {
	core := &r.config.Levels
	t.integer("registrations", 1, 65536, &core.MaxRegistrations)
	if t.integer("registrations_per_client", 1, 65536, &core.MaxRegistrationsPerClient) {
		r.mark(t, "registrations_per_client")
	}
	t.integer("history_runs", 1, 10000, &r.config.Limits.HistoryRuns)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
