package election

import (
	"fmt"
	"hash/maphash"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// move is one thing that may happen next.
type move struct {
	name string
	do   func(*world)
	// What the table of rare states wants to know of it.
	node    int
	message *Message
	kind    string
}

// moves lists what may happen next.
func (w *world) moves() []move {
	list := append(w.letters(), w.clocks()...)
	for i, s := range w.sites {
		m := s.machine
		name := string(m.config.Self)
		add := func(kind, budget string, do func(*world)) {
			if budget == "" || w.spent[budget] < w.plot.budgets[budget] {
				list = append(list, move{name: kind + " " + name, node: i, kind: kind, do: func(w *world) {
					if budget != "" {
						w.spent[budget]++
					}
					do(w)
				}})
			}
		}
		event := func(events ...Event) func(*world) {
			return func(w *world) {
				for _, event := range events {
					w.step(i, event)
				}
			}
		}
		if m.phase == PhaseCeasing && !m.acted {
			add("acted", "", event(DemoteActed{}))
		}
		if m.serving && (m.phase == PhaseRestoring || m.acted) {
			add("rest", "", event(ServingChanged{}))
		}
		if m.phase == PhaseLeading {
			add("release", "release", event(ServingChanged{}, ReleaseAsked{To: w.sites[(i+1)%len(w.sites)].machine.config.Self}))
			add("plan", "plan", event(RestartPlanned{}))
		}
		add("kill", "kill", func(w *world) { w.restart(i, false) })
		add("power", "power", func(w *world) { w.restart(i, true) })
	}

	return list
}

// letters are the moves of messages.
func (w *world) letters() []move {
	var list []move
	for k := range w.air {
		m := w.air[k]
		to := w.index(m.To)
		text := fmt.Sprintf(" %s→%s %v %d", m.From, m.To, m.Kind, m.Term)
		take := func(w *world) { w.air = slices.Delete(slices.Clone(w.air), k, k+1) }
		list = append(list, move{name: "deliver" + text, node: to, message: &m, kind: "deliver", do: func(w *world) {
			take(w)
			w.step(to, Received{m})
		}})
		if w.spent["lose"] < w.plot.budgets["lose"] {
			list = append(list, move{name: "lose" + text, node: to, kind: "lose", do: func(w *world) {
				w.spent["lose"]++
				take(w)
			}})
		}
		if w.spent["again"] < w.plot.budgets["again"] {
			list = append(list, move{name: "again" + text, node: to, message: &m, kind: "again", do: func(w *world) {
				w.spent["again"]++
				w.step(to, Received{m})
			}})
		}
	}

	return list
}

// clocks are the moves of time: whoever is due ticks; nobody is, then time goes on to the next
// that will be; or all sleep until a lease or a promise is over.
func (w *world) clocks() []move {
	var list []move
	due := false
	for i, s := range w.sites {
		if s.wake != 0 && s.wake <= w.now {
			due = true
			list = append(list, move{name: "tick " + string(s.machine.config.Self), node: i, kind: "tick", do: func(w *world) { w.step(i, Ticked{}) }})
		}
	}
	if i, at := w.earliest(); !due && at > w.now && w.within(at) {
		list = append(list, move{name: "time, tick " + string(w.sites[i].machine.config.Self), node: i, kind: "tick", do: func(w *world) {
			w.now = at
			w.step(i, Ticked{})
		}})
	}
	if w.spent["stall"] >= w.plot.budgets["stall"] {
		return list
	}
	for _, at := range w.ends() {
		if !w.within(at) {
			break
		}
		list = append(list, move{name: fmt.Sprintf("sleep %v", at.Sub(w.now)), kind: "stall", do: func(w *world) {
			w.spent["stall"]++
			w.now = at
		}})
	}

	return list
}

// within says that the exploration goes that far in time.
func (w *world) within(at Instant) bool { return at != Forever && (w.horizon == 0 || at <= w.horizon) }

// ends are the moments at which leases and promises run out.
func (w *world) ends() []Instant {
	ends := map[Instant]bool{}
	for _, s := range w.sites {
		for _, at := range []Instant{s.machine.lease.Until, s.machine.promise.until} {
			if at > w.now && at != Forever {
				ends[at] = true
			}
		}
	}

	return slices.Sorted(maps.Keys(ends))
}

// fork is a copy that shares nothing that a step changes.
func (m *Machine) fork() *Machine {
	c := *m
	c.state.Voters = slices.Clone(m.state.Voters)
	c.peers = make(map[NodeID]*peer, len(m.peers))
	for id, p := range m.peers {
		other := *p
		c.peers[id] = &other
	}
	c.fenced, c.answers = maps.Clone(m.fenced), maps.Clone(m.answers)
	c.rounds, c.changes = slices.Clone(m.rounds), slices.Clone(m.changes)
	c.values, c.voterIDs = nil, slices.Clone(m.voterIDs)
	if m.ballot != nil {
		b := *m.ballot
		b.answers = maps.Clone(m.ballot.answers)
		c.ballot = &b
	}

	return &c
}

// TestForkKnowsEveryReference: a field of the machine that holds a reference must be known to
// fork, or states of the explorer would leak into each other.
func TestForkKnowsEveryReference(t *testing.T) {
	t.Parallel()
	var found []string
	var walk func(prefix string, at reflect.Type)
	walk = func(prefix string, at reflect.Type) {
		for field := range at.Fields() {
			switch kind := field.Type.Kind(); {
			case field.Name == "config" || field.Name == "out":
			case kind == reflect.Map || kind == reflect.Slice || kind == reflect.Pointer || kind == reflect.Interface:
				found = append(found, prefix+field.Name)
			case kind == reflect.Struct:
				walk(prefix+field.Name+".", field.Type)
			}
		}
	}
	walk("", reflect.TypeFor[Machine]())
	known := []string{
		"candidate.ballot", "fenced", "follower.changes", "master.answers", "master.rounds", "master.values", "peers", "state.Voters", "voterIDs",
	}
	slices.Sort(found)
	if !slices.Equal(found, known) {
		t.Errorf("fields with references: got %v, fork knows %v", found, known)
	}
}

// key is the state without what only counts or dates: two states that differ in nothing else
// go on alike.
func (w *world) key(seed maphash.Seed) uint64 {
	var hash maphash.Hash
	hash.SetSeed(seed)
	for _, s := range w.sites {
		var text strings.Builder
		writer := canon{w: w, self: s.machine, text: &text}
		writer.value("", reflect.ValueOf(s.machine).Elem())
		writer.value("", reflect.ValueOf(s.disk).Elem())
		writer.instant(s.wake)
		_, _ = hash.WriteString(text.String())
	}
	var air []string
	for i := range w.air {
		m := w.air[i]
		asker := m.From
		if m.Kind == KindPreVoteReply || m.Kind == KindVoteReply || m.Kind == KindPromise {
			asker = m.To
		}
		air = append(air, fmt.Sprint(m.Kind, m.From, m.To, m.Term, w.age(asker, m.Round), m.Refusal, m.MasterTerm, m.Lease, m.Released, m.Target, m.Vice))
	}
	slices.Sort(air)
	_, _ = fmt.Fprint(&hash, air, w.spent)

	return hash.Sum64()
}

// age is how many rounds ago the asker has used that one.
func (w *world) age(asker NodeID, round Round) int64 {
	i := w.index(asker)
	if i < 0 || round == 0 || round == lastRound {
		return -1
	}

	return int64(w.sites[i].machine.round) - int64(round)
}

// canon writes a value so that equal situations at different times give equal texts.
type canon struct {
	w    *world
	self *Machine
	text *strings.Builder
}

// value writes one field by its type and name.
func (c canon) value(name string, v reflect.Value) {
	switch name {
	case "config", "out", "serial", "dropped", "stale", "reason", "why", "Reason", "values", "firstRound", "now", "heldNote":
		return
	}
	switch {
	case v.Type() == reflect.TypeFor[Instant]():
		c.instant(Instant(v.Int()))
	case v.Type() == reflect.TypeFor[Round]():
		asker := c.self.config.Self
		switch name {
		case "lastRound":
			asker = c.self.masterID
		case "made":
			asker = c.self.promise.to
		}
		fmt.Fprint(c.text, c.w.age(asker, Round(v.Uint())), " ")
	case v.Kind() == reflect.Pointer:
		if !v.IsNil() {
			c.value(name, v.Elem())
		}
		fmt.Fprint(c.text, ";")
	case v.Kind() == reflect.Struct:
		for field := range v.Type().Fields() {
			c.value(field.Name, v.FieldByIndex(field.Index))
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			c.value(name, v.Index(i))
		}
		fmt.Fprint(c.text, ";")
	case v.Kind() == reflect.Map:
		for _, id := range c.self.voterIDs {
			if entry := v.MapIndex(reflect.ValueOf(id)); entry.IsValid() {
				fmt.Fprint(c.text, id, ":")
				c.value(name, entry)
			}
		}
		fmt.Fprint(c.text, ";")
	default:
		fmt.Fprint(c.text, v, " ")
	}
}

// instant writes how far away a moment is; what is long past is all alike.
func (c canon) instant(at Instant) {
	switch at {
	case 0:
		fmt.Fprint(c.text, "never ")
	case Forever:
		fmt.Fprint(c.text, "ever ")
	default:
		fmt.Fprint(c.text, max(at.Sub(c.w.now), -3*c.self.config.Lease), " ")
	}
}
