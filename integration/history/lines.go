package history

import (
	"bufio"
	"bytes"
	"io"
)

// wholeLines reads a file that others append to, each line by one write. What is written
// over the border of a page may be seen in part: a last line without its end is not there yet.
func wholeLines(from io.Reader) *bufio.Scanner {
	lines := bufio.NewScanner(from)
	lines.Split(func(data []byte, atEOF bool) (advance int, token []byte, err error) {
		end := bytes.IndexByte(data, '\n')
		switch {
		case end >= 0:
			return end + 1, data[:end], nil
		case atEOF:
			return len(data), nil, nil
		default:
			return 0, nil, nil
		}
	})

	return lines
}
