package dbusapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
)

// systemBusAddress is where the system bus is unless the environment says otherwise.
const systemBusAddress = "unix:path=/run/dbus/system_bus_socket"

// connectBus opens a connection of our own and logs in. No file descriptors are
// negotiated: the bus then refuses to hand us any, so that no peer can fill our
// table, and it leaves the process descriptor out of the credentials.
func connectBus(ctx context.Context, address string, options ...dbus.ConnOption) (*dbus.Conn, *link, error) {
	stream, err := dialBus(ctx, address)
	if err != nil {
		return nil, nil, err
	}
	transport := &link{conn: stream, in: bufio.NewReaderSize(stream, 64<<10)}
	conn, err := dbus.NewConn(transport, options...)
	if err != nil {
		return nil, nil, errors.Join(err, stream.Close())
	}
	// The login has no context of its own: closing the stream ends it.
	stop := context.AfterFunc(ctx, func() { _ = stream.Close() })
	defer stop()
	if err = conn.Auth(nil); err == nil {
		err = conn.Hello()
	}
	if err != nil {
		_ = conn.Close()

		return nil, nil, fmt.Errorf("log in to bus %s: %w", address, err)
	}
	if !stop() {
		_ = conn.Close()

		return nil, nil, fmt.Errorf("log in to bus %s: %w", address, context.Cause(ctx))
	}

	return conn, transport, nil
}

// dialBus connects to the first part of a D-Bus address that answers. Empty is the system bus.
func dialBus(ctx context.Context, address string) (net.Conn, error) {
	if address == "" {
		address = os.Getenv("DBUS_SYSTEM_BUS_ADDRESS")
	}
	if address == "" {
		address = systemBusAddress
	}
	var dialer net.Dialer
	err := fmt.Errorf("bus address %q: want unix:path=… or unix:abstract=…", address)
	for part := range strings.SplitSeq(address, ";") {
		path, found := socketPath(part)
		if !found {
			continue
		}
		var conn net.Conn
		if conn, err = dialer.DialContext(ctx, "unix", path); err == nil {
			return conn, nil
		}
	}

	return nil, err
}

// socketPath reads one part of a D-Bus address, as package net spells sockets.
func socketPath(part string) (string, bool) {
	keys, found := strings.CutPrefix(part, "unix:")
	if !found {
		return "", false
	}
	for pair := range strings.SplitSeq(keys, ",") {
		key, escaped, _ := strings.Cut(pair, "=")
		value, err := dbus.UnescapeBusAddressValue(escaped)
		switch {
		case err != nil || value == "":
		case key == "path":
			return value, true
		case key == "abstract":
			return "@" + value, true
		}
	}

	return "", false
}

// link is the stream under a connection. After the login it reads whole
// messages, so that oversized ones are never built in memory, and it gives up on
// a bus that takes nothing for writeTimeout. Reading is for one goroutine;
// writing for any.
type link struct {
	conn   net.Conn
	in     *bufio.Reader
	framed bool
	frame  []byte // what is left of the present message
	buffer []byte

	// writing is held over one Write, so that messages do not mix.
	writing sync.Mutex
	// serial counts the messages of send in the upper half of the numbers; godbus counts
	// its calls from 1. They are signals and replies, but dbus-daemon answers a signal to a
	// connection that is gone with an error, which must not look like that of a call.
	serial uint32
	out    bytes.Buffer
}

// encode puts a signal or a reply behind what waits in out. It is for the one
// goroutine that calls flush; godbus's way would encode everything twice.
func (l *link) encode(message *dbus.Message) error {
	start := l.out.Len()
	if err := message.EncodeTo(&l.out, binary.LittleEndian); err != nil {
		l.out.Truncate(start)

		return err
	}
	l.serial = max(firstSerial, l.serial+1)
	binary.LittleEndian.PutUint32(l.out.Bytes()[start+8:], l.serial)

	return nil
}

// flush sends what encode has gathered, in one write.
func (l *link) flush() error {
	_, err := l.Write(l.out.Bytes())
	if l.out.Cap() > 64<<10 {
		l.out = bytes.Buffer{}
	}
	l.out.Reset()

	return err
}

// Write sends messages, or one line of the login.
func (l *link) Write(data []byte) (int, error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	if bytes.Equal(data, []byte("BEGIN\r\n")) {
		// From here on messages come; godbus starts its reader after this write.
		l.framed = true
	}
	if err := l.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	count, err := l.conn.Write(data)
	if err != nil {
		// A message cut short cannot be continued; the reader notices and ends the connection.
		_ = l.conn.Close()
	}

	return count, err
}

