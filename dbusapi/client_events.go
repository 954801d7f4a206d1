package dbusapi

import (
	"context"
	"fmt"

	"github.com/godbus/dbus/v5"
)

// Events that no signal of the agent stands for.
const (
	// EventAgentLost: nobody owns the agent's name any more, or another process does.
	EventAgentLost = "AgentLost"
	// EventAgentFound: somebody owns the agent's name; read the status again.
	EventAgentFound = "AgentFound"
	// EventMissed: the reader was too slow and events were dropped; read the status again.
	EventMissed = "Missed"
	// EventPropertiesChanged has the fields path, interface and changed.
	EventPropertiesChanged = "PropertiesChanged"
)

// Event is something that the agent told everybody.
type Event struct {
	// Name is that of the signal, or one of the constants above.
	Name string
	// Fields are the arguments by the names of the interface's description; a{sv}
	// become map[string]any.
	Fields map[string]any
}

// subscription is one reader of events. The client's lock guards it.
type subscription struct {
	// events has room for maxEvents; closed, under the lock, by whoever takes the
	// subscription out of the client's map.
	events chan Event
	missed bool
	names  map[string][]string
}

// Events delivers what the agent tells everybody, from when it returns. The
// channel is closed when ctx ends, the client is closed or the bus is lost. A
// reader that is too slow loses events and gets EventMissed instead.
func (c *Client) Events(ctx context.Context) (<-chan Event, error) {
	link, err := c.current()
	if err != nil {
		return nil, err
	}
	names, err := signalArguments(ManagerInterface)
	if err != nil {
		return nil, err
	}
	s := &subscription{events: make(chan Event, maxEvents), names: names}
	c.mu.Lock()
	matched := link.eventsMatched
	c.subscriptions[s] = true
	c.mu.Unlock()
	if !matched {
		err = link.conn.AddMatchSignalContext(ctx, dbus.WithMatchSender(BusName), dbus.WithMatchPathNamespace(RootPath))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && c.link != link {
		err = ErrNoBus
	}
	if err != nil {
		c.endSubscription(s)

		return nil, fmt.Errorf("subscribe to events: %w", fromWire(err))
	}
	link.eventsMatched = true
	context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.endSubscription(s)
	})

	return s.events, nil
}

// endSubscription closes a subscription once. The lock is held.
func (c *Client) endSubscription(s *subscription) {
	if c.subscriptions[s] {
		delete(c.subscriptions, s)
		close(s.events)
	}
}

// endSubscriptions closes all. The lock is held.
func (c *Client) endSubscriptions() {
	for s := range c.subscriptions {
		c.endSubscription(s)
	}
}

// publishEvent gives an event to every subscription. The lock is held.
func (c *Client) publishEvent(event Event) {
	for s := range c.subscriptions {
		s.put(event)
	}
}

func (s *subscription) put(event Event) {
	// Room for the note that something is missing is kept.
	if len(s.events) >= cap(s.events)-1 {
		s.missed = true

		return
	}
	if s.missed {
		s.missed = false
		s.events <- Event{Name: EventMissed}
	}
	select {
	case s.events <- event:
	default:
		s.missed = true
	}
}

// distribute makes an event of a broadcast signal. The lock is held.
func (c *Client) distribute(iface, name string, signal *dbus.Signal) {
	for s := range c.subscriptions {
		switch {
		case iface == propertiesInterface && name == EventPropertiesChanged && len(signal.Body) == 3:
			s.put(Event{Name: name, Fields: map[string]any{
				"path": string(signal.Path), "interface": plain(signal.Body[0]), "changed": plain(signal.Body[1]),
			}})
		case iface == ManagerInterface && len(s.names[name]) == len(signal.Body):
			fields := make(map[string]any, len(signal.Body))
			for index, argument := range s.names[name] {
				fields[argument] = plain(signal.Body[index])
			}
			s.put(Event{Name: name, Fields: fields})
		}
	}
}

// plain takes the bus's own types out of a value.
func plain(value any) any {
	switch v := value.(type) {
	case dbus.Variant:
		return plain(v.Value())
	case dbus.ObjectPath:
		return string(v)
	case map[string]dbus.Variant:
		fields := make(map[string]any, len(v))
		for key, inner := range v {
			fields[key] = plain(inner)
		}

		return fields
	default:
		return value
	}
}
