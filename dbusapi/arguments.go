package dbusapi

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// option is one key that an a{sv} may hold.
type option struct{ key, signature string }

// decodeOptions checks the keys and types of an a{sv} against those allowed.
func decodeOptions(given map[string]dbus.Variant, allowed []option) (map[string]any, error) {
	if len(given) > MaxOptions {
		return nil, fmt.Errorf("%w: %d options, at most %d are allowed", levels.ErrInvalid, len(given), MaxOptions)
	}
	values := make(map[string]any, len(given))
	for _, key := range slices.Sorted(maps.Keys(given)) {
		index := slices.IndexFunc(allowed, func(o option) bool { return o.key == key })
		if index < 0 {
			return nil, fmt.Errorf("%w: unknown option %s, allowed: %s", levels.ErrInvalid, quote(key), optionList(allowed))
		}
		if got := given[key].Signature().String(); got != allowed[index].signature {
			return nil, fmt.Errorf("%w: option %s has type %q, want %q", levels.ErrInvalid, key, got, allowed[index].signature)
		}
		values[key] = given[key].Value()
	}

	return values, nil
}

func optionList(allowed []option) string {
	if len(allowed) == 0 {
		return "none"
	}
	texts := make([]string, len(allowed))
	for index, o := range allowed {
		texts[index] = o.key + " (" + o.signature + ")"
	}

	return strings.Join(texts, ", ")
}

// checkFlags refuses every bit that is not defined.
func checkFlags(flags, defined uint64) error {
	if unknown := flags &^ defined; unknown != 0 {
		return fmt.Errorf("%w: unknown flag %#x, defined: %#x", levels.ErrInvalid, unknown, defined)
	}

	return nil
}

func checkComponent(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: component name is empty", levels.ErrInvalid)
	case len(name) > MaxComponentName:
		return fmt.Errorf("%w: component name has %d bytes, at most %d are allowed", levels.ErrInvalid, len(name), MaxComponentName)
	}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("@._:-", r):
		default:
			return fmt.Errorf("%w: component name %s, want letters, digits and @._:- only", levels.ErrInvalid, quote(name))
		}
	}

	return nil
}

// checkText refuses texts that are too long or that would spoil a terminal or a journal.
func checkText(what, text string, limit int) error {
	if len(text) > limit {
		return fmt.Errorf("%w: %s has %d bytes, at most %d are allowed", levels.ErrInvalid, what, len(text), limit)
	}
	if text != printable(text) {
		return fmt.Errorf("%w: %s holds control characters", levels.ErrInvalid, what)
	}

	return nil
}

// printable replaces what a terminal would obey; line feeds and tabs stay.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) && r != '\n' && r != '\t' {
			return '?'
		}

		return r
	}, text)
}

// quote makes a foreign text safe and short for an error message.
func quote(text string) string {
	const limit = 64
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}

	return fmt.Sprintf("%q", text)
}

// checkPosition reads a sequence's word and a level's number.
func checkPosition(sequence string, level int32) (levels.Position, error) {
	parsed, err := checkSequence(sequence)
	if err != nil {
		return levels.Position{}, err
	}
	number := levels.Level(level)
	if number != levels.Last && (number < 0 || number > levels.MaxLevel) {
		return levels.Position{}, fmt.Errorf("%w: level %d, want 0…%d, or -1 for last", levels.ErrInvalid, level, levels.MaxLevel)
	}

	return levels.Position{Sequence: parsed, Level: number}, nil
}

func checkSequence(word string) (levels.Sequence, error) {
	if len(word) > MaxNodeName {
		word = word[:MaxNodeName]
	}

	return levels.ParseSequence(word)
}

func registerOptions() []option {
	return []option{{"cookie", "t"}, {"timeout-usec", "t"}, {"on-failure", "s"}}
}

// parseRegistration reads the arguments of RegisterCallback, types checked before.
func parseRegistration(body []any) (levels.Registration, error) {
	var registration levels.Registration
	component, sequence, level, given := body[0].(string), body[1].(string), body[2].(int32), body[3].(map[string]dbus.Variant)
	position, err := checkPosition(sequence, level)
	if err != nil {
		return registration, err
	}
	if err = checkComponent(component); err != nil {
		return registration, err
	}
	values, err := decodeOptions(given, registerOptions())
	if err != nil {
		return registration, err
	}
	registration = levels.Registration{Component: component, Position: position}
	registration.Cookie, _ = values["cookie"].(uint64)
	if micros, found := values["timeout-usec"].(uint64); found {
		if micros == 0 || micros > MaxTimeoutUSec {
			return registration, fmt.Errorf("%w: option timeout-usec is %d, want 1…%d", levels.ErrInvalid, micros, MaxTimeoutUSec)
		}
		registration.Timeout = time.Duration(micros) * time.Microsecond
	}
	if word, found := values["on-failure"].(string); found {
		if registration.OnFailure, err = levels.ParsePolicy(word); err != nil {
			return registration, fmt.Errorf("option on-failure: %w", err)
		}
	}

	return registration, nil
}

