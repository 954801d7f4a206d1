package dbusapi

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/introspect"

	"github.com/cssc-ha/cssc/levels"
)

// The XML, the method and property tables and the man page say the same.
func TestDescriptionTablesAndManPageAgree(t *testing.T) {
	page, err := os.ReadFile("../contrib/man/org.cssc.Agent1.5.scd")
	if err != nil {
		t.Fatal(err)
	}
	explained := membersOfManual(string(page))
	server := New(Options{Backend: newFakeAgent()})
	tables := map[string][]string{
		ManagerInterface:      propertyLines(managerProperties()),
		NodeInterface:         propertyLines(nodeProperties()),
		OperationInterface:    propertyLines(operationProperties()),
		RegistrationInterface: propertyLines(registrationProperties()),
	}
	for name, properties := range tables {
		described, err := describe(name)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, m := range described.Methods {
			row := server.surface.methods[name+"."+m.Name]
			if row == nil {
				t.Errorf("%s.%s is described and not there", name, m.Name)

				continue
			}
			in, out := "", ""
			for _, a := range m.Args {
				if a.Direction == "in" {
					in += a.Type
				} else {
					out += a.Type
				}
			}
			if in != row.in || out != row.out {
				t.Errorf("%s.%s: described (%s) → (%s), table (%s) → (%s)", name, m.Name, in, out, row.in, row.out)
			}
			lines = append(lines, memberLine(m.Name, m.Args))
		}
		for full, row := range server.surface.methods {
			if row.iface == name && !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, row.name+"(") }) {
				t.Errorf("%s is there and not described", full)
			}
		}
		for _, s := range described.Signals {
			lines = append(lines, memberLine(s.Name, s.Args))
		}
		var wanted []string
		for _, p := range described.Properties {
			if p.Access != "read" || len(p.Annotations) != 1 {
				t.Errorf("%s.%s: access %q, %d annotations", name, p.Name, p.Access, len(p.Annotations))

				continue
			}
			wanted = append(wanted, fmt.Sprintf("%s %s %s", p.Name, p.Type, p.Annotations[0].Value))
			lines = append(lines, p.Name+" "+p.Type)
		}
		if !slices.Equal(wanted, properties) {
			t.Errorf("%s: described properties\n%q, table\n%q", name, wanted, properties)
		}
		for _, line := range lines {
			if member := name + " " + line; explained[member] {
				delete(explained, member)
			} else {
				t.Errorf("the man page lacks below INTERFACE %s the line *%s*", name, line)
			}
		}
	}
	for member := range explained {
		t.Errorf("the man page explains what is not there: %s", member)
	}
}

// membersOfManual lists what the sections INTERFACE of the man page explain: the interface and
// the line of the member.
func membersOfManual(page string) map[string]bool {
	members := map[string]bool{}
	for _, section := range strings.Split(page, "\n# INTERFACE ")[1:] {
		section, _, _ = strings.Cut(section, "\n# ")
		name, body, _ := strings.Cut(section, "\n")
		for line := range strings.Lines(body) {
			if text, isMember := strings.CutSuffix(strings.TrimPrefix(strings.TrimSpace(line), "*"), "*"); isMember && strings.HasPrefix(line, "*") {
				members[name+" "+strings.ReplaceAll(text, "\\_", "_")] = true
			}
		}
	}

	return members
}

func memberLine(name string, arguments []argument) string {
	texts := make([]string, len(arguments))
	for index, a := range arguments {
		texts[index] = a.Type + " " + a.Name
		if a.Direction == "out" {
			texts[index] = "out " + texts[index]
		}
	}

	return name + "(" + strings.Join(texts, ", ") + ")"
}

func propertyLines[T any](table []property[T]) []string {
	var zero T
	lines := make([]string, len(table))
	for index, row := range table {
		lines[index] = fmt.Sprintf("%s %s %s", row.name, row.signature, row.emits)
		if got := dbus.SignatureOf(row.get(&zero)).String(); got != row.signature {
			lines[index] += " but reads as " + got
		}
	}

	return lines
}

