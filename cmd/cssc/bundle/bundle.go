package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"time"
)

// Limits bound a bundle, in bytes before compression.
type Limits struct{ Part, Total int }

// Options are what a bundle is made of.
type Options struct {
	// Folder is what all names begin with in the archive.
	Folder  string
	Limits  Limits
	Secrets Secrets
	// Now reads the calendar.
	Now func() time.Time
}

// Entry is one part in the manifest.
type Entry struct {
	Name string `json:"name"`
	// Source is where it is from, in words or as a command to type.
	Source string `json:"source"`
	// ReadAt is when it was collected, RFC 3339.
	ReadAt   string `json:"read_at"`
	TookUSec int64  `json:"took_usec"`
	Bytes    int    `json:"bytes"`
	// Cut says that it was longer.
	Cut bool `json:"cut,omitempty"`
	// Hidden counts what was taken out of it because it looked like a secret.
	Hidden int `json:"hidden,omitempty"`
	// Error is why it is missing, or not complete.
	Error string `json:"error,omitempty"`
}

// Manifest is the last part, manifest.json.
type Manifest struct {
	// About is what the caller says of the whole.
	About any     `json:"about"`
	Parts []Entry `json:"parts"`
}

// Part is one thing to collect.
type Part struct {
	Name, Source string
	Limit        time.Duration
	// Newest says that of a part that is too long the end is kept.
	Newest bool
	// Collect may return data and an error: then the part is not complete.
	Collect func(ctx context.Context) ([]byte, error)
}

// Bundle is an archive that is being written.
type Bundle struct {
	options Options
	packed  *gzip.Writer
	archive *tar.Writer
	room    int
	entries []Entry
	broken  error
}

// ErrNoRoom says that the bundle is full.
var ErrNoRoom = errors.New("the bundle is full")

// New begins a bundle.
func New(out io.Writer, options Options) *Bundle {
	packed := gzip.NewWriter(out)

	return &Bundle{options: options, packed: packed, archive: tar.NewWriter(packed), room: options.Limits.Total}
}

// Entries are the parts so far.
func (b *Bundle) Entries() []Entry { return slices.Clone(b.entries) }

// Add collects a part and writes it. What goes wrong with the part is in its entry; what goes
// wrong with the archive, Close returns.
func (b *Bundle) Add(ctx context.Context, part Part) {
	began := b.options.Now()
	entry := Entry{Name: part.Name, Source: part.Source, ReadAt: began.Format(time.RFC3339Nano)}
	data, err := b.collect(ctx, part)
	entry.TookUSec = b.options.Now().Sub(began).Microseconds()
	data, entry.Hidden = b.options.Secrets.Hide(data)
	data, entry.Cut = cut(data, min(b.options.Limits.Part, max(0, b.room)), part.Newest)
	if entry.Cut && len(data) == 0 {
		err = errors.Join(err, ErrNoRoom)
	}
	if err != nil {
		text, _ := b.options.Secrets.Hide([]byte(err.Error()))
		entry.Error = string(text)
	}
	entry.Bytes = len(data)
	b.room -= len(data)
	b.entries = append(b.entries, entry)
	if len(data) > 0 || err == nil {
		b.write(part.Name, data, began)
	}
}

// collect bounds the collecting function, although it may not heed its context.
func (b *Bundle) collect(ctx context.Context, part Part) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("no time was left: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, part.Limit)
	defer cancel()
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1) // never closed; the one result must not block anybody
	go func() {
		data, err := part.Collect(ctx)
		done <- result{data, err}
	}()
	select {
	case got := <-done:
		return got.data, got.err
	case <-ctx.Done():
		return nil, fmt.Errorf("not had within %v: %w", part.Limit, ctx.Err())
	}
}

// cut shortens to at most so many bytes, keeping whole lines where there are some.
func cut(data []byte, most int, newest bool) (kept []byte, shorter bool) {
	if len(data) <= most {
		return data, false
	}
	if newest {
		kept = data[len(data)-most:]
		if end := bytes.IndexByte(kept, '\n'); end >= 0 {
			kept = kept[end+1:]
		}

		return kept, true
	}
	kept = data[:most]
	if end := bytes.LastIndexByte(kept, '\n'); end >= 0 {
		kept = kept[:end+1]
	}

	return kept, true
}

func (b *Bundle) write(name string, data []byte, at time.Time) {
	if b.broken != nil {
		return
	}
	b.broken = b.archive.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: path.Join(b.options.Folder, path.Clean("/"+name)), Mode: 0o600, Size: int64(len(data)), ModTime: at.Truncate(time.Second),
	})
	if b.broken == nil {
		_, b.broken = b.archive.Write(data)
	}
}

// Close writes the manifest and ends the archive. The error is the first one of writing it.
func (b *Bundle) Close(about any) error {
	text, err := json.MarshalIndent(Manifest{About: about, Parts: b.entries}, "", "  ")
	if err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	text, _ = b.options.Secrets.Hide(text)
	b.write("manifest.json", append(text, '\n'), b.options.Now())

	return errors.Join(b.broken, b.archive.Close(), b.packed.Close())
}
