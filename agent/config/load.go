package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/cssc-ha/cssc/levels"
)

const (
	maxFileSize = 1 << 20
	maxFiles    = 256
)

// Load reads dir/cssc.toml and dir/conf.d/*.toml. Files that do not exist are as
// good as empty ones. The error is always an *InvalidError; the Config beside it
// must not be used.
func Load(dir string) (Config, error) { return load(dir, hostName()) }

func load(dir string, host levels.NodeID) (Config, error) {
	names, texts, problems := readFiles(dir)

	return parse(names, texts, problems, host)
}

// parse makes the configuration of files in memory; problems are those of reading them.
func parse(names, texts []string, problems []Problem, host levels.NodeID) (Config, error) {
	r := &reader{
		config:     defaults(host),
		places:     map[string]Problem{},
		levels:     map[levels.Position]Problem{},
		nodes:      map[levels.NodeID]Problem{},
		addresses:  map[levels.NodeID]Problem{},
		components: map[string]Problem{},
	}
	r.problems = problems
	for i, name := range names {
		r.file(name, texts[i])
	}
	if len(r.problems) == 0 {
		r.check()
	}
	if len(r.problems) > 0 {
		return Config{}, &InvalidError{Problems: r.problems}
	}
	r.config.Levels.Node = r.config.Local.Node
	r.config.Files = names
	r.config.Hash, r.config.Fingerprint = agreed(&r.config)
	r.config.Digest = digest(names, texts)

	return r.config, nil
}

// Digest returns what Config.Digest would be for the files as they are now,
// without reading meaning into them. A file that cannot be read counts as absent.
func Digest(dir string) string {
	names, texts, _ := readFiles(dir)

	return digest(names, texts)
}

func digest(names, texts []string) string {
	sum := sha256.New()
	for i, name := range names {
		_, _ = fmt.Fprintf(sum, "%q %d\n%s", filepath.Base(name), len(texts[i]), texts[i])
	}

	return hex.EncodeToString(sum.Sum(nil))[:16]
}

// readFiles returns the files that exist, in the order in which they count.
func readFiles(dir string) (names, texts []string, problems []Problem) {
	candidates := []string{filepath.Join(dir, "cssc.toml")}
	entries, err := os.ReadDir(filepath.Join(dir, "conf.d")) // sorted by name
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		problems = append(problems, Problem{File: filepath.Join(dir, "conf.d"), Text: "cannot be read: " + cause(err)})
	}
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".toml") && !strings.HasPrefix(entry.Name(), ".") {
			candidates = append(candidates, filepath.Join(dir, "conf.d", entry.Name()))
		}
	}
	if len(candidates) > maxFiles {
		problems = append(problems, Problem{File: filepath.Join(dir, "conf.d"), Text: fmt.Sprintf("holds more than %d files", maxFiles)})
		candidates = candidates[:1]
	}
	for _, name := range candidates {
		text, err := readFile(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			problems = append(problems, Problem{File: name, Text: "cannot be read: " + cause(err)})
		default:
			names, texts = append(names, name), append(texts, text)
		}
	}

	return names, texts, problems
}

func readFile(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxFileSize+1))
	if err == nil && len(text) > maxFileSize {
		err = fmt.Errorf("larger than %d bytes", maxFileSize)
	}

	return string(text), err
}

// cause drops the operation and the path, which the problem names already.
func cause(err error) string {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err.Error()
	}

	return err.Error()
}

func (r *reader) file(name, text string) {
	var tree map[string]any
	if _, err := toml.Decode(text, &tree); err != nil {
		r.report(syntaxProblem(&source{name: name, text: text}, err))

		return
	}
	source := &source{name: name, text: text, places: locate(text)}
	r.root(&table{source: source, values: tree, report: r.report})
}

// syntaxProblem takes only the offset from the parser: its line and column
// disagree when the mistake is a line end.
func syntaxProblem(file *source, err error) Problem {
	parse, ok := errors.AsType[toml.ParseError](err)
	if !ok {
		return Problem{File: file.name, Line: 1, Column: 1, Text: "not valid TOML: " + strings.TrimPrefix(err.Error(), "toml: ")}
	}
	problem := Problem{File: file.name, Key: parse.LastKey, Text: "not valid TOML: " + parse.Message}
	problem.Line, problem.Column = file.place(parse.Position.Start)

	return problem
}

// hostName is the name of a node that nobody named.
func hostName() levels.NodeID {
	name, err := os.Hostname()
	if err != nil || !validName(name) {
		return "localhost"
	}

	return levels.NodeID(name)
}
