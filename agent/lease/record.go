package lease

import (
	"errors"
	"fmt"
	"hash/fnv"
)

// Path is where the agent and its guard meet.
const Path = "/run/cssc/lease"

// Forever is the instant that never comes, for a lease without an end.
const Forever = int64(1<<63 - 1)

var (
	// ErrNone says that the file holds no record yet.
	ErrNone = errors.New("no lease was ever recorded")
	// ErrDamaged says that the file holds something that is no record: no lease follows
	// from it, and neither does its end.
	ErrDamaged = errors.New("the lease record is damaged")
	// ErrInUse says that another process has the file open for writing.
	ErrInUse = errors.New("another process writes the lease record")
)

// Record is what is known of this node's mastership. Instants are nanoseconds of this
// node's lease clock, see Clock; 0 is none, Forever never comes. The zero
// value is a node that is not master.
type Record struct {
	// Boot is BootOf the incarnation that wrote it: another boot's lease is none.
	Boot uint64
	// Term is that of the mastership.
	Term uint64
	// Held: this node is master, or something of its mastership may still run.
	Held bool
	// SelfFence: the node is to be rebooted when its members cannot be killed in time.
	SelfFence bool
	// From is when the question was sent that a majority has answered, and Until when acting
	// must have ended.
	From, Until int64
	// KillAt is when the guard kills what still runs, a part of the kill margin before
	// Until: late enough for the agent to have done it by itself. 0 or Forever for a lease
	// without an end: then never.
	KillAt int64

	// Seq numbers the records of one file and PID is the process that wrote this one; Write
	// fills in both.
	Seq uint64
	PID int
}

// BootOf is the short form of an incarnation that fits into a record.
func BootOf(incarnation string) uint64 {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(incarnation)) // never fails

	return sum.Sum64()
}

// Due says whether the guard must act at the instant now.
func (r Record) Due(now int64) bool {
	return r.Held && r.KillAt != 0 && r.KillAt != Forever && now >= r.KillAt
}

// The words of a slot. The stamp is the sequence number, 0 while the rest is written.
const (
	wordStamp = iota
	wordBoot
	wordTerm
	wordFlags
	wordFrom
	wordUntil
	wordKillAt
	wordPID
	wordSum
	slotWords
)

const (
	flagHeld = 1 << iota
	flagSelfFence
	flagsKnown = flagHeld | flagSelfFence
)

// words puts a record into the form of a slot.
func (r Record) words() [slotWords]uint64 {
	flags := uint64(0)
	if r.Held {
		flags |= flagHeld
	}
	if r.SelfFence {
		flags |= flagSelfFence
	}
	w := [slotWords]uint64{
		wordStamp: r.Seq, wordBoot: r.Boot, wordTerm: r.Term, wordFlags: flags,
		wordFrom: uint64(r.From), wordUntil: uint64(r.Until), wordKillAt: uint64(r.KillAt),
		wordPID: uint64(r.PID),
	}
	w[wordSum] = checksum(&w)

	return w
}

// parse is the inverse of words.
func parse(w *[slotWords]uint64) (Record, error) {
	switch {
	case w[wordSum] != checksum(w):
		return Record{}, fmt.Errorf("%w: its checksum is wrong", ErrDamaged)
	case w[wordFlags]&^flagsKnown != 0:
		return Record{}, fmt.Errorf("%w: unknown flags %#x", ErrDamaged, w[wordFlags])
	}

	return Record{
		Boot: w[wordBoot], Term: w[wordTerm],
		Held: w[wordFlags]&flagHeld != 0, SelfFence: w[wordFlags]&flagSelfFence != 0,
		From: int64(w[wordFrom]), Until: int64(w[wordUntil]), KillAt: int64(w[wordKillAt]),
		Seq: w[wordStamp], PID: int(w[wordPID]),
	}, nil
}

// checksum covers every word before it. Each step can be undone, so no change of a single
// word leaves the sum as it was.
func checksum(w *[slotWords]uint64) uint64 {
	sum := uint64(0x9e3779b97f4a7c15)
	for _, word := range w[:wordSum] {
		sum = (sum ^ word) * 0xff51afd7ed558ccd
		sum ^= sum >> 29
	}

	return sum
}
