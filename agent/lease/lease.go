package lease

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Writer writes the record. It is owned by one goroutine of one process at a time.
type Writer struct {
	file *os.File // open because the lock hangs on it
	page page
	seq  uint64
	pid  int
	last Record
	err  error
}

// Open opens the file for writing, and makes it, readable for its owner only, when there is
// none. What was in force is then to be had from Last, and stays so until the first Write. A
// damaged file begins anew: neither of its records can be trusted, because the damaged one
// may have been the end of what the other one grants. It returns ErrInUse when another
// process has the file.
func Open(path string) (*Writer, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lease record: %w", err)
	}
	w := &Writer{file: file, pid: os.Getpid()}
	if err := w.take(path); err != nil {
		_ = file.Close()

		return nil, err
	}

	return w, nil
}

func (w *Writer) take(path string) error {
	err := unix.Flock(int(w.file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("open lease record %s: %w", path, ErrInUse)
	}
	if err != nil {
		return fmt.Errorf("lock lease record %s: %w", path, err)
	}
	info, err := w.file.Stat()
	if err != nil {
		return fmt.Errorf("open lease record: %w", err)
	}
	if info.Size() != pageSize {
		if err := w.file.Truncate(pageSize); err != nil {
			return fmt.Errorf("size lease record: %w", err)
		}
	}
	if w.page, err = mapPage(w.file, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return fmt.Errorf("map lease record %s: %w", path, err)
	}
	w.last, w.err = w.page.newest()
	if info.Size() != pageSize && info.Size() != 0 {
		w.last, w.err = Record{}, fmt.Errorf("%w: it had %d bytes, want %d", ErrDamaged, info.Size(), pageSize)
	}
	if w.err != nil {
		w.page.format()
	}
	w.seq = w.last.Seq

	return nil
}

// Last returns the record that was in force when the file was opened, or that was written
// since; ErrNone when there was none, an error that is ErrDamaged with the cause when what
// there was is lost. The caller compares Boot before it believes it.
func (w *Writer) Last() (Record, error) { return w.last, w.err }

// Write puts the record in force; Seq and PID are filled in. It cannot fail.
func (w *Writer) Write(r Record) {
	w.seq++
	r.Seq, r.PID = w.seq, w.pid
	w.page.put(r)
	w.last, w.err = r, nil
}

// Close gives the file back; the record stays in force. The Writer must not be used again.
func (w *Writer) Close() error { return errors.Join(w.page.unmap(), w.file.Close()) }

// Reader reads the record. It is owned by one goroutine.
type Reader struct{ page page }

// OpenReader opens the file for reading; it fails with fs.ErrNotExist before the first
// writer has made it, and with ErrDamaged when it has not the size of a record.
func OpenReader(path string) (*Reader, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("open lease record: %w", err)
	}
	defer func() { _ = file.Close() }() // the mapping stays
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("open lease record: %w", err)
	}
	if info.Size() != pageSize {
		return nil, fmt.Errorf("%w: it has %d bytes, want %d", ErrDamaged, info.Size(), pageSize)
	}
	mapped, err := mapPage(file, unix.PROT_READ)
	if err != nil {
		return nil, fmt.Errorf("map lease record: %w", err)
	}

	return &Reader{page: mapped}, nil
}

// Read returns the record in force, and whether there is one. It makes no system call.
func (r *Reader) Read() (Record, bool) {
	record, err := r.Inspect()

	return record, err == nil
}

// Inspect is Read with the reason why there is none: ErrNone or ErrDamaged.
func (r *Reader) Inspect() (Record, error) { return r.page.newest() }

// Close gives the memory back. The Reader must not be used again.
func (r *Reader) Close() error { return r.page.unmap() }
