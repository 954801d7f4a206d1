// Package keyring is the file with the keys of a cluster: what gossip and votes are
// encrypted with. The agent's membership, cssc keys and cssc verify read and write it here.
//
// # Model
//
// A [Ring] is a list of keys, the one that encrypts first. Its file has one key a line in
// base64. A key is named by its fingerprint: [Key.String] gives nothing away.
//
// # Guarantees
//
//   - A file that is too long, that others may read or change, or that has no keys or
//     impossible ones is refused with its place and the cause.
//   - A file is replaced at once or not at all, and is on disk when Save returns.
//
// # What is not guaranteed
//
// That other nodes have the same keys: cssc keys list asks them.
//
// # Concurrency
//
// Functions of their arguments and of the file. Two writers at once leave the work of one.
//
// # Errors
//
// [ErrKeyring], with file, line and cause.
//
// # Testing
//
// Files spoilt by hand, drawn keyrings written and read again, and a fuzz target.
package keyring
