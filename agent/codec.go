package agent

import (
	"encoding/json"
	"fmt"
	"reflect"
	"unicode/utf8"

	"github.com/cssc-ha/cssc/levels"
)

// eventPrototypes lists every event once; its name in the log is its type's.
func eventPrototypes() []levels.Event {
	return []levels.Event{
		levels.RoleChanged{},
		levels.MasterProgress{},
		levels.LeadersSeen{},
		levels.Registered{},
		levels.Unregistered{},
		levels.CallbackDone{},
		levels.CancellationSubscribed{},
		levels.ClientVanished{},
		levels.BusLost{},
		levels.MembersObserved{},
		levels.MemberSettled{},
		levels.WorkFinished{},
		levels.TargetLost{},
		levels.OperationRequested{},
		levels.RetryRequested{},
		levels.SkipRequested{},
		levels.AbortRequested{},
		levels.SyncRequested{},
		levels.Configured{},
		levels.RoleReleased{},
		levels.Ticked{},
		levels.Resumed{},
	}
}

// codec turns events into JSON and back. It is safe for concurrent use.
type codec struct{ types map[string]reflect.Type }

func newCodec() *codec {
	c := &codec{types: map[string]reflect.Type{}}
	for _, event := range eventPrototypes() {
		c.types[reflect.TypeOf(event).Name()] = reflect.TypeOf(event)
	}

	return c
}

// logRecord is the JSON of one line of the log.
type logRecord[E any] struct {
	Serial uint64         `json:"serial"`
	Now    levels.Instant `json:"now"`
	Kind   string         `json:"kind"`
	Event  E              `json:"event"`
}

// normal returns the event as a replay would see it, so that memory and log
// never differ: what JSON cannot carry (text that is not UTF-8, a value that no
// word stands for) is replaced or refused before anybody acts on it.
func (c *codec) normal(event levels.Event) (levels.Event, error) {
	if done, ok := event.(levels.CallbackDone); ok && utf8.ValidString(string(done.Client)) && utf8.ValidString(done.Message) {
		return event, nil // the one that comes in storms; JSON carries it as it is
	}
	body, err := json.Marshal(event)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", levels.ErrInvalid, err.Error())
	}
	same, err := c.decodeBody(reflect.TypeOf(event).Name(), body)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", levels.ErrInvalid, err.Error())
	}

	return same, nil
}

func (c *codec) encode(event StampedEvent) ([]byte, error) {
	return json.Marshal(logRecord[any]{
		Serial: event.Serial, Now: event.Now, Kind: reflect.TypeOf(event.Event).Name(), Event: event.Event,
	})
}

func (c *codec) decode(line []byte) (StampedEvent, error) {
	var record logRecord[json.RawMessage]
	if err := json.Unmarshal(line, &record); err != nil {
		return StampedEvent{}, err
	}
	event, err := c.decodeBody(record.Kind, record.Event)

	return StampedEvent{Serial: record.Serial, Now: record.Now, Event: event}, err
}

func (c *codec) decodeBody(kind string, body []byte) (levels.Event, error) {
	typ, known := c.types[kind]
	if !known {
		return nil, fmt.Errorf("event kind %q is unknown", kind)
	}
	value := reflect.New(typ)
	if err := json.Unmarshal(body, value.Interface()); err != nil {
		return nil, err
	}
	event, ok := reflect.TypeAssert[levels.Event](value.Elem())
	if !ok {
		return nil, fmt.Errorf("event kind %q is no event", kind)
	}

	return event, nil
}
