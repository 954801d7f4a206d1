package bundle

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Secrets is what must not get into a bundle.
type Secrets struct {
	forms    [][]byte
	patterns []*regexp.Regexp
}

const (
	hidden = "[left out]"
	// The words before something secret.
	telling = `password|passwd|passphrase|secret|token|api[_-]?key|private[_-]?key|credential`
	// A key shorter than this would hide innocent bytes.
	shortestKey = 8
)

// NewSecrets knows these keys in all their forms, and the usual words before passwords.
func NewSecrets(keys ...[]byte) Secrets {
	s := Secrets{patterns: []*regexp.Regexp{
		// Whole values that are secrets by what they are for.
		regexp.MustCompile(`(?m)^(\s*(?:Environment|PassEnvironment|SetCredential|SetCredentialEncrypted)\s*=)(.+)$`),
		// A word that says so, and its value: password=x, "api_token": "x".
		regexp.MustCompile(`(?i)([\w-]*(?:` + telling + `)[\w-]*["']?[ \t]*[:=][ \t]*)("[^"\n]*"|'[^'\n]*'|[^\s"',;\[][^\s"',;]*)`),
		// The same as an option: --password x.
		regexp.MustCompile(`(?i)(--[\w-]*(?:` + telling + `)[\w-]*[ \t]+)([^\s"',;]+)`),
		// Names and passwords in addresses.
		regexp.MustCompile(`(://[^\s/:@]+:)([^\s/@]+)(@)`),
		regexp.MustCompile(`(?s)(-----BEGIN [A-Z ]*PRIVATE KEY-----)(.*?)(-----END [A-Z ]*PRIVATE KEY-----)`),
	}}
	for _, key := range keys {
		if len(key) < shortestKey {
			continue
		}
		s.forms = append(s.forms, key,
			[]byte(base64.StdEncoding.EncodeToString(key)), []byte(base64.RawStdEncoding.EncodeToString(key)),
			[]byte(base64.URLEncoding.EncodeToString(key)), []byte(base64.RawURLEncoding.EncodeToString(key)),
			[]byte(hex.EncodeToString(key)), []byte(strings.ToUpper(hex.EncodeToString(key))),
			[]byte(numbers(key, " ")), []byte(numbers(key, ",")), []byte(numbers(key, ", ")),
		)
	}

	return s
}

// numbers are the bytes in decimal, as a list of some language.
func numbers(key []byte, between string) string {
	words := make([]string, len(key))
	for i, b := range key {
		words[i] = strconv.Itoa(int(b))
	}

	return strings.Join(words, between)
}

// Hide replaces what it knows and counts how often.
func (s Secrets) Hide(data []byte) (clean []byte, count int) {
	for _, form := range s.forms {
		if found := bytes.Count(data, form); found > 0 {
			count += found
			data = bytes.ReplaceAll(data, form, []byte(hidden))
		}
	}
	for _, pattern := range s.patterns {
		data = pattern.ReplaceAllFunc(data, func(match []byte) []byte {
			groups := pattern.FindSubmatch(match)
			count++
			quote := groups[2][:0]
			if first := groups[2][:min(1, len(groups[2]))]; bytes.ContainsAny(first, `"'`) {
				quote = first // so that a document stays one
			}
			out := slices.Concat(groups[1], quote, []byte(hidden), quote)
			if len(groups) > 3 {
				out = append(out, groups[3]...)
			}

			return out
		})
	}

	return data, count
}
