package doctor

import "fmt"

// Verdict is what a check makes of the facts. The zero value is Pass.
type Verdict uint8

// The verdicts.
const (
	Pass Verdict = iota
	Warn
	Fail
	Skip // could not be looked at
)

func words() []string { return []string{"pass", "warn", "fail", "skip"} }

// String returns the word.
func (v Verdict) String() string { return words()[v] }

// MarshalText writes the word.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads the word.
func (v *Verdict) UnmarshalText(text []byte) error {
	for i, word := range words() {
		if word == string(text) {
			*v = Verdict(i)

			return nil
		}
	}

	return fmt.Errorf("verdict %q, want pass, warn, fail or skip", text)
}

// Result is one thing that a check has to say.
type Result struct {
	// Check is a word: what was looked at.
	Check   string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	// Text is one sentence without a full stop.
	Text string `json:"text"`
	// Do is what to do about it, in order; empty for a pass.
	Do []string `json:"do"`
}

// Count says how many results have the verdict.
func Count(results []Result, verdict Verdict) int {
	count := 0
	for _, result := range results {
		if result.Verdict == verdict {
			count++
		}
	}

	return count
}

func pass(format string, args ...any) Result {
	return Result{Verdict: Pass, Text: fmt.Sprintf(format, args...)}
}

func warn(text string, do ...string) Result { return Result{Verdict: Warn, Text: text, Do: do} }

func fail(text string, do ...string) Result { return Result{Verdict: Fail, Text: text, Do: do} }

// skip says what was not looked at, and why.
func skip(what, why string) Result {
	return Result{Verdict: Skip, Text: what + " not checked: " + why}
}
