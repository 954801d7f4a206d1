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
	MaxNodeName = 128
	// MaxConfigKey bounds the key of GetConfig, in bytes.
	MaxConfigKey = 128
	// MaxCall bounds a whole method call, header included, in bytes. A larger one
	// is dropped unread and answered with LimitsExceeded.
	MaxCall = 16 << 10
	// MaxQueuedPerClient bounds the calls of one connection that wait for their turn;
	// one more is answered with Busy at once.
	MaxQueuedPerClient = 1024
	// MaxQueued bounds the calls of all connections that wait for their turn; beyond
	// it, each connection may still have MinQueuedPerClient.
	MaxQueued = 4096
	// MinQueuedPerClient is what no flood of others can take away.
	MinQueuedPerClient = 8
	// MaxAuthorizing bounds the authorisations under way for one connection.
	MaxAuthorizing = 4
	// MaxAuthorizingAll bounds those of all connections.
	MaxAuthorizingAll = 64
	// MaxTimeoutUSec bounds the option timeout-usec: one day.
	MaxTimeoutUSec = uint64(24 * time.Hour / time.Microsecond)
)

const (
	// Bound of replies and signals to us, in bytes; larger ones are dropped unread.
	maxOther = 1 << 20
	// Bound of the header of a call that is read only to refuse it, in bytes.
	maxHeader = 4 << 10
	// Bound of the messages that wait for the bus to take them.
	maxOutgoing = 16384
	// Bound of the replies among them: whoever asks for long lists and a bus that is
	// slow must not fill the memory.
	maxReplies = 64
	// Bound of the events that wait for a slow reader of Client.Events.
	maxEvents = 1024
	// Bound of the answered tags that a client remembers.
	maxSpent = 4096

	// Messages are gathered up to so many bytes before they are written.
	writeAtOnce = 32 << 10

	// A bus that takes no byte for so long counts as lost.
	writeTimeout = 10 * time.Second
	// Bound of connecting, logging in and asking for the name.
	connectTimeout = 10 * time.Second
	// Bound of one request to the agent.
	backendTimeout = 20 * time.Second
	// Bound of a question to the bus, to systemd or to polkit without interaction.
	lookupTimeout = 3 * time.Second
	// Bound of a question to polkit that a person answers.
	interactionTimeout = 120 * time.Second
	// Bound of the sending of what waits when the server stops.
	flushTimeout = time.Second
	// The first and the longest pause between attempts.
	retryFirst = 50 * time.Millisecond
	retryLast  = 2 * time.Second
	// Calls of different connections that are carried out at once.
	workers = 4
)
