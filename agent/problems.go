package agent

import (
	"maps"
	"slices"
)

// problems are the standing warnings by topic, so that each is told once and
// goes away with its cause.
type problems map[string]string

func (p problems) set(topic, text string) { p[topic] = text }

func (p problems) clear(topic string) { delete(p, topic) }

// check sets the problem of a topic when err is one, and clears it otherwise.
func (p problems) check(topic string, err error) {
	if err == nil {
		p.clear(topic)

		return
	}
	p.set(topic, err.Error())
}

// list returns the texts in the order of their topics.
func (p problems) list() []string {
	texts := make([]string, 0, len(p))
	for _, topic := range slices.Sorted(maps.Keys(p)) {
		texts = append(texts, p[topic])
	}

	return texts
}
