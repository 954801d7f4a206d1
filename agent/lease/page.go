package lease

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// The size of the file: one page, so that it is there as a whole or not at all.
	pageSize = 4096
	// What the first word of a page holds: its format. Another format gets another number.
	magic = uint64(0x32_6573_6c63_7373_63) // "csscles2" as bytes
	// The words of a page: its format, whether any record was written, and where the slots
	// begin, each in cache lines of its own.
	wordMagic   = 0
	wordWritten = 1
	firstSlot   = 16
	secondSlot  = 32
	pageWords   = pageSize / 8
	// Tries of a reader. Two whole writes in the middle of one read spoil it, and the
	// agent writes a few times in a second.
	maxTries = 1000
)

// page is the mapped file.
type page struct {
	memory []byte
	words  *[pageWords]atomic.Uint64
}

// mapPage maps the file, which must have its full size.
func mapPage(file *os.File, protection int) (page, error) {
	memory, err := unix.Mmap(int(file.Fd()), 0, pageSize, protection, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return page{}, err
	}
	_ = unix.Mlock(memory) // where the limits allow: else it may be paged out, and comes back

	return page{memory: memory, words: (*[pageWords]atomic.Uint64)(unsafe.Pointer(&memory[0]))}, nil
}

// unmap may be called again, and then does nothing: the address may be another's by now.
func (p *page) unmap() error {
	memory := p.memory
	p.memory, p.words = nil, nil
	if memory == nil {
		return nil
	}

	return unix.Munmap(memory)
}

// slot is the one for this sequence number.
func (p *page) slot(seq uint64) []atomic.Uint64 {
	begin := firstSlot
	if seq%2 == 0 {
		begin = secondSlot
	}

	return p.words[begin : begin+slotWords]
}

// format makes an empty page of it.
func (p *page) format() {
	p.words[wordWritten].Store(0)
	p.slot(0)[wordStamp].Store(0)
	p.slot(1)[wordStamp].Store(0)
	p.words[wordMagic].Store(magic)
}

// put writes a record into its slot.
func (p *page) put(r Record) {
	words, slot := r.words(), p.slot(r.Seq)
	for step := range putSteps {
		p.putStep(&words, slot, step)
	}
}

// putSteps is the number of stores of one put. Whatever the step before which the process
// dies, the slot is complete or has no stamp.
const putSteps = slotWords + 2

func (p *page) putStep(words *[slotWords]uint64, slot []atomic.Uint64, step int) {
	switch step {
	case wordStamp:
		slot[wordStamp].Store(0)
	case slotWords:
		slot[wordStamp].Store(words[wordStamp])
	case slotWords + 1:
		p.words[wordWritten].Store(1)
	default:
		slot[step].Store(words[step])
	}
}

var errMoved = errors.New("written meanwhile")

// get reads one slot: ErrNone when it has no stamp, errMoved when it was written while read.
func (p *page) get(parity uint64) (Record, error) {
	var words [slotWords]uint64
	slot := p.slot(parity)
	for i := range words {
		words[i] = slot[i].Load()
	}
	switch {
	case slot[wordStamp].Load() != words[wordStamp]:
		return Record{}, errMoved
	case words[wordStamp] == 0:
		return Record{}, ErrNone
	case words[wordStamp]%2 != parity:
		return Record{}, fmt.Errorf("%w: record %d is in the wrong place", ErrDamaged, words[wordStamp])
	}

	return parse(&words)
}

// newest reads the record in force.
func (p *page) newest() (Record, error) {
	switch p.words[wordMagic].Load() {
	case magic:
	case 0:
		return Record{}, ErrNone
	default:
		return Record{}, fmt.Errorf("%w: its format is unknown", ErrDamaged)
	}
	for range maxTries {
		odd, oddErr := p.get(1)
		even, evenErr := p.get(0)
		// The first must still be what it was: else the second may be in the middle of a
		// write two records later, and the first would pass for the newest.
		if oddErr == nil && p.slot(1)[wordStamp].Load() != odd.Seq {
			continue
		}
		record, err := newer(odd, even, oddErr, evenErr)
		if errors.Is(err, errMoved) || errors.Is(err, ErrNone) && p.words[wordWritten].Load() != 0 {
			continue
		}

		return record, err
	}

	return Record{}, fmt.Errorf("%w: it never stays the same for the time of a read", ErrDamaged)
}

// newer chooses between what the two slots gave.
func newer(odd, even Record, oddErr, evenErr error) (Record, error) {
	for _, worst := range []error{errMoved, ErrDamaged} {
		for _, err := range []error{oddErr, evenErr} {
			if errors.Is(err, worst) {
				return Record{}, err
			}
		}
	}
	if oddErr == nil && (evenErr != nil || odd.Seq > even.Seq) {
		return odd, oddErr
	}

	return even, evenErr
}
