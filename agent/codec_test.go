package agent

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// filled sets every field below value to something that is not zero.
func filled(t *testing.T, value reflect.Value, depth int) {
	t.Helper()
	if value.CanInterface() {
		switch value.Interface().(type) {
		case levels.Sequence:
			value.Set(reflect.ValueOf(levels.Shut))

			return
		case levels.Level:
			value.Set(reflect.ValueOf(levels.Last))

			return
		case levels.Target:
			value.Set(reflect.ValueOf(levels.Target{Group: "master", Level: 3}))

			return
		case time.Duration:
			value.SetInt(int64(time.Minute))

			return
		}
	}
	switch value.Kind() {
	case reflect.String:
		value.SetString("text")
	case reflect.Bool:
		value.SetBool(true)
	case reflect.Uint8:
		value.SetUint(1)
	case reflect.Int, reflect.Int64:
		value.SetInt(7)
	case reflect.Uint64:
		value.SetUint(1<<48 + 1)
	case reflect.Pointer:
		value.Set(reflect.New(value.Type().Elem()))
		filled(t, value.Elem(), depth+1)
	case reflect.Struct:
		for _, field := range value.Fields() {
			filled(t, field, depth+1)
		}
	case reflect.Slice:
		element := reflect.New(value.Type().Elem()).Elem()
		filled(t, element, depth+1)
		value.Set(reflect.Append(value, element))
	case reflect.Array:
		for i := 1; i < value.Len(); i++ { // the entry of SequenceUnknown stays unused
			filled(t, value.Index(i), depth+1)
		}
	case reflect.Map:
		key, element := reflect.New(value.Type().Key()).Elem(), reflect.New(value.Type().Elem()).Elem()
		filled(t, key, depth+1)
		filled(t, element, depth+1)
		value.Set(reflect.MakeMap(value.Type()))
		value.SetMapIndex(key, element)
	default:
		t.Fatalf("a field of kind %s: teach filled about it", value.Kind())
	}
}

// Goal: every event comes back from the log as it went in, with every field.
// Method: each type with all fields set, and each zero value that is legal.
func TestEveryEventSurvivesTheLog(t *testing.T) {
	c := newCodec()
	for _, prototype := range eventPrototypes() {
		value := reflect.New(reflect.TypeOf(prototype)).Elem()
		filled(t, value, 0)
		event, ok := reflect.TypeAssert[levels.Event](value)
		if !ok {
			t.Fatalf("%T is no event", prototype)
		}
		line, err := c.encode(StampedEvent{Serial: 5, Now: 6, Event: event})
		if err != nil {
			t.Fatalf("%T: %v", prototype, err)
		}
		back, err := c.decode(line)
		if err != nil || back.Serial != 5 || back.Now != 6 || !reflect.DeepEqual(back.Event, event) {
			t.Errorf("%T came back as\n%+v, %v\nwent in as\n%+v", prototype, back.Event, err, event)
		}
		if strings.ContainsRune(string(line), '\n') {
			t.Errorf("%T: the record has a line end", prototype)
		}
	}
}

// Goal: a new event type cannot be forgotten. Method: the types that have the
// method event in the source of package levels, against the codec's.
func TestCodecKnowsEveryEvent(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../levels/event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	c, declared := newCodec(), 0
	for _, declaration := range file.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok || function.Name.Name != "event" || function.Recv == nil {
			continue
		}
		name, ok := function.Recv.List[0].Type.(*ast.Ident)
		if !ok {
			t.Fatalf("receiver %v of event", function.Recv.List[0].Type)
		}
		declared++
		if _, known := c.types[name.Name]; !known {
			t.Errorf("the codec does not know levels.%s: add it to eventPrototypes", name.Name)
		}
	}
	if declared != len(c.types) || declared == 0 {
		t.Errorf("levels declares %d events, the codec knows %d", declared, len(c.types))
	}
}

// Goal: what the log could not carry is refused before anybody acts on it.
// Method: events with values that no word stands for.
func TestWhatTheLogCannotCarryIsRefused(t *testing.T) {
	c := newCodec()
	for _, event := range []levels.Event{
		levels.RetryRequested{},
		levels.SkipRequested{Sequence: 99},
		levels.Registered{Registration: levels.Registration{Component: "a", Position: levels.Position{Sequence: levels.Init, Level: 1000}}},
		levels.Registered{Registration: levels.Registration{Component: "a"}},
	} {
		if _, err := c.normal(event); !errors.Is(err, levels.ErrInvalid) {
			t.Errorf("normal(%+v) = %v, want ErrInvalid", event, err)
		}
	}
	same, err := c.normal(levels.ClientVanished{Client: "a\xffb"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.normal(same)
	if err != nil || !reflect.DeepEqual(same, again) {
		t.Errorf("normal is not stable: %+v, then %+v, %v", same, again, err)
	}
}

// Goal: a saved machine comes back as it went in. Method: the JSON of a save.
func TestSavedMachineSurvivesJSON(t *testing.T) {
	saved := levels.New(levels.Start{Config: levels.DefaultConfig("n1"), FirstTag: 3, Qualified: true}).Save()
	body, err := json.Marshal(saved)
	if err != nil {
		t.Fatal(err)
	}
	var back levels.Saved
	if err := json.Unmarshal(body, &back); err != nil {
		t.Fatal(err)
	}
	machine, err := levels.Restore(levels.Config{}, back)
	if err != nil || machine.Describe() == "" {
		t.Errorf("Restore = %v", err)
	}
}
