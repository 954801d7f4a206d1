package wire

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// A flag says that a boolean is true or that a field follows.
type flags uint16

const (
	flagQualified flags = 1 << iota
	flagUp
	flagFresh
	flagStarted
	flagComplete
	flagReady
	flagHash
	flagRefusal
	flagRemaining
	flagMasterTerm
	flagMaster
	flagLease
	flagReleased
	flagHeirs
	flagReached
	flagChanges
)

const (
	headSize = 1 + 1 + len(Origin{})
	// The shortest message is the envelope, kind, flags, two names of one byte, and three numbers.
	shortest = headSize + 1 + 2 + 2 + 2 + 1 + 1 + 1
)

// Append writes the datagram behind dst and returns the longer slice. It allocates nothing
// when dst has MaxSize bytes to spare. A message that Check refuses, or a zero origin, is
// returned as that error and nothing is written: better unsent than misunderstood.
func Append(dst []byte, envelope *Envelope) ([]byte, error) {
	m := &envelope.Message
	if err := Check(m); err != nil {
		return dst, err
	}
	if envelope.Origin == (Origin{}) {
		return dst, rangeError("origin", "of zeros")
	}
	has := flagsOf(m)
	dst = append(dst, Mark, Version)
	dst = append(dst, envelope.Origin[:]...)
	dst = append(dst, byte(m.Kind))
	dst = binary.BigEndian.AppendUint16(dst, uint16(has))
	dst = appendText(dst, m.From)
	dst = appendText(dst, m.To)
	dst = binary.AppendUvarint(dst, uint64(m.Term))
	dst = binary.AppendUvarint(dst, uint64(m.Round))
	dst = binary.AppendUvarint(dst, m.Serial)
	if has&flagHash != 0 {
		dst = appendText(dst, m.Hash)
	}
	if has&flagRefusal != 0 {
		dst = append(dst, byte(m.Refusal))
	}
	dst = appendNumber(dst, uint64(m.Remaining))
	dst = appendNumber(dst, uint64(m.MasterTerm))
	if has&flagMaster != 0 {
		dst = appendText(dst, m.Master)
	}
	dst = appendNumber(dst, uint64(m.Lease))
	dst = appendNumber(dst, uint64(m.Released))
	if has&flagHeirs != 0 {
		dst = appendText(dst, m.Target)
		dst = appendText(dst, m.Vice)
	}
	if has&flagReached != 0 {
		dst = binary.AppendVarint(dst, int64(m.Progress.Reached))
	}
	if has&flagChanges != 0 {
		dst = append(dst, byte(len(m.Changes)))
		for _, age := range m.Changes {
			dst = binary.AppendUvarint(dst, uint64(age))
		}
	}

	return dst, nil
}

func flagsOf(m *election.Message) flags {
	var has flags
	set := func(flag flags, holds bool) {
		if holds {
			has |= flag
		}
	}
	set(flagQualified, m.Standing.Qualified)
	set(flagUp, m.Standing.Up)
	set(flagFresh, m.Fresh)
	set(flagStarted, m.Progress.Started)
	set(flagComplete, m.Progress.Complete)
	set(flagReady, m.Progress.Ready)
	set(flagHash, m.Hash != "")
	set(flagRefusal, m.Refusal != 0)
	set(flagRemaining, m.Remaining != 0)
	set(flagMasterTerm, m.MasterTerm != 0)
	set(flagMaster, m.Master != "")
	set(flagLease, m.Lease != 0)
	set(flagReleased, m.Released != 0)
	set(flagHeirs, m.Target != "" || m.Vice != "")
	set(flagReached, m.Progress.Reached != 0)
	set(flagChanges, len(m.Changes) > 0)

	return has
}

func appendText[T ~string](dst []byte, text T) []byte {
	return append(append(dst, byte(len(text))), text...)
}

// appendNumber leaves a zero out; its flag says so.
func appendNumber(dst []byte, number uint64) []byte {
	if number == 0 {
		return dst
	}

	return binary.AppendUvarint(dst, number)
}

