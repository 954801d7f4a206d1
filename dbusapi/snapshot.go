package dbusapi

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"sync"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// snapshot is a published status with what is made from it once. Never changed.
type snapshot struct {
	*Status
	json func() (string, error)
}

func newSnapshot(status *Status) *snapshot {
	return &snapshot{Status: status, json: sync.OnceValues(func() (string, error) {
		data, err := json.Marshal(status)
		if err != nil {
			return "", fmt.Errorf("write status: %w", err)
		}

		return string(data), nil
	})}
}

func (s *snapshot) nodeNames() []string {
	names := make([]string, len(s.Nodes))
	for index := range s.Nodes {
		names[index] = escape(string(s.Nodes[index].Node))
	}

	return names
}

func (s *snapshot) operationNames() []string {
	names := make([]string, len(s.Operations))
	for index := range s.Operations {
		names[index] = strconv.FormatUint(uint64(s.Operations[index].ID), 10)
	}

	return names
}

func (s *snapshot) registrationNames() []string {
	names := make([]string, len(s.Registrations))
	for index := range s.Registrations {
		names[index] = strconv.FormatUint(uint64(s.Registrations[index].ID), 10)
	}

	return names
}

// dynamicObject finds the object of a node, an operation or a registration.
func (s *snapshot) dynamicObject(path dbus.ObjectPath) (object, bool) {
	for index := range s.Nodes {
		if node := &s.Nodes[index]; NodePath(node.Node) == path {
			return leaf(NodeInterface, nodeProperties(), node), true
		}
	}
	if id, valid := parseNumberedPath(path, operationPrefix); valid {
		for index := range s.Operations {
			if operation := &s.Operations[index]; uint64(operation.ID) == id {
				return leaf(OperationInterface, operationProperties(), operation), true
			}
		}
	}
	if id, valid := parseNumberedPath(path, registrationPrefix); valid {
		for index := range s.Registrations {
			if registration := &s.Registrations[index]; uint64(registration.ID) == id {
				return leaf(RegistrationInterface, registrationProperties(), registration), true
			}
		}
	}

	return object{}, false
}

func leaf[T any](iface string, table []property[T], of *T) object {
	return object{
		iface:      iface,
		children:   func() []string { return nil },
		properties: func() []value { return readProperties(table, of) },
	}
}

// property is one row of an interface's property table.
type property[T any] struct {
	name, signature string
	// emits is the value of the EmitsChangedSignal annotation: "true", "const" or "false".
	emits string
	get   func(of *T) any
}

// value is a property read.
type value struct {
	name  string
	value any
}

func readProperties[T any](table []property[T], of *T) []value {
	values := make([]value, len(table))
	for index := range table {
		values[index] = value{name: table[index].name, value: table[index].get(of)}
	}

	return values
}

// changedProperties are those that differ and are announced.
func changedProperties[T any](table []property[T], before, after *T) map[string]dbus.Variant {
	changed := map[string]dbus.Variant{}
	for index := range table {
		row := &table[index]
		if row.emits != "true" {
			continue
		}
		if now := row.get(after); !reflect.DeepEqual(row.get(before), now) {
			changed[row.name] = dbus.MakeVariant(now)
		}
	}

	return changed
}

func managerProperties() []property[Status] {
	return []property[Status]{
		{"Node", "s", "true", func(s *Status) any { return string(s.Node) }},
		{"Cluster", "s", "true", func(s *Status) any { return s.Cluster }},
		{"Version", "s", "const", func(s *Status) any { return s.Version }},
		{"State", "s", "true", func(s *Status) any { return s.State.String() }},
		{"Role", "s", "true", func(s *Status) any { return s.Role.String() }},
		{"Term", "t", "true", func(s *Status) any { return uint64(s.Term) }},
		{"Master", "s", "true", func(s *Status) any { return string(s.Master) }},
		{"Vice", "s", "true", func(s *Status) any { return string(s.Vice) }},
		{"Qualified", "b", "true", func(s *Status) any { return s.Qualified }},
		{"Ready", "b", "true", func(s *Status) any { return s.Ready }},
		{"MasterIsReady", "b", "true", func(s *Status) any { return s.MasterReady }},
		{"Quorate", "b", "true", func(s *Status) any { return s.Quorate }},
		{"Headless", "b", "true", func(s *Status) any { return s.Headless }},
		{"LeaseRemainingUSec", "t", "false", func(s *Status) any { return s.LeaseRemaining }},
		{"Sequence", "s", "true", func(s *Status) any {
			return ofRun(s, "", func(r *levels.RunView) string { return r.Sequence.String() })
		}},
		{"Level", "i", "true", func(s *Status) any { return ofRun(s, 0, func(r *levels.RunView) int32 { return int32(r.Level) }) }},
		{"Phase", "s", "true", func(s *Status) any { return ofRun(s, "", func(r *levels.RunView) string { return r.Phase.String() }) }},
		{"Reason", "s", "true", func(s *Status) any { return ofRun(s, "", func(r *levels.RunView) string { return r.Reason }) }},
		{"Run", "t", "true", func(s *Status) any { return ofRun(s, 0, func(r *levels.RunView) uint64 { return uint64(r.Run) }) }},
		{"ReachedLevel", "s", "true", reachedLevel},
		{"LostTargets", "as", "true", func(s *Status) any { return texts(s.LostTargets) }},
		{"Problems", "as", "true", func(s *Status) any { return append([]string{}, s.Problems...) }},
		{"ConfigHash", "s", "true", func(s *Status) any { return s.ConfigHash }},
		{"NeedReload", "b", "true", func(s *Status) any { return s.NeedReload }},
		{"Election", "s", "true", func(s *Status) any { return s.Election }},
		{"Why", "s", "true", func(s *Status) any { return printable(s.Why) }},
		{"Voters", "u", "true", func(s *Status) any { return uint32(max(0, s.Voters)) }},
		{"VotersHeard", "u", "true", func(s *Status) any { return uint32(max(0, s.VotersHeard)) }},
	}
}

