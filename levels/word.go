package levels

import "fmt"

// word returns the text of an enumeration value, or "unknown" for a value that
// no table names. The first entry of every table is the zero value.
func word[T ~uint8](value T, words []string) string {
	if int(value) >= len(words) {
		return words[0]
	}

	return words[value]
}

// parseWord is the inverse of word. It never returns the zero value without an
// error, so that "unknown" cannot be asked for.
func parseWord[T ~uint8](kind, text string, words []string) (T, error) {
	for value, candidate := range words {
		if value > 0 && candidate == text {
			return T(value), nil
		}
	}

	return 0, fmt.Errorf("%w: %s %q, want one of %q", ErrInvalid, kind, text, words[1:])
}
