package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// said is a message that an agent has written to the journal of its node.
type said struct {
	at   time.Time
	text string
}

// journals are the messages of all agents from then on, in the order of the clock, which all
// nodes share.
func (f *fleet) journals(since time.Time) ([]said, error) {
	var all []said
	for _, node := range f.Nodes() {
		text, _, err := node.Try("journalctl", "--unit="+agentUnit, "--output=json", fmt.Sprintf("--since=@%d", since.Unix()-1))
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(text) {
			var entry struct {
				Message string `json:"MESSAGE"`
				Sent    int64  `json:"_SOURCE_REALTIME_TIMESTAMP,string"`
			}
			if json.Unmarshal([]byte(line), &entry) != nil {
				continue
			}
			if at := time.UnixMicro(entry.Sent); !at.Before(since) {
				all = append(all, said{at, entry.Message})
			}
		}
	}
	slices.SortFunc(all, func(a, b said) int { return a.at.Compare(b.at) })

	return all, nil
}
