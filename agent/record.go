package agent

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
)

// Every line that this package keeps on disk is a record: the checksum of the
// body in eight hexadecimal digits, the length of the body, the body, and a line
// end, separated by one blank. The body is JSON and holds no line end.

// appendRecord appends one record to buffer.
func appendRecord(buffer, body []byte) []byte {
	sum := crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli))
	buffer = fmt.Appendf(buffer, "%08x %d ", sum, len(body))
	buffer = append(buffer, body...)

	return append(buffer, '\n')
}

// errTorn marks a record that was cut short by the end of the file: the write
// was under way when the power went, so nobody was told of it.
var errTorn = errors.New("the last record is cut short")

// nextRecord splits the first record off. It returns errTorn when the text ends
// before the record does, and another error when a complete record is damaged.
func nextRecord(text []byte) (body, rest []byte, err error) {
	line, rest, complete := bytes.Cut(text, []byte{'\n'})
	sum, tail, ok1 := bytes.Cut(line, []byte{' '})
	length, body, ok2 := bytes.Cut(tail, []byte{' '})
	if !complete {
		if n, err := strconv.Atoi(string(length)); ok2 && err == nil && len(body) > n {
			return nil, nil, errors.New("a record has no line end")
		}

		return nil, nil, errTorn
	}
	if !ok1 || !ok2 || len(sum) != 8 {
		return nil, nil, errors.New("a record has no checksum")
	}
	if n, err := strconv.Atoi(string(length)); err != nil || n != len(body) {
		return nil, nil, fmt.Errorf("a record of %d bytes says it has %.20q", len(body), length)
	}
	want := fmt.Sprintf("%08x", crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
	if want != string(sum) {
		return nil, nil, fmt.Errorf("a record has checksum %s, its text gives %s", sum, want)
	}

	return body, rest, nil
}

// readRecordFile returns the body of a file that holds exactly one record.
func readRecordFile(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}

	return onlyRecord(text)
}

func onlyRecord(text []byte) ([]byte, error) {
	body, rest, err := nextRecord(text)
	if err != nil {
		return nil, &damage{cause: err.Error()}
	}
	if len(rest) > 0 {
		return nil, &damage{cause: "there is text behind the record"}
	}

	return body, nil
}

// damage is the cause of a DamagedError, before the file was set aside.
type damage struct{ cause string }

// Error returns the cause.
func (d *damage) Error() string { return d.cause }

// replaceFile writes a file so that a crash at any point leaves the old text or
// the new one. With sync the new text survives a power cut.
func replaceFile(path string, text []byte, sync bool) (err error) {
	temporary := path + ".new"
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err == nil && sync {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		_ = os.Remove(temporary)

		return err
	}
	if sync {
		return syncDirectory(filepath.Dir(path))
	}

	return nil
}

func syncDirectory(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	err = dir.Sync()
	if closeErr := dir.Close(); err == nil {
		err = closeErr
	}

	return err
}

// setAside renames a file that cannot be trusted to NAME.damaged-N and returns
// the new name. At most nine are kept; then the ninth is replaced.
func setAside(path string) string {
	aside := ""
	for n := 1; n <= 9; n++ {
		aside = path + ".damaged-" + strconv.Itoa(n)
		if _, err := os.Lstat(aside); errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	if os.Rename(path, aside) != nil {
		return ""
	}

	return aside
}
