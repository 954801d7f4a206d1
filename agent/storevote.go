package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// voteRecord is the body of vote.json.
type voteRecord struct {
	Format int `json:"format"`
	election.State
}

// LoadVote returns what this voter has promised, nil when there is no file. Damage sets it
// aside and gives *DamagedError; a newer format gives *NewerError.
func (s *FileStore) LoadVote() (*election.State, error) {
	var record voteRecord
	body, err := readRecordFile(s.votePath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no file is no state and no error
	}
	if err == nil {
		err = checkFormat(s.votePath(), body, voteFormat)
	}
	if err == nil && json.Unmarshal(body, &record) != nil {
		err = &damage{cause: "it does not hold what it should"}
	}
	if d, ok := errors.AsType[*damage](err); ok {
		return nil, &DamagedError{File: s.votePath(), Aside: setAside(s.votePath()), Cause: d.cause}
	}
	if err != nil {
		return nil, err
	}

	return &record.State, nil
}

// SaveVote replaces the voter's memory; it survives a power cut afterwards.
func (s *FileStore) SaveVote(state *election.State) error {
	body, err := json.Marshal(voteRecord{Format: voteFormat, State: *state})
	if err != nil {
		return fmt.Errorf("write the voter's state: %w", err)
	}
	if err := os.MkdirAll(s.stateDir, 0o755); err != nil {
		return fmt.Errorf("write the voter's state: %w", err)
	}
	if err := replaceFile(s.votePath(), appendRecord(nil, body), true); err != nil {
		return fmt.Errorf("write the voter's state: %w", err)
	}

	return nil
}
