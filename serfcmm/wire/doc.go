// Package wire is the text of the nodes' messages on the network: a small binary envelope
// around [election.Message], and one around questions and answers, [Note]. It is pure;
// whoever sends and receives is elsewhere.
//
// # Model
//
// One message is one datagram of at most [MaxSize] bytes:
//
//	byte 0     Mark: what begins so is ours, everything else belongs to Serf
//	byte 1     Version
//	bytes 2-9  Origin: which machine wrote it, whatever name it goes by
//	byte 10    kind
//	bytes 11+  flags, then From, To, Term, Round, Serial, then each field that the flags announce
//
// A note, on a stream, has Mark NoteMark, Version and Origin too, then kind, ID and Session (eight
// bytes each), From, To, and as data the rest. It is [DecodeNote] and [AppendNote] for those.
//
// Numbers of a message are varints, texts are a length and bytes. A field that is zero is left out, so a
// message has exactly one form: what [Decode] accepts, [Append] writes again byte for byte.
//
// # Guarantees
//
//   - The size is checked before anything is read, and every length before it is used: no
//     input makes Decode allocate more than a constant times its own size.
//   - A decoded message is within the ranges that [Check] describes: kind and refusal are
//     known, texts have their limits, durations are not negative, terms are possible.
//   - What Decode accepts for one version means the same for ever: golden bytes in the tests.
//
// # What is not guaranteed
//
// Nothing here says who sent the bytes. Encryption, authentication and the check against
// the node table are the caller's; Origin is a claim like the rest. Whether the fields of a
// message fit its kind is for the election to judge.
//
// # Concurrency
//
// Functions of their arguments only.
//
// # Errors
//
// The sentinels of errors.go, with a cause. All of them mean the same for a receiver: drop
// the datagram and count it.
//
// # Testing
//
// message_test.go has the golden bytes and the inverse property, fuzz_test.go the rest.
package wire
