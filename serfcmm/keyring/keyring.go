package keyring

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Key is one secret of the gossip: 16, 24 or 32 bytes for AES-128, AES-192 or AES-256. Its
// String is a fingerprint, so that no key gets into a log by accident.
type Key []byte

// Ring is the keys of a cluster: the first encrypts, all of them decrypt. Its file has
// one key a line in base64, the encrypting one first; empty lines and lines that begin with
// "#" are comments and are lost when a rotation writes the file anew.
type Ring []Key

const (
	// MaxKeys bounds a keyring. A rotation needs one more than is in use; what failed
	// rotations left behind is removed by the next one that succeeds.
	MaxKeys = 8

	newKeySize  = 32
	maxKeyring  = 4096
	keyringMode = 0o600
	// The permissions that a file with secrets must not have are forbidden.
	forbidden = 0o037
)

// ErrKeyring refuses a keyring file; the cause names file, line and what is wrong.
var ErrKeyring = errors.New("keyring")

// NewKey returns a random key of 32 bytes.
func NewKey() Key {
	key := make(Key, newKeySize)
	_, _ = rand.Read(key) // never fails

	return key
}

// Text is the key as it stands in the file.
func (k Key) Text() string { return base64.StdEncoding.EncodeToString(k) }

// String is the key's fingerprint, which gives nothing away.
func (k Key) String() string {
	sum := sha256.Sum256(append([]byte("cssc key "), k...))

	return hex.EncodeToString(sum[:6])
}

// ParseKey reads what Text writes. It returns ErrKeyring for anything else.
func ParseKey(text string) (Key, error) {
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: not base64; write a key with: cssc keys generate", ErrKeyring)
	}
	if size := len(key); size != 16 && size != 24 && size != 32 {
		return nil, fmt.Errorf("%w: a key of %d bytes, want 32 (or 16, or 24)", ErrKeyring, size)
	}

	return key, nil
}

// Parse reads the text of a keyring file. The error names the line.
func Parse(text string) (Ring, error) {
	var ring Ring
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := ParseKey(line)
		switch {
		case err != nil:
			return nil, fmt.Errorf("line %d: %w", number, err)
		case ring.Has(key):
			return nil, fmt.Errorf("line %d: %w: the same key twice", number, ErrKeyring)
		case len(ring) == MaxKeys:
			return nil, fmt.Errorf("line %d: %w: more than %d keys", number, ErrKeyring, MaxKeys)
		}
		ring = append(ring, key)
	}
	if len(ring) == 0 {
		return nil, fmt.Errorf("%w: no key in it", ErrKeyring)
	}

	return ring, nil
}

// Load reads a keyring file. It returns ErrKeyring with file, line and cause for one
// that cannot be read, has no keys or impossible ones, or that others may read or change.
func Load(path string) (Ring, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyring, err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrKeyring, err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: %w: not a regular file", path, ErrKeyring)
	case info.Mode().Perm()&forbidden != 0:
		return nil, fmt.Errorf("%s: %w: others may read or change it (mode %04o); chmod 0600", path, ErrKeyring, info.Mode().Perm())
	case info.Size() > maxKeyring:
		return nil, fmt.Errorf("%s: %w: %d bytes, want at most %d", path, ErrKeyring, info.Size(), maxKeyring)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyring))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyring, err)
	}
	ring, err := Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}

	return ring, nil
}

// Text is the keyring as its file has it.
func (r Ring) Text() string {
	var text strings.Builder
	text.WriteString("# Gossip keys of this cluster, one a line; the first one encrypts.\n")
	for _, key := range r {
		text.WriteString(key.Text() + "\n")
	}

	return text.String()
}

// Save replaces the file at once or not at all, synced, readable by its owner only.
func (r Ring) Save(path string) error {
	if err := ReplaceFile(path, []byte(r.Text()), keyringMode); err != nil {
		return fmt.Errorf("%w: write: %w", ErrKeyring, err)
	}

	return nil
}

// Has says whether the key is one of the ring.
func (r Ring) Has(key Key) bool {
	return slices.ContainsFunc(r, func(one Key) bool { return bytes.Equal(one, key) })
}

// Without returns the ring without the key; r stays as it is.
func (r Ring) Without(key Key) Ring {
	return slices.DeleteFunc(slices.Clone(r), func(one Key) bool { return bytes.Equal(one, key) })
}

// Fingerprints lists the keys, the encrypting one first.
func (r Ring) Fingerprints() []string {
	var all []string
	for _, key := range r {
		all = append(all, key.String())
	}

	return all
}

// ReplaceFile puts data in the place of the file at once or not at all, synced: it writes
// beside the file and renames.
func ReplaceFile(path string, data []byte, mode os.FileMode) error {
	folder := filepath.Dir(path)
	temporary, err := os.CreateTemp(folder, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }() // gone already when all went well
	_, err = temporary.Write(data)
	err = errors.Join(err, temporary.Chmod(mode), temporary.Sync(), temporary.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(temporary.Name(), path); err != nil {
		return err
	}
	root, err := os.Open(folder)
	if err != nil {
		return err
	}

	return errors.Join(root.Sync(), root.Close())
}
