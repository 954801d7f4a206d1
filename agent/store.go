package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cssc-ha/cssc/levels"
)

// Formats of the state files that this program reads and writes.
const (
	bootFormat    = 1
	durableFormat = 1
	voteFormat    = 1
	maxLogSize    = 256 << 20
)

// FileStore keeps the state in two directories. It is owned by the loop, but
// History may be called from any goroutine. FileStore satisfies Store.
type FileStore struct {
	runDir, stateDir string
	historyRuns      int
	incarnation      string
	codec            *codec
	log              *os.File // open for appending; nil before the first snapshot
	size             int64    // of the log as far as it is good
	kept             kept     // in the history
}

// StoreOptions says where the state is kept.
type StoreOptions struct {
	// RunDir lives as long as the boot, StateDir for ever.
	RunDir, StateDir string
	// Incarnation names this boot.
	Incarnation string
	// HistoryRuns bounds the history.
	HistoryRuns int
}

// NewFileStore returns a store; it touches no file yet.
func NewFileStore(options StoreOptions) *FileStore {
	return &FileStore{
		runDir: options.RunDir, stateDir: options.StateDir, incarnation: options.Incarnation,
		historyRuns: max(1, options.HistoryRuns), codec: newCodec(),
	}
}

func (s *FileStore) snapshotPath() string { return filepath.Join(s.runDir, "snapshot.json") }
func (s *FileStore) logPath() string      { return filepath.Join(s.runDir, "events.log") }
func (s *FileStore) durablePath() string  { return filepath.Join(s.stateDir, "state.json") }
func (s *FileStore) votePath() string     { return filepath.Join(s.stateDir, "vote.json") }

// snapshotRecord is the body of snapshot.json.
type snapshotRecord struct {
	Format      int           `json:"format"`
	Incarnation string        `json:"incarnation"`
	Serial      uint64        `json:"serial"`
	Machine     *levels.Saved `json:"machine"`
}

// LoadBoot returns what this boot has saved so far, empty when nothing. Damage
// sets both files aside and gives *DamagedError beside an empty state; a newer
// format gives *NewerError and leaves them alone.
func (s *FileStore) LoadBoot() (*BootState, error) {
	empty := &BootState{Incarnation: s.incarnation}
	var record snapshotRecord
	text, err := os.ReadFile(s.snapshotPath())
	if err == nil {
		err = parseSnapshot(s.snapshotPath(), text, &record)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return empty, nil
	}
	if err == nil && record.Incarnation != s.incarnation {
		return empty, nil // an earlier boot's; the first snapshot replaces it
	}
	state := &BootState{Incarnation: s.incarnation, Serial: record.Serial, Machine: record.Machine}
	damagedFile := s.snapshotPath()
	if err == nil {
		damagedFile = s.logPath()
		err = s.readLog(state)
	}
	if d, ok := errors.AsType[*damage](err); ok {
		asides := map[string]string{s.snapshotPath(): setAside(s.snapshotPath()), s.logPath(): setAside(s.logPath())}

		return empty, &DamagedError{File: damagedFile, Aside: asides[damagedFile], Cause: d.cause}
	}
	if err != nil {
		return empty, err
	}

	return state, nil
}

// parseSnapshot looks at the format first: the rest of a newer one may not fit
// into this program's types.
func parseSnapshot(path string, text []byte, record *snapshotRecord) error {
	body, err := onlyRecord(text)
	if err != nil {
		return err
	}
	if err := checkFormat(path, body, bootFormat); err != nil {
		return err
	}
	if err := json.Unmarshal(body, record); err != nil {
		return &damage{cause: err.Error()}
	}
	if record.Machine == nil {
		return &damage{cause: "it holds no state"}
	}

	return nil
}

func checkFormat(path string, body []byte, known int) error { //nolint:unparam // each file counts its formats by itself
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(body, &head); err != nil {
		return &damage{cause: err.Error()}
	}
	switch {
	case head.Format > known:
		return &NewerError{File: path, Format: head.Format, Known: known}
	case head.Format < 1:
		return &damage{cause: fmt.Sprintf("format %d does not exist", head.Format)}
	default:
		return nil
	}
}

// readLog adds the events after the snapshot.
func (s *FileStore) readLog(state *BootState) error {
	text, err := os.ReadFile(s.logPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}

	return parseLog(s.codec, text, state)
}

// parseLog adds events. Records up to the snapshot's own serial remain when the
// power went between replacing one file and the other.
func parseLog(codec *codec, text []byte, state *BootState) error {
	next := state.Serial + 1
	for len(text) > 0 {
		body, rest, err := nextRecord(text)
		if errors.Is(err, errTorn) {
			state.Torn = true

			return nil
		}
		if err != nil {
			return &damage{cause: err.Error()}
		}
		event, err := codec.decode(body)
		if err != nil {
			return &damage{cause: err.Error()}
		}
		text = rest
		if event.Serial < next {
			continue
		}
		if event.Serial != next {
			return &damage{cause: fmt.Sprintf("event %d is missing", next)}
		}
		state.Events = append(state.Events, event)
		next++
	}

	return nil
}

