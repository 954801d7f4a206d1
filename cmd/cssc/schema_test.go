package main

import (
	"encoding"
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

var update = flag.Bool("update", false, "write the JSON listings of the manual anew")

const manual = "../../contrib/man/cssc.1.scd"

// TestManualListsEveryFieldOfEveryDocument compares the listings in cssc(1) with
// the types that are printed, so that a field can neither vanish nor change its
// type without a word in the manual. Rewrite them with -update, and read the diff.
func TestManualListsEveryFieldOfEveryDocument(t *testing.T) {
	documents := map[string]any{
		"status": report{}, "history": record{}, "transition": transitionDocument{}, "blame": blameDocument{}, "event": event{}, "result": resultDocument{}, "plan": planDocument{},
		"verify": verifyDocument{}, "doctor": doctorDocument{}, "report": reportDocument{}, "attach": attachDocument{}, "version": versionDocument{},
		"explain": explainDocument{}, "keys": levels.KeyView{}, "keyfile": keyFileDocument{},
	}
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	listing := regexp.MustCompile("(?s); schema: ([a-z]+)\n```\n(.*?)```\n")
	seen := map[string]bool{}
	renewed := listing.ReplaceAllStringFunc(string(text), func(block string) string {
		parts := listing.FindStringSubmatch(block)
		document, known := documents[parts[1]]
		if !known {
			t.Errorf("the manual lists %q, which is no document", parts[1])

			return block
		}
		seen[parts[1]] = true
		want := strings.Join(fieldsOf(reflect.TypeOf(document), ""), "\n") + "\n"
		if parts[2] != want && !*update {
			t.Errorf("cssc(1) lists of %q:\n%swant:\n%srun: go test ./cmd/cssc -run Manual -update", parts[1], parts[2], want)
		}

		return "; schema: " + parts[1] + "\n```\n" + want + "```\n"
	})
	for name := range documents {
		if !seen[name] {
			t.Errorf("the manual has no listing \"; schema: %s\"", name)
		}
	}
	if *update {
		if err := os.WriteFile(manual, []byte(renewed), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// fieldsOf lists path and type of every field that a JSON document has.
func fieldsOf(kind reflect.Type, prefix string) []string {
	var lines []string
	for field := range kind.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous && name == "" {
			lines = append(lines, fieldsOf(field.Type, prefix)...)

			continue
		}
		if !field.IsExported() || name == "-" {
			continue
		}
		lines = append(lines, fieldOf(field.Type, prefix+name, strings.Contains(options, "omit"))...)
	}

	return lines
}

func fieldOf(kind reflect.Type, path string, optional bool) []string {
	word, inner := jsonType(kind)
	if word == "array" {
		path += "[]"
		word, inner = jsonType(kind.Elem())
	}
	if optional {
		word += ", optional"
	}
	line := fmt.Sprintf("%-46s %s", path, word)
	if inner == nil {
		return []string{line}
	}

	return append([]string{line}, fieldsOf(inner, path+".")...)
}

// jsonType names a type as the manual does, and gives the fields of an object.
func jsonType(kind reflect.Type) (word string, fields reflect.Type) {
	texter := reflect.TypeFor[encoding.TextMarshaler]()
	switch {
	case kind == reflect.TypeFor[levels.Instant]():
		return "instant", nil
	case kind == reflect.TypeFor[time.Duration]():
		return "duration", nil
	case kind.Implements(texter):
		return "string", nil
	case kind.Kind() == reflect.Pointer:
		return jsonType(kind.Elem())
	case kind.Kind() == reflect.Slice:
		return "array", nil
	case kind.Kind() == reflect.Struct:
		return "object", kind
	case kind.Kind() == reflect.Map, kind.Kind() == reflect.Interface:
		return "object", nil
	case kind.Kind() == reflect.String:
		return "string", nil
	case kind.Kind() == reflect.Bool:
		return "boolean", nil
	default:
		return "number", nil
	}
}
