package dbusapi

import (
	"context"
	"fmt"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// call is one method call as it came from the bus; never changed after it was made.
type call struct {
	sender    string
	serial    uint32
	flags     dbus.Flags
	path      dbus.ObjectPath
	iface     string
	member    string
	signature string
	body      []any
}

func newCall(message *dbus.Message) *call {
	c := &call{serial: message.Serial(), flags: message.Flags, body: message.Body}
	c.sender, _ = message.Headers[dbus.FieldSender].Value().(string)
	c.path, _ = message.Headers[dbus.FieldPath].Value().(dbus.ObjectPath)
	c.iface, _ = message.Headers[dbus.FieldInterface].Value().(string)
	c.member, _ = message.Headers[dbus.FieldMember].Value().(string)
	if signature, ok := message.Headers[dbus.FieldSignature].Value().(dbus.Signature); ok {
		c.signature = signature.String()
	}

	return c
}

// client is the caller in the words of the machine.
func (c *call) client() levels.ClientID { return levels.ClientID(c.sender) }

// reads says whether the answer may depend on the published status; the calls that
// come in storms do not.
func (c *call) reads() bool {
	switch c.member {
	case "Done", "RegisterCallback", "UnregisterCallback", "SubscribeCancellation", "Ping", "GetMachineId":
		return false
	default:
		return true
	}
}

// wantsReply says whether the caller waits for an answer.
func (c *call) wantsReply() bool { return c.flags&dbus.FlagNoReplyExpected == 0 }

// interactive says whether the caller lets a person be asked for a password.
func (c *call) interactive() bool { return c.flags&dbus.FlagAllowInteractiveAuthorization != 0 }

// reply is the message that answers c well.
func (c *call) reply(values []any) *dbus.Message {
	headers := map[dbus.HeaderField]dbus.Variant{
		dbus.FieldDestination: dbus.MakeVariant(c.sender),
		dbus.FieldReplySerial: dbus.MakeVariant(c.serial),
	}
	if len(values) > 0 {
		headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(values...))
	}

	return &dbus.Message{Type: dbus.TypeMethodReply, Headers: headers, Body: values}
}

// failure is the message that answers c with an error.
func (c *call) failure(err error) *dbus.Message {
	name, text := wireError(err)
	text = printable(text)

	return &dbus.Message{Type: dbus.TypeError, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldDestination: dbus.MakeVariant(c.sender),
		dbus.FieldReplySerial: dbus.MakeVariant(c.serial),
		dbus.FieldErrorName:   dbus.MakeVariant(name),
		dbus.FieldSignature:   dbus.MakeVariant(dbus.SignatureOf(text)),
	}, Body: []any{text}}
}

// signalMessage is a signal of the agent; an empty destination is a broadcast.
func signalMessage(destination string, path dbus.ObjectPath, iface, member string, body ...any) *dbus.Message {
	headers := map[dbus.HeaderField]dbus.Variant{
		dbus.FieldPath:      dbus.MakeVariant(path),
		dbus.FieldInterface: dbus.MakeVariant(iface),
		dbus.FieldMember:    dbus.MakeVariant(member),
		dbus.FieldSignature: dbus.MakeVariant(dbus.SignatureOf(body...)),
	}
	if destination != "" {
		headers[dbus.FieldDestination] = dbus.MakeVariant(destination)
	}

	return &dbus.Message{Type: dbus.TypeSignal, Headers: headers, Body: body}
}

// plan is a call whose arguments are known to be good: what right it needs and
// what it does then.
type plan struct {
	// action is the last part of the polkit action; empty needs no right.
	action string
	// details go to polkit, for rules to look up.
	details map[string]string
	run     func(ctx context.Context) ([]any, error)
}

// method is one row of the table of everything that can be called.
type method struct {
	iface, name string
	in, out     string
	plan        func(c *call) (plan, error)
}

// check compares the arguments' types with the table's.
func (m *method) check(c *call) error {
	if c.signature == m.in {
		return nil
	}

	return fmt.Errorf("call %s: %w: arguments have types %q, want %q", m.name, levels.ErrInvalid, c.signature, m.in)
}
