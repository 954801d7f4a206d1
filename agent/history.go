package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

const (
	maxHistorySize  = 8 << 20
	maxHistoryEntry = 1 << 20
)

func (s *FileStore) historyPath() string { return filepath.Join(s.stateDir, "history") }

// kept is how much the file of the history holds, so that a run can be added without reading
// all the others. The zero value knows nothing.
type kept struct {
	known       bool
	lines, size int
}

// AppendHistory adds one run. When the file has grown to twice what is kept, in
// runs or in bytes, it is rewritten with the newest.
func (s *FileStore) AppendHistory(entry HistoryEntry) error {
	body, err := json.Marshal(entry)
	if err != nil {
		return fmt.Errorf("add run %d to the history: %w", entry.Run, err)
	}
	if len(body) > maxHistoryEntry { // a run with thousands of participants: keep its outline
		entry.Levels = nil
		if body, err = json.Marshal(entry); err != nil {
			return fmt.Errorf("add run %d to the history: %w", entry.Run, err)
		}
	}
	if err := s.addHistory(body); err != nil {
		s.kept = kept{} // whatever is in it now

		return fmt.Errorf("add run %d to the history: %w", entry.Run, err)
	}

	return nil
}

func (s *FileStore) addHistory(body []byte) error {
	if err := os.MkdirAll(s.stateDir, 0o755); err != nil {
		return err
	}
	full := s.kept.lines >= 2*s.historyRuns || s.kept.size > maxHistorySize
	if s.kept.known && !full {
		s.kept.lines, s.kept.size = s.kept.lines+1, s.kept.size+len(body)

		return appendFile(s.historyPath(), appendRecord(nil, body))
	}
	lines, err := s.historyLines()
	if err != nil {
		return err
	}
	s.kept = keptOf(lines)
	if s.kept.lines >= 2*s.historyRuns || s.kept.size > maxHistorySize {
		return s.rewriteHistory(append(lines, body))
	}

	return s.addHistory(body)
}

func keptOf(lines [][]byte) kept {
	k := kept{known: true, lines: len(lines)}
	for _, line := range lines {
		k.size += len(line)
	}

	return k
}

// rewriteHistory keeps the newest lines that fit into half of the limits.
func (s *FileStore) rewriteHistory(lines [][]byte) error {
	lines = lines[max(0, len(lines)-s.historyRuns):]
	size := 0
	first := len(lines)
	for first > 0 && (first == len(lines) || size+len(lines[first-1]) <= maxHistorySize/2) {
		first--
		size += len(lines[first])
	}
	var text []byte
	for _, line := range lines[first:] {
		text = appendRecord(text, line)
	}
	s.kept = keptOf(lines[first:])

	return replaceFile(s.historyPath(), text, false)
}

// appendFile adds text at the end; what was written in part is cut off again.
func appendFile(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	size, err := goodSize(file)
	if err == nil {
		if _, err = file.WriteAt(text, size); err != nil {
			_ = file.Truncate(size)
		}
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}

	return err
}

// goodSize is the size up to the last line end: a torn line is overwritten.
func goodSize(file *os.File) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	size := info.Size()
	last := make([]byte, 1)
	for size > 0 {
		if _, err := file.ReadAt(last, size-1); err != nil {
			return 0, err
		}
		if last[0] == '\n' {
			break
		}
		size--
	}

	return size, nil
}

// historyLines returns the good records, oldest first. Damaged lines are left
// out: each run stands for itself.
func (s *FileStore) historyLines() ([][]byte, error) {
	text, err := os.ReadFile(s.historyPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var lines [][]byte
	for len(text) > 0 {
		body, rest, err := nextRecord(text)
		if errors.Is(err, errTorn) {
			break
		}
		if err == nil {
			lines = append(lines, body)
		} else {
			_, rest = cutLine(text)
		}
		text = rest
	}

	return lines, nil
}

func cutLine(text []byte) (line, rest []byte) {
	if end := slices.Index(text, '\n'); end >= 0 {
		return text[:end], text[end+1:]
	}

	return text, nil
}

// History returns the newest runs first; limit 0 = all that are kept.
func (s *FileStore) History(limit int) ([]HistoryEntry, error) {
	lines, err := s.historyLines()
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	kept := s.historyRuns
	if limit > 0 {
		kept = min(kept, limit)
	}
	var entries []HistoryEntry
	for _, line := range slices.Backward(lines) {
		if len(entries) == kept {
			break
		}
		var entry HistoryEntry
		if json.Unmarshal(line, &entry) == nil {
			entries = append(entries, entry)
		}
	}

	return entries, nil
}
