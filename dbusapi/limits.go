package dbusapi

import "time"

// The limits on what another party may ask for. They are part of the interface:
// the man page names them, and exceeding one is answered, never suffered.
const (
	// MaxComponentName bounds a component's name, in bytes.
	MaxComponentName = 128
	// MaxMessage bounds the text of Done and the reason of an operation, in bytes.
	MaxMessage = 1024
	// MaxOptions bounds the keys of an a{sv}.
	MaxOptions = 16
	// MaxNodeName bounds the name of a node, in bytes.
	MaxNodeName = 64
	// MaxConfigKey bounds the key of GetConfig, in bytes.
	MaxConfigKey = 128
	// MaxCall bounds a whole method call, header included, in bytes. A larger one
	// is dropped unread and answered with LimitsExceeded.
	MaxCall = 16 << 10
	// MaxQueuedPerClient bounds the calls of one connection that wait for their turn;
	// one more is answered with Busy at once.
	MaxQueuedPerClient = 256
	// MaxQueued bounds the calls of all connections that wait for their turn.
	MaxQueued = 4096
	// MaxAuthorizing bounds the authorisations under way for one connection.
	MaxAuthorizing = 4
	// MaxAuthorizingAll bounds those of all connections.
	MaxAuthorizingAll = 64
	// MaxTimeoutUSec bounds the option timeout-usec: one day.
	MaxTimeoutUSec = uint64(24 * time.Hour / time.Microsecond)
)

const (
	// maxOther bounds replies and signals to us; larger ones are dropped unread.
	maxOther = 1 << 20
	// maxHeader bounds the header of a call that is read only to refuse it.
	maxHeader = 4 << 10
	// maxOutgoing bounds the messages that wait for the bus to take them.
	maxOutgoing = 16384
	// maxEvents bounds the events that wait for a slow reader of Client.Events.
	maxEvents = 1024
	// maxAnswered bounds the answered tags that a client remembers.
	maxAnswered = 4096

	// writeTimeout is after how long a bus that takes no byte counts as lost.
	writeTimeout = 10 * time.Second
	// connectTimeout bounds connecting, logging in and asking for the name.
	connectTimeout = 10 * time.Second
	// backendTimeout bounds one request to the agent.
	backendTimeout = 20 * time.Second
	// lookupTimeout bounds a question to the bus, to systemd or to polkit without interaction.
	lookupTimeout = 3 * time.Second
	// interactionTimeout bounds a question to polkit that a person answers.
	interactionTimeout = 120 * time.Second
	// flushTimeout bounds the sending of what waits when the server stops.
	flushTimeout = time.Second
	// retryFirst and retryLast are the first and the longest pause between attempts to connect.
	retryFirst = 50 * time.Millisecond
	retryLast  = 2 * time.Second
	// workers is how many calls of different connections are carried out at once.
	workers = 4
)
