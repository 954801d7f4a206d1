// Package config reads /etc/cssc/cssc.toml and /etc/cssc/conf.d/*.toml into the
// one Config that the agent, the generator and "cssc verify" share.
//
// # Model
//
// The main file is read first, then the drop-ins in the order of their names.
// Tables are merged key by key, a later file wins; [[node]] and [[component]]
// entries add up, and a name may occur once. Without any file the result is a
// cluster of one whose node has the host's name.
//
//	file text --toml--> tree --sections--> Config --check--> Config or *InvalidError
//	        \--locate--> place of every key ----------------/
//
// # Guarantees
//
// Every setting has its default filled in. Load reports all problems at once,
// each with file, line, column, key, what is wrong and what is allowed. A Config
// that Load returned without an error satisfies every relation between settings
// that can be known from the files alone; Verify adds the limits of the operating
// system. Hash covers what all nodes must agree on, Digest the bytes of the files.
//
// # What is not guaranteed
//
// That the units named exist, that addresses resolve, or that the keyring can be
// read. A cluster of more than one node is accepted here; whether the program at
// hand can run it is for the program to say.
//
// # Concurrency
//
// Load and Verify keep no state and may be called from any goroutine. A Config
// is plain data; its maps must not be changed once it is shared.
//
// # Errors
//
// *InvalidError carries the list of problems; nothing else is returned.
//
// # Testing
//
// load_test.go holds one case per kind of mistake with its exact message;
// FuzzLoad checks that no input panics and that every problem has a place.
package config
