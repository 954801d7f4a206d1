package election

import "strconv"

// word is the text of an enumeration's value.
func word[T ~uint8](value T, words []string) string {
	if int(value) < len(words) {
		return words[value]
	}

	return "number " + strconv.Itoa(int(value))
}