// parseDone reads the arguments of Done, types checked before.
func parseDone(body []any) (levels.CallbackDone, error) {
	tag, status, message := body[0].(uint64), body[1].(int32), body[2].(string)
	done := levels.CallbackDone{Tag: levels.Tag(tag), OK: status == StatusDone, Message: message}
	if status != StatusDone && status != StatusError {
		return done, fmt.Errorf("%w: status %d, want %d (done) or %d (error)", levels.ErrInvalid, status, StatusDone, StatusError)
	}

	return done, checkText("message", message, MaxMessage)
}

func operationOptions() []option {
	return []option{{"mode", "s"}, {"to", "s"}, {"force", "b"}, {"reason", "s"}, {"callbacks-only", "b"}}
}

// parseOperation reads the arguments of RequestOperation and PlanOperation, types
// checked before; the node is left to parseNode.
func parseOperation(body []any) (levels.OperationRequested, error) {
	var request levels.OperationRequested
	word, flags, given := body[0].(string), body[2].(uint64), body[3].(map[string]dbus.Variant)
	kind, err := levels.ParseOperationKind(word)
	if err != nil {
		return request, fmt.Errorf("operation %s: %w", quote(word), err)
	}
	if err = checkFlags(flags, FlagNoboot); err != nil {
		return request, err
	}
	values, err := decodeOptions(given, operationOptions())
	if err != nil {
		return request, err
	}
	request = levels.OperationRequested{Kind: kind}
	request.Force, _ = values["force"].(bool)
	request.Reason, _ = values["reason"].(string)
	if err = checkText("option reason", request.Reason, MaxMessage); err != nil {
		return request, err
	}
	request.CallbacksOnly, _ = values["callbacks-only"].(bool)
	if request.CallbacksOnly && kind != levels.OperationShutdown {
		return request, fmt.Errorf("%w: option callbacks-only belongs to shutdown, not to %s", levels.ErrInvalid, kind)
	}
	if request.To, err = parseTo(kind, values); err != nil {
		return request, err
	}
	request.Mode, err = parseMode(kind, flags, values)

	return request, err
}

// parseNode reads the name of a node, empty for the one of this agent. Whether there is such a
// node is for the agent to know.
func parseNode(name string) (levels.NodeID, error) {
	if len(name) > MaxNodeName {
		return "", fmt.Errorf("%w: %s, at most %d bytes are the name of a node", levels.ErrNoSuchNode, quote(name), MaxNodeName)
	}

	return levels.NodeID(name), nil
}

func parseTo(kind levels.OperationKind, values map[string]any) (levels.NodeID, error) {
	to, found := values["to"].(string)
	switch {
	case !found:
		return "", nil
	case kind != levels.OperationSwitchover:
		return "", fmt.Errorf("%w: option to belongs to switchover, not to %s", levels.ErrInvalid, kind)
	case to == "" || len(to) > MaxNodeName:
		return "", fmt.Errorf("%w: option to is %s, want the name of a node", levels.ErrInvalid, quote(to))
	default:
		return levels.NodeID(to), nil
	}
}

func parseMode(kind levels.OperationKind, flags uint64, values map[string]any) (levels.Mode, error) {
	word, found := values["mode"].(string)
	noboot := flags&FlagNoboot != 0
	if kind != levels.OperationShutdown && kind != levels.OperationClusterShutdown {
		if found || noboot {
			return levels.ModeNone, fmt.Errorf("%w: option mode and flag noboot belong to shutdown and cluster-shutdown, not to %s", levels.ErrInvalid, kind)
		}

		return levels.ModeNone, nil
	}
	if !found {
		if noboot {
			return levels.ModeNoboot, nil
		}

		return levels.ModeReboot, nil
	}
	mode, err := levels.ParseMode(word)
	if err != nil {
		return mode, fmt.Errorf("option mode: %w", err)
	}
	if noboot && mode != levels.ModeNoboot {
		return mode, fmt.Errorf("%w: flag noboot contradicts mode %s", levels.ErrInvalid, mode)
	}

	return mode, nil
}
