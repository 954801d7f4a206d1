package timeline

import "strings"

// Text is measured without knowing the font: each width below is that of the widest of
// the usual sans-serif fonts, so that what is said to fit does fit.

// width is at least the width of the text at the font size, in pixels.
func width(text string, size float64) float64 {
	sum := 0
	for _, r := range text {
		sum += runeWidth(r)
	}

	return float64(sum) * size / 100
}

// runeWidth is in hundredths of the font size.
func runeWidth(r rune) int {
	switch {
	case strings.ContainsRune(" .,:;|!'ijl`·", r):
		return 35
	case strings.ContainsRune("frt()[]{}-/\\\"I", r):
		return 44
	case strings.ContainsRune("mwMW@%—…→✗", r):
		return 100
	case r >= 'A' && r <= 'Z', r == '&', r == '+', r == '=', r == '<', r == '>', r == '~', r == '#':
		return 80
	case r < 0x1100:
		return 64
	default:
		return 110
	}
}

// fit shortens the text to the width, with an ellipsis for what is cut off; a little
// of it always stays.
func fit(text string, size, room float64) string {
	if width(text, size) <= room {
		return text
	}
	const least = 3
	room -= width("…", size)
	kept := 0
	sum, count := 0.0, 0
	for at, r := range text {
		sum += float64(runeWidth(r)) * size / 100
		if sum > room && count >= least {
			break
		}
		count++
		kept = at + len(string(r))
	}
	if kept >= len(text) {
		return text
	}

	return strings.TrimRight(text[:kept], " ·") + "…"
}

// wrap breaks the text into lines that fit, between words where it can.
func wrap(text string, size, room float64) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case width(line+" "+word, size) <= room:
			line += " " + word
		default:
			lines = append(lines, fit(line, size, room))
			line = word
		}
	}

	return append(lines, fit(line, size, room))
}

// clean replaces what may stand in no XML document and what would change the direction of
// the text around it.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r < 0x20, r >= 0x7f && r < 0xa0, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfffe, r == 0xffff:
			return '\ufffd'
		default:
			return r
		}
	}, text)
}

// oneLine is clean without line ends.
func oneLine(text string) string { return strings.ReplaceAll(clean(text), "\n", " ") }

// escape makes clean text fit for an element or an attribute in double quotes.
func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(text)
}
