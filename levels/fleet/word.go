package fleet

import "fmt"

func doWords() []string { return []string{"shutdown", "reboot", "switchover"} }

func stateWords() []string {
	return []string{"waiting", "ordered", "taken", "done", "skipped", "failed"}
}

// String returns the word.
func (d Do) String() string { return word(uint8(d), doWords()) }

// MarshalText writes the word.
func (d Do) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the word.
func (d *Do) UnmarshalText(text []byte) error {
	value, err := parse(string(text), doWords())
	*d = Do(value)

	return err
}

// String returns the word.
func (s State) String() string { return word(uint8(s), stateWords()) }

// MarshalText writes the word.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word.
func (s *State) UnmarshalText(text []byte) error {
	value, err := parse(string(text), stateWords())
	*s = State(value)

	return err
}

func word(value uint8, words []string) string {
	if int(value) >= len(words) {
		return "unknown"
	}

	return words[value]
}

func parse(text string, words []string) (uint8, error) {
	for value, candidate := range words {
		if candidate == text {
			return uint8(value), nil
		}
	}

	return 0, fmt.Errorf("%q, want one of %q", text, words)
}
