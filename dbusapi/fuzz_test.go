package dbusapi

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"net"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// encoded is a call as it comes from the bus.
func encoded(tb testing.TB, path dbus.ObjectPath, iface, member string, body ...any) []byte {
	tb.Helper()
	message := &dbus.Message{Type: dbus.TypeMethodCall, Body: body, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldPath: dbus.MakeVariant(path), dbus.FieldInterface: dbus.MakeVariant(iface), dbus.FieldMember: dbus.MakeVariant(member),
		dbus.FieldSender: dbus.MakeVariant(":1.5"), dbus.FieldDestination: dbus.MakeVariant(BusName),
	}}
	if len(body) > 0 {
		message.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(body...))
	}
	var out bytes.Buffer
	if err := message.EncodeTo(&out, binary.LittleEndian); err != nil {
		tb.Fatal(err)
	}
	data := out.Bytes()
	binary.LittleEndian.PutUint32(data[8:], 7) // a serial

	return data
}

// reader is a link that reads data as if it came from the bus.
func reader(data []byte) *link {
	client, server := net.Pipe()
	_ = server.Close()

	return &link{conn: client, in: bufio.NewReader(bytes.NewReader(data)), framed: true}
}

// FuzzArguments feeds whole messages through everything that looks at a call
// before the agent does: framing, decoding, routing and checking. Nothing may
// panic, an error must have a name, and what is accepted keeps the limits.
func FuzzArguments(f *testing.F) {
	for _, row := range changing() {
		f.Add(encoded(f, RootPath, ManagerInterface, row.member, row.arguments...))
	}
	f.Add(encoded(f, RootPath, ManagerInterface, "RegisterCallback", "a", "init", int32(-1),
		options("cookie", uint64(1), "timeout-usec", uint64(5), "on-failure", "hold")))
	f.Add(encoded(f, RootPath, ManagerInterface, "RequestOperation", "switchover", "n1", uint64(0), options("to", "n2", "force", true, "reason", "x")))
	f.Add(encoded(f, RootPath, ManagerInterface, "GetConfig", "levels.init"))
	f.Add(encoded(f, RootPath, ManagerInterface, "History", uint32(1), uint64(0)))
	f.Add(encoded(f, RootPath, propertiesInterface, "Set", ManagerInterface, "Role", dbus.MakeVariant([]any{"x"})))
	f.Add(encoded(f, "/org/cssc/Agent1/node/n1", introspectInterface, "Introspect"))
	f.Add(encoded(f, RootPath, ManagerInterface, "GetConfig", strings.Repeat("x", MaxCall)))
	server := New(Options{Backend: newFakeAgent()})
	server.Publish(&newFakeAgent().status, nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		in := reader(data)
		for {
			message, err := dbus.DecodeMessage(in)
			if err != nil {
				return
			}
			if message.Type != dbus.TypeMethodCall {
				continue
			}
			c := newCall(message)
			_, err = server.surface.plan(c)
			if err != nil {
				if name, text := wireError(err); name == "" || text == "" || name == standardErrors+"Failed" {
					t.Fatalf("error %q (%s) has no name", text, name)
				}
				if out := c.failure(err); out.Body[0] != printable(out.Body[0].(string)) {
					t.Fatalf("unprintable error text %q", out.Body[0])
				}
			}
			if c.signature == "ssia{sv}" {
				checkAccepted(t, c.body)
			}
		}
	})
}

// checkAccepted looks at a registration that parsed.
func checkAccepted(t *testing.T, body []any) {
	t.Helper()
	r, err := parseRegistration(body)
	if err != nil {
		return
	}
	position := r.Position
	if r.Component == "" || len(r.Component) > MaxComponentName || position.Sequence == levels.SequenceUnknown ||
		position.Level < levels.Last || position.Level > levels.MaxLevel || r.Timeout < 0 {
		t.Fatalf("accepted %+v", r)
	}
}

// An oversized call is answered as the one who sent it, and the stream goes on
// behind it, in both byte orders.
func TestFramingReplacesOversizedCalls(t *testing.T) {
	small := encoded(t, RootPath, ManagerInterface, "Reload", uint64(0))
	large := encoded(t, RootPath, ManagerInterface, "GetConfig", strings.Repeat("x", MaxCall))
	signal := &dbus.Message{Type: dbus.TypeSignal, Body: []any{strings.Repeat("x", maxOther)}, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldPath: dbus.MakeVariant(dbus.ObjectPath("/x")), dbus.FieldInterface: dbus.MakeVariant("a.b"), dbus.FieldMember: dbus.MakeVariant("C"),
		dbus.FieldSignature: dbus.MakeVariant(dbus.SignatureOf("")),
	}}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		var stream bytes.Buffer
		stream.Write(small)
		if err := signal.EncodeTo(&stream, order); err != nil {
			t.Fatal(err)
		}
		stream.Write(large)
		stream.Write(small)
		in := reader(stream.Bytes())
		var got []string
		for {
			message, err := dbus.DecodeMessage(in)
			if err != nil {
				break
			}
			c := newCall(message)
			got = append(got, string(c.path)+" "+c.member+" "+c.sender)
			if c.serial != 7 {
				t.Errorf("serial is %d", c.serial)
			}
		}
		const call = RootPath + " Reload :1.5"
		if text := strings.Join(got, ", "); text != call+", "+oversizePath+" GetConfig :1.5, "+call {
			t.Errorf("messages are %s", text)
		}
	}
	if header := []byte("l\x01\x00\x01"); refusedCall(append(header, make([]byte, 60)...), binary.LittleEndian) != nil {
		t.Error("a header without fields was answered")
	}
}
