package sim

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A plan as text: one line for the cluster, one for each fault; words are key=value.
//
//	seed=7 nodes=3 voters=7 … heal=12s
//	at=1.5s cut for=2s node=master way=1

// String is the plan as text, which ParsePlan reads.
func (p *Plan) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "seed=%d nodes=%d voters=%d eligible=%d fresh=%t lease=%v drift=%d renew=%v grace=%v hold=%t flaps=%d window=%v wrong=%s boot=%s heal=%v settle=%v",
		p.Seed, p.Nodes, p.Voters, p.Eligible, p.Fresh, p.Lease, p.Drift, p.Renew, p.Grace, p.Hold, p.Flaps, p.Window,
		list(p.Wrong, func(v int64) string { return strconv.FormatInt(v, 10) }), list(p.Boot, time.Duration.String), p.Heal, p.Settle)
	text.WriteString(" " + strings.Join(p.Air.words(), " ") + "\n")
	for i := range p.Faults {
		text.WriteString(p.Faults[i].text() + "\n")
	}

	return text.String()
}

func list[T any](values []T, text func(T) string) string {
	words := make([]string, len(values))
	for i, value := range values {
		words[i] = text(value)
	}

	return strings.Join(words, ",")
}

func (a *Air) words() []string {
	return []string{
		fmt.Sprintf("loss=%d", a.Loss), fmt.Sprintf("twice=%d", a.Twice), fmt.Sprintf("late=%d", a.Late),
		fmt.Sprintf("least=%v", a.Least), fmt.Sprintf("most=%v", a.Most), fmt.Sprintf("latest=%v", a.Latest),
	}
}

// words are those of one fault; what does not count is left out.
func (f *Fault) words() []string {
	words := []string{fmt.Sprintf("at=%v", f.At), f.Kind.String(), fmt.Sprintf("for=%v", f.For), "node=" + string(name(f.Node))}
	add := func(holds bool, format string, args ...any) {
		if holds {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(f.Kind == KindHandover, "other=%s", name(f.Other))
	add(f.From|f.To != 0, "from=%d to=%d", f.From, f.To)
	add(f.Way != 0, "way=%d", f.Way)
	add(f.Every != 0, "every=%v", f.Every)
	add(f.Count != 0, "count=%d", f.Count)
	add(f.Kind == KindClock, "wrong=%d", f.Wrong)
	add(f.Disk != DiskKept, "disk=%v", f.Disk)
	add(f.Record, "record=true")
	add(f.Mid, "mid=true")
	if f.Kind == KindAir {
		words = append(words, f.Air.words()...)
	}

	return words
}

// ParsePlan reads what Plan.String wrote. Lines that are empty or begin with # are left out.
func ParsePlan(text string) (Plan, error) {
	var plan Plan
	first := true
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var err error
		if first {
			err = parseWords(line, plan.set)
			first = false
		} else {
			fault := Fault{Other: NodeNone}
			err = parseWords(line, fault.set)
			plan.Faults = append(plan.Faults, fault)
		}
		if err != nil {
			return Plan{}, fmt.Errorf("parse plan: %q: %w", line, err)
		}
	}
	if plan.Nodes < 2 || plan.Nodes > MaxNodes || len(plan.Wrong) != plan.Nodes || len(plan.Boot) != plan.Nodes || plan.Heal <= 0 {
		return Plan{}, errors.New("parse plan: want 2 to 7 nodes, a clock error and a boot time for each, and a time of healing")
	}

	return plan, nil
}

func parseWords(line string, set func(key, value string) error) error {
	for word := range strings.FieldsSeq(line) {
		key, value, _ := strings.Cut(word, "=")
		if err := set(key, value); err != nil {
			return err
		}
	}

	return nil
}

func (p *Plan) set(key, value string) error {
	var err error
	switch key {
	case "seed":
		p.Seed, err = strconv.ParseUint(value, 10, 64)
	case "nodes":
		p.Nodes, err = strconv.Atoi(value)
	case "voters":
		p.Voters, err = parseMask(value)
	case "eligible":
		p.Eligible, err = parseMask(value)
	case "fresh":
		p.Fresh, err = strconv.ParseBool(value)
	case "hold":
		p.Hold, err = strconv.ParseBool(value)
	case "drift":
		p.Drift, err = strconv.Atoi(value)
	case "flaps":
		p.Flaps, err = strconv.Atoi(value)
	case "wrong":
		p.Wrong, err = parseList(value, func(v string) (int64, error) { return strconv.ParseInt(v, 10, 64) })
	case "boot":
		p.Boot, err = parseList(value, time.ParseDuration)
	default:
		return p.setDuration(key, value)
	}

	return err
}

func (p *Plan) setDuration(key, value string) error {
	to, known := map[string]*time.Duration{
		"lease": &p.Lease, "renew": &p.Renew, "grace": &p.Grace, "window": &p.Window, "heal": &p.Heal, "settle": &p.Settle,
	}[key]
	if !known {
		return p.Air.set(key, value)
	}
	var err error
	*to, err = time.ParseDuration(value)

	return err
}

func (a *Air) set(key, value string) error {
	var err error
	switch key {
	case "loss":
		a.Loss, err = strconv.Atoi(value)
	case "twice":
		a.Twice, err = strconv.Atoi(value)
	case "late":
		a.Late, err = strconv.Atoi(value)
	case "least":
		a.Least, err = time.ParseDuration(value)
	case "most":
		a.Most, err = time.ParseDuration(value)
	case "latest":
		a.Latest, err = time.ParseDuration(value)
	default:
		return fmt.Errorf("no such word: %q", key)
	}

	return err
}

func (f *Fault) set(key, value string) error {
	var err error
	switch key {
	case "at":
		f.At, err = time.ParseDuration(value)
	case "for":
		f.For, err = time.ParseDuration(value)
	case "every":
		f.Every, err = time.ParseDuration(value)
	case "node":
		f.Node, err = parseNode(value)
	case "other":
		f.Other, err = parseNode(value)
	case "from":
		f.From, err = parseMask(value)
	case "to":
		f.To, err = parseMask(value)
	case "way":
		f.Way, err = strconv.Atoi(value)
	case "count":
		f.Count, err = strconv.Atoi(value)
	case "wrong":
		f.Wrong, err = strconv.ParseInt(value, 10, 64)
	case "disk":
		var disk int
		disk, err = parseWord(value, diskWords())
		f.Disk = Disk(disk)
	case "record":
		f.Record = value == "true"
	case "mid":
		f.Mid = value == "true"
	default:
		kind, unknown := parseWord(key, kindWords())
		if unknown != nil {
			return f.Air.set(key, value)
		}
		f.Kind = Kind(kind)
	}

	return err
}

func parseMask(value string) (uint8, error) {
	mask, err := strconv.ParseUint(value, 10, 8)

	return uint8(mask), err
}

func parseList[T any](value string, parse func(string) (T, error)) ([]T, error) {
	var values []T
	for word := range strings.SplitSeq(value, ",") {
		one, err := parse(word)
		if err != nil {
			return nil, err
		}
		values = append(values, one)
	}

	return values, nil
}

func parseNode(value string) (int, error) {
	for _, node := range []int{NodeMaster, NodeVice, NodeNone} {
		if value == string(name(node)) {
			return node, nil
		}
	}
	number, err := strconv.Atoi(strings.TrimPrefix(value, "n"))

	return number - 1, err
}

func parseWord(value string, words []string) (int, error) {
	for i, word := range words {
		if word == value {
			return i, nil
		}
	}

	return 0, fmt.Errorf("no such word: %q", value)
}
