package config

import (
	"slices"
	"strings"
)

// Closest returns the candidate that a mistyped word most likely meant, or "".
func Closest(word string, candidates []string) string {
	best, bestDistance := "", max(2, len(word)/3)+1
	for _, candidate := range candidates {
		if d := distance(strings.ToLower(word), candidate); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}

	return best
}

// didYouMean returns the sentence for an unknown word: a suggestion when one is
// near, and what is allowed.
func didYouMean(word string, candidates []string) string {
	allowed := "allowed are " + strings.Join(slices.Sorted(slices.Values(candidates)), ", ")
	if near := Closest(word, candidates); near != "" {
		return `did you mean "` + near + `"? ` + allowed
	}

	return allowed
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		older, previous, current := rows[0], rows[1], rows[2]
		current[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			current[j] = min(previous[j]+1, current[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], older[j-2]+1)
			}
		}
		rows[0], rows[1], rows[2] = previous, current, older
	}

	return rows[1][len(b)]
}
