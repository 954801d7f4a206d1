package main

import (
	"crypto/rand"
	"encoding/base64"
)

// keySize is that of AES-256.
const keySize = 32

// newKeyring is the text of a keyring file with one new key: one key a line in base64, the
// encrypting one first. The agent reads it; a test has it read by that.
func newKeyring() string {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails

	return "# Keys of this cluster, one a line in base64; the first one encrypts.\n" +
		base64.StdEncoding.EncodeToString(key) + "\n"
}
