package main

import "strconv"

// messageKind names one kind of journal message. Each has an entry in the catalogue
// (contrib/dist/catalog/cssc-guard.catalog), shown by "journalctl -x".
type messageKind uint8

const (
	msgUnknown messageKind = iota
	msgStarted
	msgArmed
	msgBlind
	msgStrike
	msgGone
	msgAgain
	msgFailed
	msgReboot
	msgOver
	messageCount
)

// The priorities of syslog.
const (
	priorityAlert   = 1
	priorityError   = 3
	priorityWarning = 4
	priorityInfo    = 6
	priorityDebug   = 7
)

// messageText is the fixed part of a message.
type messageText struct {
	id       string // MESSAGE_ID, for ever
	priority int
	text     string
}

// describe returns the fixed part; its identifiers never change their meaning.
func (k messageKind) describe() messageText {
	table := [messageCount]messageText{
		msgUnknown: {"", priorityInfo, "message without a kind"},
		msgStarted: {"2f7c1e9ab64d4f0e8c35d7a1904be6d2", priorityInfo, "guard started"},
		msgArmed:   {"8a04d6f3c27b4e519fd0b8e6a3c1572e", priorityDebug, "lease recorded"},
		msgBlind:   {"d95b30f7e1a84c26b7f4029ce86d13a5", priorityError, "lease record not readable"},
		msgStrike:  {"61e8c7b2f5094d3fa0b94e7d2c86f13b", priorityError, "lease is over, members of the master are killed"},
		msgGone:    {"c42d9f60a7e34b18951c6fe0d38ab745", priorityWarning, "no member of the master runs any more"},
		msgAgain:   {"ab3791d5e08c42f6b6d1f7a25c94e08f", priorityError, "a member came back without a lease and was killed"},
		msgFailed:  {"57f0e2c8b9d6413a8e7fd5034b2c9ae1", priorityAlert, "a member runs on without a lease"},
		msgReboot:  {"f36ad81b4c7e4950a2d8c3b6e90f5174", priorityAlert, "node is rebooted by force"},
		msgOver:    {"0bd74fa9e6c3458d9a21e5f87c60b3d9", priorityInfo, "guard is at rest again"},
	}

	return table[min(k, messageCount-1)]
}

// field is one fact of a message.
type field struct{ key, value string }

func number(n uint64) string { return strconv.FormatUint(n, 10) }
func signed(n int64) string  { return strconv.FormatInt(n, 10) }
func boolean(b bool) string  { return strconv.FormatBool(b) }