// Append writes the events in one write. On an error none of them counts, and
// the caller must make the next save a Snapshot.
func (s *FileStore) Append(events []StampedEvent) error {
	if s.log == nil {
		return errors.New("append to the boot log: no snapshot was written yet")
	}
	var buffer []byte
	for _, event := range events {
		body, err := s.codec.encode(event)
		if err != nil {
			return fmt.Errorf("append %T to the boot log: %w", event.Event, err)
		}
		buffer = appendRecord(buffer, body)
	}
	if s.size+int64(len(buffer)) > maxLogSize {
		return fmt.Errorf("append to the boot log: it would grow beyond %d bytes", maxLogSize)
	}
	if _, err := s.log.WriteAt(buffer, s.size); err != nil {
		_ = s.log.Truncate(s.size) // what was written in part is torn anyway

		return fmt.Errorf("append to the boot log: %w", err)
	}
	s.size += int64(len(buffer))

	return nil
}

// Snapshot replaces the saved machine and begins a new log.
func (s *FileStore) Snapshot(state *BootState) error {
	body, err := json.Marshal(snapshotRecord{
		Format: bootFormat, Incarnation: s.incarnation, Serial: state.Serial, Machine: state.Machine,
	})
	if err != nil {
		return fmt.Errorf("write the boot snapshot: %w", err)
	}
	if err := os.MkdirAll(s.runDir, 0o755); err != nil {
		return fmt.Errorf("write the boot snapshot: %w", err)
	}
	if err := replaceFile(s.snapshotPath(), appendRecord(nil, body), false); err != nil {
		return fmt.Errorf("write the boot snapshot: %w", err)
	}
	// Old records may stay until here: their serials are those of the snapshot.
	log, err := os.OpenFile(s.logPath(), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("begin a new boot log: %w", err)
	}
	if s.log != nil {
		_ = s.log.Close()
	}
	s.log, s.size = log, 0

	return nil
}

// Close gives the log's file back.
func (s *FileStore) Close() error {
	if s.log == nil {
		return nil
	}
	log := s.log
	s.log = nil

	return log.Close()
}

// durableRecord is the body of state.json.
type durableRecord struct {
	Format int `json:"format"`
	DurableState
}

// LoadDurable returns the state that survives boots, that of a new node when
// there is none. Damage gives *DamagedError beside a state whose term is at
// least that of the history.
func (s *FileStore) LoadDurable() (*DurableState, error) {
	fresh := &DurableState{Qualified: true}
	record := durableRecord{DurableState: *fresh}
	body, err := readRecordFile(s.durablePath())
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err == nil {
		err = checkFormat(s.durablePath(), body, durableFormat)
	}
	if err == nil && json.Unmarshal(body, &record) != nil {
		err = &damage{cause: "it does not hold what it should"}
	}
	if d, ok := errors.AsType[*damage](err); ok {
		s.lowerBounds(fresh)

		return fresh, &DamagedError{File: s.durablePath(), Aside: setAside(s.durablePath()), Cause: d.cause}
	}
	if err != nil {
		return fresh, err
	}

	return &record.DurableState, nil
}

// lowerBounds takes from the history what must not be given out again.
func (s *FileStore) lowerBounds(state *DurableState) {
	entries, err := s.History(0)
	if err != nil {
		return // nothing to learn; the state file's damage is reported
	}
	for _, entry := range entries {
		state.Term, state.Run = max(state.Term, entry.Term), max(state.Run, entry.Run)
	}
}

// SaveDurable replaces the durable state; it survives a power cut afterwards.
func (s *FileStore) SaveDurable(state *DurableState) error {
	body, err := json.Marshal(durableRecord{Format: durableFormat, DurableState: *state})
	if err != nil {
		return fmt.Errorf("write the durable state: %w", err)
	}
	if err := os.MkdirAll(s.stateDir, 0o755); err != nil {
		return fmt.Errorf("write the durable state: %w", err)
	}
	if err := replaceFile(s.durablePath(), appendRecord(nil, body), true); err != nil {
		return fmt.Errorf("write the durable state: %w", err)
	}

	return nil
}

// SetStandalone leaves the marker that keeps the next boot out of the cluster.
func (s *FileStore) SetStandalone() error {
	if err := os.MkdirAll(s.stateDir, 0o755); err != nil {
		return fmt.Errorf("mark the next boot as standalone: %w", err)
	}
	if err := replaceFile(filepath.Join(s.stateDir, "standalone"), []byte("the next boot is without the cluster\n"), true); err != nil {
		return fmt.Errorf("mark the next boot as standalone: %w", err)
	}

	return nil
}
