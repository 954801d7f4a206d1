// Package serfcmm is the cluster membership monitor: who is in the cluster, and how its
// nodes talk. It puts Serf's gossip and the election's messages behind one [Node].
//
// # Model
//
// A [Node] keeps itself on the network as long as Run runs, with one life of Serf after the
// other:
//
//	          keyring, address, Serf               Leave
//	waiting ──────────────────────────▶ member ────────────▶ away
//	   ▲  │ tried again, Problems says why │                  │
//	   │  └──────────┐ own address changed │                  │
//	   └─────────────┴─────────────────────┴───── Join ───────┘
//
// Three things travel. Gossip carries each node's card (tags), events to everybody and orders
// about keys: late, and sometimes not at all. The election's messages (package wire) go
// straight to the addresses of the node table, over Serf's own UDP port and under its keys,
// but past it: they wait neither for memberlist's queues and locks nor for what gossip thinks
// of their receiver. Questions to one node and their answers go there too, each over a TCP
// stream of its own: [Node.Ask] and [Node.Asked]. And nodes that gossip does not hold for
// alive are looked for, for ever.
//
// Package keyring is the file of the gossip keys; [Node.Keys] changes it on all nodes. A step is
// done when every node of the table has confirmed, and a confirmed key is on disk.
//
// # Guarantees
//
//   - Whoever is not in the node table, with its name and its address, is not in [Node.Seen],
//     and nothing that it says is handed on: messages, events, questions, answers, orders.
//   - Two machines under one name are never heard alternately. The one at the address of the
//     table has precedence, then the first; another one is heard when it has been silent for
//     half a minute.
//   - A node has left only when its card says so, too: what Serf takes for a farewell may be that of
//     a life before. One that is lost soon after it came back is lost.
//   - A message is decoded only within its limit, and is in range when it is handed on.
//   - However many nodes come at a time, a few streams with the state of all nodes are read
//     at once: the owner's goroutine gets its turn among them.
//   - Everything that others can send is bounded. When the owner does not look, the oldest
//     goes first and is counted; of questions the newest is refused, and its asker told.
//   - A question is handed on once, and no recorded one is: it carries a number that its
//     receiver gave its sender in this life of the process, and one that rises.
//   - Nothing but the node table says where to listen and where to send. No program is run.
//   - A rotation of keys cuts no node of the table off, whichever step it stops at.
//
// # What is not guaranteed
//
// That a message, an event or a card arrives, or in which order. That a recorded packet is not played back: the election's
// messages name term and round and do no harm twice; an event that is played back within
// Serf's memory is dropped by it, later it is not. That a holder of a key is honest: it may
// write any name into a message, and whoever has the key can send all nodes rubbish. A node
// that is taken out of the table stays in Serf's own list until it goes.
//
// Two machines that both believe to be a cluster of one do not know of each other.
//
// # Concurrency
//
// Run owns the life of a Node; every other method may be called from any goroutine, and
// only Join, Leave, Ask, Question.Answer and Keys wait. Channels are never closed.
//
// # Errors
//
// The sentinels of config.go, keyring.ErrKeyring and [ErrIncomplete]; otherwise the cause of the
// context. What stands in the way of the network is not an error but a problem: told by
// [Node.Problems] in an operator's words, and tried again.
//
// # Testing
//
// Read node_test.go first: real Serf on the simulated network of serfcmmtest, hours of
// virtual time in seconds. The rotations are in keys_test.go, what goes wrong at the start is
// in start_test.go, and the stories of the cluster of one are in solo_test.go.
package serfcmm