// Every error that can be sent and every limit stands in the man page.
func TestManPageNamesErrorsAndLimits(t *testing.T) {
	page, err := os.ReadFile("../contrib/man/org.cssc.Agent1.5.scd")
	if err != nil {
		t.Fatal(err)
	}
	wanted := []string{
		fmt.Sprint(MaxComponentName, " bytes"), fmt.Sprint(MaxMessage, " bytes"), fmt.Sprint(MaxOptions, " options"),
		fmt.Sprint(MaxCall, " bytes"), fmt.Sprint(MaxQueuedPerClient, " calls"), fmt.Sprint(MaxQueued, " calls"),
		fmt.Sprint(MaxNodeName, " bytes"), fmt.Sprint(MaxConfigKey, " bytes"), fmt.Sprint(MaxAuthorizing, " authorisations"),
	}
	for _, row := range errorNames() {
		wanted = append(wanted, strings.TrimPrefix(row.name, standardErrors))
	}
	for _, text := range wanted {
		if !strings.Contains(string(page), text) {
			t.Errorf("the man page lacks %q", text)
		}
	}
}

// Each member is described by prose in the XML.
func TestEveryMemberHasProse(t *testing.T) {
	for _, name := range []string{ManagerInterface, NodeInterface, OperationInterface, RegistrationInterface} {
		data, err := os.ReadFile("../contrib/dist/dbus-1/interfaces/" + name + ".xml")
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(data), "\n")
		for index, line := range lines {
			text := strings.TrimSpace(line)
			if !strings.HasPrefix(text, "<method ") && !strings.HasPrefix(text, "<signal ") && !strings.HasPrefix(text, "<property ") {
				continue
			}
			if before := lines[index-1]; !strings.HasSuffix(before, ". -->") {
				t.Errorf("%s: no sentence before %s", name, text)
			}
		}
	}
}

// What Introspect serves is what the tables promise, on every object, and the
// tree leads to each of them.
func TestIntrospectionLeadsToEveryObject(t *testing.T) {
	bus, server := start(t)
	conn := bus.Connect(t)
	client := bus.client(t)
	register(t, client, make(chan taken, 1))
	if _, err := client.RequestOperation(limited(t), OperationRequest{Kind: levels.OperationShutdown}); err != nil {
		t.Fatal(err)
	}
	server.agent.update(func(s *Status) { s.Nodes[0].Node = "9-ü" })
	interfaces := map[string]int{}
	var walk func(path string)
	walk = func(path string) {
		node, err := introspect.Call(conn.Object(BusName, dbus.ObjectPath(path)))
		if err != nil {
			t.Fatalf("introspect %s: %v", path, err)
		}
		for _, i := range node.Interfaces {
			interfaces[i.Name]++
			if i.Name == ManagerInterface && (len(i.Methods) != 25 || len(i.Signals) != 15 || len(i.Properties) != 28) {
				t.Errorf("Manager has %d methods, %d signals, %d properties", len(i.Methods), len(i.Signals), len(i.Properties))
			}
		}
		for _, child := range node.Children {
			walk(strings.TrimSuffix(path, "/") + "/" + child.Name)
		}
	}
	walk("/")
	for _, name := range []string{ManagerInterface, NodeInterface, OperationInterface, RegistrationInterface} {
		if interfaces[name] != 1 {
			t.Errorf("%s was found %d times", name, interfaces[name])
		}
	}
	body, name, text := ask(t, conn, NodePath("9-ü"), propertiesInterface+".Get", NodeInterface, "Name")
	if name != "" || body[0].(dbus.Variant).Value() != "9-ü" {
		t.Fatalf("name of the node is %v, %s %s", body, name, text)
	}
}

