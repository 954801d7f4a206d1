package pair

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Entry is one number of one client, taken by the primary of a term. Two copies that have an
// entry of the same term at the same place are the same up to there.
type Entry struct {
	Term   uint64 `json:"term"`
	Client string `json:"client"`
	Number uint64 `json:"number"`
}

// extent says how far a copy goes: the term of its last entry, and how many there are.
type extent struct {
	Last  uint64 `json:"last"`
	Count int    `json:"count"`
}

func (e extent) beyond(other extent) bool {
	return e.Last > other.Last || e.Last == other.Last && e.Count > other.Count
}

// book is a copy in a file: a line of JSON for each entry. Its Copy's lock guards it.
type book struct {
	file    *os.File
	size    int64 // of what is written and good
	entries []Entry
	highest map[string]uint64 // number of each client
}

// openBook reads the file, or makes it. A line that a power cut has torn was never
// acknowledged, and goes.
func openBook(name string) (*book, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	b := &book{file: file, highest: map[string]uint64{}}
	for line := range bytes.Lines(text) {
		var e Entry
		if !bytes.HasSuffix(line, []byte("\n")) || json.Unmarshal(line, &e) != nil {
			break
		}
		b.size += int64(len(line))
		b.take(e)
	}
	if err = file.Truncate(b.size); err != nil {
		return nil, errors.Join(err, file.Close())
	}

	return b, nil
}

func (b *book) take(e Entry) {
	b.entries = append(b.entries, e)
	b.highest[e.Client] = max(b.highest[e.Client], e.Number)
}

// add returns when the entries are on the disk, all or none of them.
func (b *book) add(entries ...Entry) error {
	if len(entries) == 0 {
		return nil
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	for _, e := range entries {
		if err := encoder.Encode(e); err != nil {
			return err
		}
	}
	_, err := b.file.WriteAt(text.Bytes(), b.size)
	if err == nil {
		err = b.file.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write entries: %w", err), b.file.Truncate(b.size))
	}
	b.size += int64(text.Len())
	for _, e := range entries {
		b.take(e)
	}

	return nil
}

func (b *book) extent() extent {
	if len(b.entries) == 0 {
		return extent{}
	}

	return extent{Last: b.entries[len(b.entries)-1].Term, Count: len(b.entries)}
}

// agrees says whether a copy of that extent is the beginning of this one.
func (b *book) agrees(e extent) bool {
	return e.Count == 0 || e.Count <= len(b.entries) && b.entries[e.Count-1].Term == e.Last
}

// clear begins anew, for a copy that went another way than the primary.
func (b *book) clear() error {
	b.size, b.entries, b.highest = 0, nil, map[string]uint64{}

	return b.file.Truncate(0)
}
