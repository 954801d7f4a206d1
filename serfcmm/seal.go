package serfcmm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"github.com/cssc-ha/cssc/serfcmm/keyring"
	"github.com/cssc-ha/cssc/serfcmm/wire"
)

const (
	// A packet that begins with sealedMark is a datagram of the election under a key of the
	// ring. Neither Serf's packets nor bare datagrams nor notes begin so.
	sealedMark = wire.NoteMark + 1
	// What sealing adds to a datagram: the mark, a nonce and a tag.
	sealedMore = 1 + 12 + 16
	// The purpose makes of a key of the gossip one for the election: what is sealed for the
	// one can never be taken for the other.
	sealPurpose = "cssc election 1"
)

// sealer encrypts and authenticates the election's datagrams under the keys of a ring. It is
// never changed; another ring makes another sealer. Safe for concurrent use.
type sealer struct {
	// keys has one cipher for each key, in the order of the ring: the first one seals.
	keys []cipher.AEAD
}

func newSealer(ring keyring.Ring) (*sealer, error) {
	s := &sealer{}
	for _, key := range ring {
		own, err := hkdf.Key(sha256.New, key, nil, sealPurpose, len(key))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", keyring.ErrKeyring, err)
		}
		block, err := aes.NewCipher(own)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", keyring.ErrKeyring, err)
		}
		gcm, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", keyring.ErrKeyring, err)
		}
		s.keys = append(s.keys, gcm)
	}

	return s, nil
}

// seal appends the packet of a datagram, which must not overlap dst. A nil sealer, of a
// cluster without encryption, leaves the datagram as it is.
func (s *sealer) seal(dst, datagram []byte) []byte {
	if s == nil {
		return append(dst, datagram...)
	}

	return s.keys[0].Seal(append(dst, sealedMark), nil, datagram, []byte{sealedMark})
}

// open returns the datagram of a packet, or false when no key opens it. A sealer takes
// nothing that is not sealed, and without one nothing that is.
func (s *sealer) open(packet []byte) ([]byte, bool) {
	switch {
	case len(packet) == 0:
		return nil, false
	case s == nil:
		return packet, packet[0] == wire.Mark
	case packet[0] != sealedMark:
		return nil, false
	}
	for _, key := range s.keys {
		if datagram, err := key.Open(nil, nil, packet[1:], packet[:1]); err == nil {
			return datagram, true
		}
	}

	return nil, false
}