func ofRun[T any](s *Status, none T, get func(*levels.RunView) T) T {
	if s.Run == nil {
		return none
	}

	return get(s.Run)
}

func reachedLevel(s *Status) any { return levelWord(s.Reached, s.ReachedAny) }

func levelWord(level levels.Level, counts bool) string {
	if !counts {
		return ""
	}

	return level.String()
}

func texts[T fmt.Stringer](values []T) []string {
	list := make([]string, len(values))
	for index := range values {
		list[index] = values[index].String()
	}

	return list
}

func nodeProperties() []property[levels.NodeView] {
	return []property[levels.NodeView]{
		{"Name", "s", "const", func(n *levels.NodeView) any { return string(n.Node) }},
		{"State", "s", "true", func(n *levels.NodeView) any { return n.State.String() }},
		{"Role", "s", "true", func(n *levels.NodeView) any { return n.Role.String() }},
		{"Term", "t", "true", func(n *levels.NodeView) any { return uint64(n.Term) }},
		{"Eligible", "b", "true", func(n *levels.NodeView) any { return n.Eligible }},
		{"Qualified", "b", "true", func(n *levels.NodeView) any { return n.Qualified }},
		{"Self", "b", "const", func(n *levels.NodeView) any { return n.Self }},
		{"Address", "s", "true", func(n *levels.NodeView) any { return n.Address }},
		{"Vote", "b", "true", func(n *levels.NodeView) any { return n.Vote }},
		{"Alive", "b", "true", func(n *levels.NodeView) any { return n.Alive }},
		{"HeardUSec", "t", "false", func(n *levels.NodeView) any { return micros(n.Heard) }},
		{"ReachedLevel", "s", "true", func(n *levels.NodeView) any { return levelWord(n.Reached, n.ReachedAny) }},
		{"Version", "s", "true", func(n *levels.NodeView) any { return printable(n.Version) }},
		{"ConfigHash", "s", "true", func(n *levels.NodeView) any { return printable(n.ConfigHash) }},
		{"InStep", "b", "true", func(n *levels.NodeView) any { return n.InStep }},
		{"Differs", "as", "true", func(n *levels.NodeView) any { return append([]string{}, n.Differs...) }},
		{"Why", "s", "true", func(n *levels.NodeView) any { return printable(n.Why) }},
	}
}

func operationProperties() []property[levels.OperationView] {
	return []property[levels.OperationView]{
		{"Id", "t", "const", func(o *levels.OperationView) any { return uint64(o.ID) }},
		{"Kind", "s", "const", func(o *levels.OperationView) any { return o.Kind.String() }},
		{"Node", "s", "const", func(o *levels.OperationView) any { return string(o.Node) }},
		{"Mode", "s", "const", func(o *levels.OperationView) any { return o.Mode.String() }},
		{"To", "s", "const", func(o *levels.OperationView) any { return string(o.To) }},
		{"By", "s", "const", func(o *levels.OperationView) any { return o.By }},
		{"RequestReason", "s", "const", func(o *levels.OperationView) any { return o.Reason }},
		{"Step", "s", "true", func(o *levels.OperationView) any { return o.Step }},
		{"Result", "s", "true", func(o *levels.OperationView) any { return o.Result.String() }},
		{"Error", "s", "true", func(o *levels.OperationView) any { return o.Error }},
		{"StartedUSec", "t", "const", func(o *levels.OperationView) any { return micros(o.Started) }},
		{"EndedUSec", "t", "true", func(o *levels.OperationView) any { return micros(o.Ended) }},
	}
}

func registrationProperties() []property[levels.Registration] {
	return []property[levels.Registration]{
		{"Id", "t", "const", func(r *levels.Registration) any { return uint64(r.ID) }},
		{"Component", "s", "const", func(r *levels.Registration) any { return r.Component }},
		{"Sequence", "s", "const", func(r *levels.Registration) any { return r.Position.Sequence.String() }},
		{"Level", "i", "const", func(r *levels.Registration) any { return int32(r.Position.Level) }},
		{"Client", "s", "const", func(r *levels.Registration) any { return string(r.Client) }},
		{"Unit", "s", "const", func(r *levels.Registration) any { return r.Unit }},
		{"TimeoutUSec", "t", "const", func(r *levels.Registration) any { return uint64(r.Timeout.Microseconds()) }},
		{"OnFailure", "s", "const", func(r *levels.Registration) any { return r.OnFailure.String() }},
	}
}

// micros turns an instant of the boot-time clock into microseconds.
func micros(instant levels.Instant) uint64 { return uint64(max(0, int64(instant))) / 1000 }
