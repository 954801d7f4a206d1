package lease

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

func openFile(t *testing.T, path string) *Writer {
	t.Helper()
	w, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}

	return w
}

func openReader(t *testing.T, path string) *Reader {
	t.Helper()
	r, err := OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })

	return r
}

// numbered is a record of which every field follows from its number.
func numbered(n uint64) Record {
	return Record{
		Boot: n * 3, Term: n * 5, Held: n%2 == 0, SelfFence: n%3 == 0,
		From: int64(n * 7), Until: int64(n * 11), KillAt: int64(n * 13),
	}
}

// withoutStamp leaves what the caller of Write gave.
func withoutStamp(r Record) Record {
	r.Seq, r.PID = 0, 0

	return r
}

// TestRecordsComeBackAsWritten: any record, written and read through another mapping, and by
// the next writer. Method: random histories of writes and restarts against a plain variable.
func TestRecordsComeBackAsWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		path := filepath.Join(dir, rapid.StringMatching(`[a-z]{12}`).Draw(t, "file"))
		defer func() { _ = os.Remove(path) }()
		w, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		r, err := OpenReader(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _, _ = r.Close(), w.Close() }()
		for range rapid.IntRange(0, 20).Draw(t, "writes") {
			want := Record{
				Boot: rapid.Uint64().Draw(t, "boot"), Term: rapid.Uint64().Draw(t, "term"),
				Held: rapid.Bool().Draw(t, "held"), SelfFence: rapid.Bool().Draw(t, "fence"),
				From: rapid.Int64().Draw(t, "from"), Until: rapid.Int64().Draw(t, "until"),
				KillAt: rapid.Int64().Draw(t, "kill at"),
			}
			w.Write(want)
			if rapid.Bool().Draw(t, "restart") {
				_ = w.Close()
				if w, err = Open(path); err != nil {
					t.Fatal(err)
				}
			}
			got, ok := r.Read()
			last, err := w.Last()
			if !ok || withoutStamp(got) != want || err != nil || last != got {
				t.Fatalf("read %+v %v, the writer knows %+v %v, want %+v", got, ok, last, err, want)
			}
			if got.PID != os.Getpid() || got.Seq == 0 {
				t.Fatalf("record %d is said to be of process %d, want it numbered and %d", got.Seq, got.PID, os.Getpid())
			}
		}
	})
}

// TestReadsAreNeverTorn: a writer without a pause, readers with mappings of their own. Each
// read must give a record that was written as a whole, not older than the newest that was
// complete when the read began, and never one older than the read before.
func TestReadsAreNeverTorn(t *testing.T) {
	t.Parallel()
	const writes = 300_000
	path := filepath.Join(t.TempDir(), "lease")
	w := openFile(t, path)
	defer func() { _ = w.Close() }()
	var complete atomic.Uint64
	var readers sync.WaitGroup
	for range 3 {
		r := openReader(t, path)
		readers.Go(func() {
			last, reads := uint64(0), 0
			for last < writes && !t.Failed() {
				least := complete.Load()
				got, err := r.Inspect()
				if errors.Is(err, ErrNone) && least == 0 && last == 0 {
					continue
				}
				if err != nil || withoutStamp(got) != numbered(got.Seq) || got.Seq < max(least, last) {
					t.Errorf("read %d gave %+v, %v; records up to %d were complete and %d was read", reads, got, err, least, last)
				}
				last = got.Seq
				reads++
			}
		})
	}
	for n := uint64(1); n <= writes; n++ {
		w.Write(numbered(n))
		complete.Store(n)
	}
	readers.Wait()
}

// TestWriterDiesAnywhere: a process is killed before any of the stores of a Write. The record
// before it, or the new one as a whole, is in force, for readers and for the next process.
func TestWriterDiesAnywhere(t *testing.T) {
	t.Parallel()
	for before := range uint64(4) {
		for step := range putSteps + 1 {
			path := filepath.Join(t.TempDir(), "lease")
			w, r := openFile(t, path), openReader(t, path)
			for n := uint64(1); n <= before; n++ {
				w.Write(numbered(n))
			}
			next := numbered(before + 1)
			next.Seq = before + 1
			words := next.words()
			for done := range step {
				w.page.putStep(&words, w.page.slot(next.Seq), done)
			}
			_ = w.Close()
			want, wantErr := numbered(before), error(nil)
			if step > slotWords {
				want = numbered(before + 1)
			} else if before == 0 {
				want, wantErr = Record{}, ErrNone
			}
			got, err := r.Inspect()
			if withoutStamp(got) != want || !errors.Is(err, wantErr) {
				t.Errorf("dead before step %d after %d records: read %+v, %v, want %+v, %v", step, before, got, err, want, wantErr)
			}
			w = openFile(t, path)
			if last, err := w.Last(); last != got || !errors.Is(err, wantErr) {
				t.Errorf("dead before step %d after %d records: the next process has %+v, %v, want %+v", step, before, last, err, got)
			}
			w.Write(numbered(before + 2))
			if got, err := r.Inspect(); withoutStamp(got) != numbered(before+2) || err != nil {
				t.Errorf("dead before step %d after %d records: the next process writes %+v, %v", step, before, got, err)
			}
			_ = w.Close()
		}
	}
}

