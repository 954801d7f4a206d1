package serfcmm

import (
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// A thing that happens again and again counts as a problem for so long after it was
	// last seen.
	passingFor = time.Minute
	// The limit of what strangers can make us remember.
	maxProblems = 24
)

// problems are what an operator should know, until it is over. Safe for concurrent use.
type problems struct {
	mutex sync.Mutex
	all   map[string]problem
	// news is called without the lock when the list has changed.
	news func()
}

type problem struct {
	text string
	// until is zero for what stands until it is cleared.
	until time.Time
}

func newProblems(news func()) *problems {
	return &problems{all: map[string]problem{}, news: news}
}

// stand sets a problem that holds until it is cleared; an empty text clears it.
func (p *problems) stand(key, text string) { p.set(key, problem{text: text}) }

// pass sets a problem that is over when it has not been seen for passingFor.
func (p *problems) pass(key, text string) {
	p.set(key, problem{text: text, until: time.Now().Add(passingFor)})
}

func (p *problems) set(key string, next problem) {
	p.mutex.Lock()
	before, known := p.all[key]
	switch {
	case next.text == "":
		delete(p.all, key)
	case known || next.until.IsZero() || len(p.all) < maxProblems:
		p.all[key] = next
	default:
		before = next // no room: say nothing
	}
	p.mutex.Unlock()
	if before.text != next.text {
		p.news()
	}
}

// prune forgets what has passed.
func (p *problems) prune() {
	p.mutex.Lock()
	before, now := len(p.all), time.Now()
	maps.DeleteFunc(p.all, func(_ string, one problem) bool { return !one.until.IsZero() && now.After(one.until) })
	changed := len(p.all) != before
	p.mutex.Unlock()
	if changed {
		p.news()
	}
}

func (p *problems) list() []string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	var texts []string
	for _, one := range p.all {
		texts = append(texts, one.text)
	}
	slices.Sort(texts)

	return slices.Compact(texts)
}