// Decode reads one datagram. It returns ErrSize, ErrForeign, ErrVersion, ErrMalformed or
// ErrRange, and then nothing of the envelope may be used. The result shares no memory with
// the datagram.
func Decode(datagram []byte) (Envelope, error) {
	switch {
	case len(datagram) > 0 && datagram[0] != Mark:
		return Envelope{}, ErrForeign
	case len(datagram) > 1 && datagram[1] != Version:
		return Envelope{}, fmt.Errorf("%w: %d, this node reads %d", ErrVersion, datagram[1], Version)
	case len(datagram) < shortest || len(datagram) > MaxSize:
		return Envelope{}, fmt.Errorf("%w: %d bytes, want %d to %d", ErrSize, len(datagram), shortest, MaxSize)
	}
	var envelope Envelope
	copy(envelope.Origin[:], datagram[2:headSize])
	// One copy of everything; the names are parts of it.
	r := reader{rest: string(datagram[headSize:])}
	readMessage(&r, &envelope.Message)
	switch {
	case r.broken != "":
		return Envelope{}, fmt.Errorf("%w: %s", ErrMalformed, r.broken)
	case r.rest != "":
		return Envelope{}, fmt.Errorf("%w: %d bytes too many", ErrMalformed, len(r.rest))
	case envelope.Origin == (Origin{}):
		return Envelope{}, rangeError("origin", "of zeros")
	}
	if err := Check(&envelope.Message); err != nil {
		return Envelope{}, err
	}

	return envelope, nil
}

func readMessage(r *reader, m *election.Message) {
	m.Kind = election.Kind(r.byte())
	has := flags(r.byte())<<8 | flags(r.byte())
	is := func(flag flags) bool { return has&flag != 0 }
	m.From = election.NodeID(r.text(election.MaxName))
	m.To = election.NodeID(r.text(election.MaxName))
	m.Term = election.Term(r.uvarint())
	m.Round = election.Round(r.uvarint())
	m.Serial = r.uvarint()
	m.Standing = election.Standing{Qualified: is(flagQualified), Up: is(flagUp)}
	m.Fresh = is(flagFresh)
	m.Progress = election.Progress{Started: is(flagStarted), Complete: is(flagComplete), Ready: is(flagReady)}
	if is(flagHash) {
		m.Hash = r.text(election.MaxHash)
	}
	if is(flagRefusal) {
		m.Refusal = election.Refusal(r.byte())
	}
	if is(flagRemaining) {
		m.Remaining = r.duration()
	}
	if is(flagMasterTerm) {
		m.MasterTerm = election.Term(r.uvarint())
	}
	if is(flagMaster) {
		m.Master = election.NodeID(r.text(election.MaxName))
	}
	if is(flagLease) {
		m.Lease = r.duration()
	}
	if is(flagReleased) {
		m.Released = election.Term(r.uvarint())
	}
	if is(flagHeirs) {
		m.Target = election.NodeID(r.text(election.MaxName))
		m.Vice = election.NodeID(r.text(election.MaxName))
	}
	if is(flagReached) {
		m.Progress.Reached = r.level()
	}
	if is(flagChanges) {
		m.Changes = r.durations()
	}
	if r.broken == "" && flagsOf(m) != has {
		r.fail("a field that is announced is empty")
	}
}

// reader takes a message apart. After the first failure everything reads as zero.
type reader struct {
	rest   string
	broken string
}

func (r *reader) fail(why string) {
	if r.broken == "" {
		r.broken, r.rest = why, ""
	}
}

func (r *reader) byte() byte {
	if r.rest == "" {
		r.fail("cut short")

		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]

	return b
}

func (r *reader) text(limit int) string {
	length := int(r.byte())
	if length > limit || length > len(r.rest) {
		r.fail("a text is too long")

		return ""
	}
	text := r.rest[:length]
	r.rest = r.rest[length:]

	return text
}

// uvarint reads a number in its shortest form.
func (r *reader) uvarint() uint64 {
	var number uint64
	for shift := 0; shift < 64; shift += 7 {
		b := r.byte()
		if shift == 63 && b > 1 || shift > 0 && b == 0 {
			break
		}
		number |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return number
		}
	}
	r.fail("a number is too long")

	return 0
}

func (r *reader) duration() time.Duration {
	number := r.uvarint()
	if number > uint64(election.Endless) {
		r.fail("a duration is too long")

		return 0
	}

	return time.Duration(number)
}

func (r *reader) level() int16 {
	number := r.uvarint()
	if number > 1<<16-1 {
		r.fail("a level is too high")

		return 0
	}

	return int16(number>>1) ^ -int16(number&1)
}

func (r *reader) durations() []time.Duration {
	count := int(r.byte())
	if count > election.MaxChanges || count > len(r.rest) {
		r.fail("too many changes")

		return nil
	}
	all := make([]time.Duration, 0, count)
	for range count {
		all = append(all, r.duration())
	}

	return all
}