// TestDamageIsToldAndGrantsNothing: every bit of either slot and of the format turns over. No
// lease is read then, by a reader or by the next process, which begins anew. Both slots
// count: the damaged one may have been the end of what the other grants.
func TestDamageIsToldAndGrantsNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lease")
	places := []int{wordMagic}
	for i := range slotWords {
		places = append(places, firstSlot+i, secondSlot+i)
	}
	for _, place := range places {
		for bit := range 64 {
			_ = os.Remove(path)
			w, r := openFile(t, path), openReader(t, path)
			for n := uint64(1); n <= 6; n++ {
				w.Write(numbered(n))
			}
			_ = w.Close()
			damaged := openFile(t, path)
			word := &damaged.page.words[place]
			word.Store(word.Load() ^ 1<<bit)
			_ = damaged.Close()
			if got, err := r.Inspect(); !errors.Is(err, ErrDamaged) || got != (Record{}) {
				t.Errorf("word %d, bit %d: read %+v, %v, want ErrDamaged", place, bit, got, err)
			}
			w = openFile(t, path)
			if got, err := w.Last(); !errors.Is(err, ErrDamaged) || got != (Record{}) {
				t.Errorf("word %d, bit %d: the next process has %+v, %v, want ErrDamaged", place, bit, got, err)
			}
			if _, err := r.Inspect(); !errors.Is(err, ErrNone) {
				t.Errorf("word %d, bit %d: after the next process began there is %v, want ErrNone", place, bit, err)
			}
			w.Write(numbered(1))
			if got, ok := r.Read(); !ok || withoutStamp(got) != numbered(1) {
				t.Errorf("word %d, bit %d: the first new record reads %+v, %v", place, bit, got, ok)
			}
			_ = w.Close()
			_ = r.Close()
		}
	}
}

// TestRubbishIsNoLease: random pages are damaged or empty, and never crash a reader.
func TestRubbishIsNoLease(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lease")
	random := rand.NewChaCha8([32]byte{1})
	page := make([]byte, pageSize)
	for range 200 {
		_, _ = random.Read(page)
		if err := os.WriteFile(path, page, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := OpenReader(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Inspect(); !errors.Is(err, ErrDamaged) {
			t.Errorf("a random page reads %+v, %v", got, err)
		}
		_ = r.Close()
	}
}

// TestFileIsAsItMustBe: made for root alone, held by one writer, not followed through a link,
// and of one size.
func TestFileIsAsItMustBe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "lease")
	if _, err := OpenReader(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a reader before the first writer gets %v, want fs.ErrNotExist", err)
	}
	w := openFile(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 || info.Size() != pageSize {
		t.Errorf("the file is %v, %v; want mode 0600 and %d bytes", info, err, pageSize)
	}
	if _, err := Open(path); !errors.Is(err, ErrInUse) {
		t.Errorf("a second writer gets %v, want ErrInUse", err)
	}
	if _, err := w.Last(); !errors.Is(err, ErrNone) {
		t.Errorf("a new file holds %v, want ErrNone", err)
	}
	_ = w.Close()
	if err := os.Symlink(path, path+".link"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path + ".link"); err == nil {
		t.Error("a link was followed for writing")
	}
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReader(path); !errors.Is(err, ErrDamaged) {
		t.Errorf("a short file gives a reader %v, want ErrDamaged", err)
	}
	w = openFile(t, path)
	if _, err := w.Last(); !errors.Is(err, ErrDamaged) {
		t.Errorf("a short file gives a writer %v, want ErrDamaged", err)
	}
	_ = w.Close()
}

// TestSecondCloseTouchesNothing: the address may belong to another mapping by then.
func TestSecondCloseTouchesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lease")
	first := openFile(t, path)
	r, err := OpenReader(path)
	if err != nil || first.Close() != nil || r.Close() != nil {
		t.Fatal(err)
	}
	second := openFile(t, path)
	defer func() { _ = second.Close() }()
	if err := r.Close(); err != nil {
		t.Errorf("a reader's second Close: %v", err)
	}
	_ = first.Close()
	second.Write(numbered(1)) // a fault, were it unmapped
}

// TestDue: only a lease that is held and ends makes the guard act.
func TestDue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		record Record
		now    int64
		want   bool
	}{
		{Record{}, 5, false},
		{Record{KillAt: 3}, 5, false},
		{Record{Held: true}, 5, false},
		{Record{Held: true, KillAt: 6}, 5, false},
		{Record{Held: true, KillAt: 5}, 5, true},
		{Record{Held: true, KillAt: 3}, 5, true},
		{Record{Held: true, KillAt: Forever}, Forever, false},
	} {
		if got := c.record.Due(c.now); got != c.want {
			t.Errorf("%+v at %d: %v, want %v", c.record, c.now, got, c.want)
		}
	}
}

// TestWriteAllocatesNothing: it is in the way of every renewal.
func TestWriteAllocatesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lease")
	w, r := openFile(t, path), openReader(t, path)
	defer func() { _ = w.Close() }()
	if n := testing.AllocsPerRun(100, func() { w.Write(numbered(1)); _, _ = r.Read() }); n != 0 {
		t.Errorf("writing and reading allocates %v times, want 0", n)
	}
}

// BenchmarkWrite is what a renewal pays for the record.
func BenchmarkWrite(b *testing.B) {
	w, err := Open(filepath.Join(b.TempDir(), "lease"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	for n := uint64(1); b.Loop(); n++ {
		w.Write(numbered(n))
	}
}
