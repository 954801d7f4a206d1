package integration_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// top is the repository as seen from this package.
const top = ".."

// module is the path that imports within the project begin with.
const module = "github.com/cssc-ha/cssc/"

// source is one parsed Go file of the project.
type source struct {
	folder string // relative to the repository, "levels"
	name   string // "level.go"
	lines  int
	set    *token.FileSet
	file   *ast.File
}

func (s source) String() string { return s.folder + "/" + s.name }

func (s source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }

// line names a place for a failure message.
func (s source) line(node ast.Node) string {
	return fmt.Sprintf("%s:%d", s, s.set.Position(node.Pos()).Line)
}

// sources parses every Go file of the project, tests included.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "testdata" || entry.Name() == "build" || entry.Name() == ".git") {
			return fs.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(top, filepath.Dir(path))
		all = append(all, source{folder, entry.Name(), strings.Count(string(text), "\n"), set, file})

		return err
	})
	if err != nil {
		t.Fatalf("parse the project: %v", err)
	}

	return all
}

// imports lists what the file imports, unquoted.
func (s source) imports() []string {
	var all []string
	for _, spec := range s.file.Imports {
		all = append(all, strings.Trim(spec.Path.Value, `"`))
	}

	return all
}

// TestFilesAndFunctionsStaySmall: a file has at most 500 lines, a function at most 70.
func TestFilesAndFunctionsStaySmall(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.lines > 500 {
			t.Errorf("%s has %d lines, at most 500 are allowed", s, s.lines)
		}
		for _, declaration := range s.file.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok || s.isTest() {
				continue
			}
			lines := s.set.Position(function.End()).Line - s.set.Position(function.Pos()).Line + 1
			if lines > 70 {
				t.Errorf("%s: %s has %d lines, at most 70 are allowed", s.line(function), function.Name, lines)
			}
		}
	}
}

// libraryHeadings are what a library's package documentation is made of, in this order.
func libraryHeadings() []string {
	return []string{"# Model", "# Guarantees", "# What is not guaranteed", "# Concurrency", "# Errors", "# Testing"}
}

// TestPackagesAreDocumented: each package has one doc, in doc.go or main.go, that begins as
// godoc wants it; the libraries' docs have the fixed headings in order.
func TestPackagesAreDocumented(t *testing.T) {
	t.Parallel()
	docs := map[string]string{}
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		if _, known := docs[s.folder]; !known {
			docs[s.folder] = ""
		}
		if s.file.Doc == nil {
			continue
		}
		if docs[s.folder] != "" {
			t.Errorf("%s: a second package doc; keep it in doc.go", s)
		}
		docs[s.folder] = s.file.Doc.Text()
		begin := "Package " + s.file.Name.Name + " "
		if s.file.Name.Name == "main" {
			begin = "Command " + filepath.Base(s.folder) + " "
		}
		if !strings.HasPrefix(docs[s.folder], begin) {
			t.Errorf("%s: package doc begins %.40q, want %q", s, docs[s.folder], begin)
		}
	}
	for folder, doc := range docs {
		if doc == "" {
			t.Errorf("%s: no package doc", folder)
		}
	}
	for _, folder := range []string{"levels", "levels/fleet", "units", "dbusapi", "agent", "agent/config", "agent/endpoints", "agent/lease", "serfcmm", "serfcmm/keyring", "serfcmm/wire", "serfcmm/serfcmmtest", "integration", "integration/lab"} {
		at := 0
		for _, heading := range libraryHeadings() {
			next := strings.Index(docs[folder][at:], heading+"\n")
			if next < 0 {
				t.Errorf("%s: package doc lacks the heading %q (or has it out of order)", folder, heading)
				break
			}
			at += next
		}
	}
}

// TestExportedNamesAreDocumented: every exported identifier outside tests and mains has a
// comment of its own or of its group that ends as a sentence does.
func TestExportedNamesAreDocumented(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.isTest() || s.file.Name.Name == "main" {
			continue
		}
		for _, declaration := range s.file.Decls {
			switch declaration := declaration.(type) {
			case *ast.FuncDecl:
				if declaration.Name.IsExported() && !sentence(declaration.Doc) && !unexportedReceiver(declaration) {
					t.Errorf("%s: %s has no doc comment", s.line(declaration), declaration.Name)
				}
			case *ast.GenDecl:
				checkGroup(t, s, declaration)
			}
		}
	}
}

func unexportedReceiver(function *ast.FuncDecl) bool {
	if function.Recv == nil {
		return false
	}
	receiver := function.Recv.List[0].Type
	if pointer, ok := receiver.(*ast.StarExpr); ok {
		receiver = pointer.X
	}
	name, ok := receiver.(*ast.Ident)

	return ok && !name.IsExported()
}

func checkGroup(t *testing.T, s source, group *ast.GenDecl) {
	t.Helper()
	for _, spec := range group.Specs {
		documented := sentence(group.Doc)
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() && !documented && !sentence(spec.Doc) {
				t.Errorf("%s: type %s has no doc comment", s.line(spec), spec.Name)
			}
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				if name.IsExported() && !documented && !sentence(spec.Doc) && spec.Comment == nil {
					t.Errorf("%s: %s has no doc comment", s.line(spec), name)
				}
			}
		}
	}
}

// sentence says whether there is a comment that says something.
func sentence(doc *ast.CommentGroup) bool {
	return doc != nil && len(strings.Fields(doc.Text())) >= 2
}

// TestTopLevelFoldersAreFixed: newcomers learn the shape once.
func TestTopLevelFoldersAreFixed(t *testing.T) {
	t.Parallel()
	allowed := []string{"agent", "cmd", "contrib", "dbusapi", "integration", "levels", "serfcmm", "units", "build"}
	entries, err := os.ReadDir(top)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") && !slices.Contains(allowed, entry.Name()) {
			t.Errorf("top-level folder %s is not one of %v", entry.Name(), allowed)
		}
	}
}

// TestNothingNamesOneMachine: no host of a package registry or mirror and no path of a
// developer's machine stands in a file of the project.
func TestNothingNamesOneMachine(t *testing.T) {
	t.Parallel()
	never := regexp.MustCompile(strings.Join([]string{
		`proxy\.golang` + `\.org`, `deb\.debian` + `\.org`, `registry\.npm` + `js`, `pypi` + `\.org`,
		`/wo` + `rk/`, `/home/[a-z]`, `(^|[\s"'=])/ro` + `ot/[a-zA-Z]`,
	}, "|"))
	for _, path := range textFiles(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for number, line := range strings.Split(string(text), "\n") {
			if found := never.FindString(line); found != "" {
				t.Errorf("%s:%d names %q", path, number+1, found)
			}
		}
	}
}

func textFiles(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch name := entry.Name(); {
		case entry.IsDir() && (name == ".git" || name == "build" || name == ".cache"):
			return fs.SkipDir
		case !entry.IsDir() && name != "go.sum" && name != ".git": // of a linked work tree
			all = append(all, path)
		}

		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	return all
}