// Close ends the connection.
func (l *link) Close() error { return l.conn.Close() }

// Read hands out the stream, oversized messages replaced or left out.
func (l *link) Read(into []byte) (int, error) {
	if !l.framed {
		return l.in.Read(into)
	}
	for len(l.frame) == 0 {
		if err := l.next(); err != nil {
			return 0, err
		}
	}
	count := copy(into, l.frame)
	l.frame = l.frame[count:]

	return count, nil
}

const fixedHeader = 16

// firstSerial is the lowest number of a message that godbus has not numbered.
const firstSerial = 1 << 31

// next reads one message into frame, or leaves frame empty when it was left out.
func (l *link) next() error {
	head, err := l.in.Peek(fixedHeader)
	if err != nil {
		return err
	}
	order := byteOrder(head[0])
	if order == nil {
		return fmt.Errorf("bus sent byte order %#x", head[0])
	}
	isCall := dbus.Type(head[1]) == dbus.TypeMethodCall
	fields := (uint64(order.Uint32(head[12:])) + 7) &^ 7
	body := uint64(order.Uint32(head[4:]))
	size := fixedHeader + fields + body
	switch {
	case size > 1<<27:
		return errors.New("bus sent a message beyond 128 MiB")
	case isCall && size <= MaxCall, !isCall && size <= maxOther:
		l.frame, err = l.read(int(size))
	case isCall && fields <= maxHeader:
		var header []byte
		if header, err = l.read(fixedHeader + int(fields)); err != nil {
			return err
		}
		l.frame = refusedCall(header, order)
		_, err = l.in.Discard(int(body))
	default:
		_, err = l.in.Discard(int(size))
	}

	return err
}

func (l *link) read(size int) ([]byte, error) {
	if cap(l.buffer) < size {
		l.buffer = make([]byte, max(size, 4<<10))
	}
	data := l.buffer[:size]
	_, err := io.ReadFull(l.in, data)
	if cap(l.buffer) > 64<<10 {
		l.buffer = nil
	}

	return data, err
}

func byteOrder(mark byte) binary.ByteOrder {
	switch mark {
	case 'l':
		return binary.LittleEndian
	case 'B':
		return binary.BigEndian
	default:
		return nil
	}
}

// refusedCall writes a call without a body to oversizePath that has the sender,
// serial and flags of the original. It returns nil when the header makes no sense.
func refusedCall(header []byte, order binary.ByteOrder) []byte {
	texts := headerTexts(header, order)
	if texts[dbus.FieldMember] == "" || texts[dbus.FieldSender] == "" {
		return nil
	}
	message := &dbus.Message{Type: dbus.TypeMethodCall, Flags: dbus.Flags(header[2]), Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldPath:        dbus.MakeVariant(dbus.ObjectPath(oversizePath)),
		dbus.FieldMember:      dbus.MakeVariant(texts[dbus.FieldMember]),
		dbus.FieldSender:      dbus.MakeVariant(texts[dbus.FieldSender]),
		dbus.FieldDestination: dbus.MakeVariant(texts[dbus.FieldDestination]),
	}}
	var out bytes.Buffer
	if err := message.EncodeTo(&out, binary.LittleEndian); err != nil {
		return nil
	}
	data := out.Bytes()
	binary.LittleEndian.PutUint32(data[8:], order.Uint32(header[8:]))

	return data
}

// headerTexts reads the text fields of a message header, an a(yv) whose variants
// hold s, o, g or u. It stops at the first thing it does not know.
func headerTexts(header []byte, order binary.ByteOrder) map[dbus.HeaderField]string {
	texts := map[dbus.HeaderField]string{}
	position := fixedHeader
	for {
		position = (position + 7) &^ 7
		// code, signature "x": length 1, the letter, NUL.
		if position+4 > len(header) || header[position+1] != 1 {
			return texts
		}
		code, letter := dbus.HeaderField(header[position]), header[position+2]
		position += 4
		var size int
		terminator := 1
		switch letter {
		case 's', 'o':
			if position+4 > len(header) {
				return texts
			}
			size = int(order.Uint32(header[position:]))
			position += 4
		case 'g':
			if position >= len(header) {
				return texts
			}
			size = int(header[position])
			position++
		case 'u':
			size, terminator = 4, 0
		default:
			return texts
		}
		if size < 0 || position+size+terminator > len(header) {
			return texts
		}
		if letter == 's' || letter == 'o' {
			texts[code] = string(header[position : position+size])
		}
		position += size + terminator
	}
}
