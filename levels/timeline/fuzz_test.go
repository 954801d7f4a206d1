package timeline

import (
	"encoding/json"
	"testing"
)

// FuzzPicture draws whatever other nodes may tell: it ends, and gives a well-formed picture
// whose texts do not cover each other.
func FuzzPicture(f *testing.F) {
	for _, runs := range [][]Run{crowd(2, 3).Runs, crowd(1, 0).Runs} {
		text, err := json.Marshal(runs)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`[{"run":1,"node":"n1","sequence":"demote","role":"master","outcome":"failed","reason":"<&","Begin":"2026-11-26T10:00:00Z",
		"End":"9999-11-26T10:00:00Z","started":-9223372036854775808,"ended":9223372036854775807,
		"levels":[{"level":"last","entered":5,"waits":[{"phase":"held","since":7}],"participants":[{"kind":"member","name":"a","outcome":"failed"}]}]}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var runs []Run
		if json.Unmarshal(data, &runs) != nil || len(runs) == 0 || len(data) > 1<<14 {
			return
		}
		transition := Of(runs[0], runs)
		checkPicture(t, "fuzzed", transition)
		Lay(transition, nil).Text(60, nil)
	})
}
