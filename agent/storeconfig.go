package agent

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cssc-ha/cssc/agent/config"
)

// configRecord is the body of config.json.
type configRecord struct {
	Format      int           `json:"format"`
	Incarnation string        `json:"incarnation"`
	Config      config.Config `json:"config"`
}

func (s *FileStore) configPath() string { return filepath.Join(s.runDir, "config.json") }

// SaveConfig keeps the configuration in force for the rest of this boot.
func (s *FileStore) SaveConfig(c config.Config) error {
	body, err := json.Marshal(configRecord{Format: bootFormat, Incarnation: s.incarnation, Config: c})
	if err != nil {
		return fmt.Errorf("keep the configuration: %w", err)
	}
	if err := os.MkdirAll(s.runDir, 0o755); err != nil {
		return fmt.Errorf("keep the configuration: %w", err)
	}
	if err := replaceFile(s.configPath(), appendRecord(nil, body), false); err != nil {
		return fmt.Errorf("keep the configuration: %w", err)
	}

	return nil
}

// LoadConfig returns the configuration that was last in force in this boot.
func (s *FileStore) LoadConfig() (config.Config, error) {
	var record configRecord
	body, err := readRecordFile(s.configPath())
	if err == nil {
		err = checkFormat(s.configPath(), body, bootFormat)
	}
	if err == nil {
		err = json.Unmarshal(body, &record)
	}
	if err == nil && record.Incarnation != s.incarnation {
		err = fmt.Errorf("read %s: it is of another boot", s.configPath())
	}

	return record.Config, err
}