// Properties answer as the specification of the bus says, with its error names.
func TestPropertiesInterface(t *testing.T) {
	bus, _ := start(t)
	conn := bus.Connect(t)
	body, name, _ := ask(t, conn, RootPath, propertiesInterface+".GetAll", ManagerInterface)
	all := body[0].(map[string]dbus.Variant)
	if name != "" || len(all) != len(managerProperties()) || all["Role"].Value() != "master" || all["ReachedLevel"].Value() != "last" {
		t.Fatalf("GetAll gave %s %v", name, all)
	}
	if body, _, _ = ask(t, conn, RootPath, propertiesInterface+".GetAll", peerInterface); len(body[0].(map[string]dbus.Variant)) != 0 {
		t.Fatalf("GetAll of Peer gave %v", body)
	}
	if body, _, _ = ask(t, conn, RootPath, "Ping"); len(body) != 0 {
		t.Fatalf("a call without an interface gave %v", body)
	}
	if body, name, _ = ask(t, conn, "/org/cssc", peerInterface+".GetMachineId"); name == "" && len(body[0].(string)) != 32 {
		t.Fatalf("machine id is %v", body)
	}
	value := dbus.MakeVariant("x")
	for _, row := range []struct {
		path      dbus.ObjectPath
		member    string
		arguments []any
		want      string
	}{
		{RootPath, propertiesInterface + ".Get", []any{ManagerInterface, "Nothing"}, "UnknownProperty"},
		{RootPath, propertiesInterface + ".Get", []any{NodeInterface, "Name"}, "UnknownInterface"},
		{RootPath, propertiesInterface + ".Get", []any{peerInterface, "Name"}, "UnknownProperty"},
		{RootPath, propertiesInterface + ".Get", []any{uint32(1), "Name"}, "InvalidArgs"},
		{RootPath, propertiesInterface + ".Set", []any{ManagerInterface, "Role", value}, "PropertyReadOnly"},
		{RootPath, propertiesInterface + ".Set", []any{ManagerInterface, "Nothing", value}, "UnknownProperty"},
		{RootPath, propertiesInterface + ".GetAll", []any{"org.example.Other"}, "UnknownInterface"},
		{RootPath, ManagerInterface + ".Nothing", nil, "UnknownMethod"},
		{RootPath, "Nothing", nil, "UnknownMethod"},
		{RootPath, NodeInterface + ".Nothing", nil, "UnknownInterface"},
		{"/org/cssc/Agent1/node/none", peerInterface + ".Ping", nil, "UnknownObject"},
		{"/org/cssc/Agent1/operation/1", peerInterface + ".Ping", nil, "UnknownObject"},
		{"/org/cssc/Agent1/registration/01", peerInterface + ".Ping", nil, "UnknownObject"},
		{"/org/cssc/Agent1/registration/99999999999999999999", peerInterface + ".Ping", nil, "UnknownObject"},
		{"/org/example", peerInterface + ".Ping", nil, "UnknownObject"},
		{"/org/cssc/Agent1/node", ManagerInterface + ".GetStatus", []any{uint64(0)}, "UnknownInterface"},
	} {
		if _, name, text := ask(t, conn, row.path, row.member, row.arguments...); name != standardErrors+row.want {
			t.Errorf("%s %s%v gave %s (%s), want %s", row.path, row.member, row.arguments, name, text, row.want)
		}
	}
}

func TestPathsAreEscapedAndRead(t *testing.T) {
	for _, name := range []string{"", "n1", "1n", "a-b", "a_b", "ü.x", "_", "_5f", "A Z"} {
		escaped := escape(name)
		if !dbus.ObjectPath("/" + escaped).IsValid() {
			t.Errorf("escape(%q) = %q is no path", name, escaped)
		}
		if plain, ok := unescape(escaped); !ok || plain != name {
			t.Errorf("unescape(escape(%q)) = %q, %v", name, plain, ok)
		}
	}
	for _, text := range []string{"_zz", "_5", "a-b", "1", "_61"} {
		if plain, ok := unescape(text); ok {
			t.Errorf("unescape(%q) = %q, want a refusal", text, plain)
		}
	}
}
