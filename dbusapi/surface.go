package dbusapi

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// surface is everything that can be called: the method table and the tree of
// objects. It is made once and never changed, so that no call can meet a
// half-made table; the objects that come and go are found in the snapshot.
type surface struct {
	server  *Server
	methods map[string]*method
	// texts are the interface elements served by Introspect.
	texts map[string]string
}

func newSurface(server *Server) (*surface, error) {
	s := &surface{server: server, methods: map[string]*method{}, texts: map[string]string{}}
	for _, name := range []string{ManagerInterface, NodeInterface, OperationInterface, RegistrationInterface} {
		text, err := interfaceText(name)
		if err != nil {
			return nil, err
		}
		s.texts[name] = text
	}
	for _, table := range [][]method{server.managerMethods(), s.standardMethods()} {
		for index := range table {
			m := &table[index]
			s.methods[m.iface+"."+m.name] = m
		}
	}

	return s, nil
}

// plan finds the method of a call and checks its arguments.
func (s *surface) plan(c *call) (plan, error) {
	if c.path == oversizePath {
		return plan{}, fmt.Errorf("call %s: %w: a message may have at most %d bytes", c.member, ErrLimit, MaxCall)
	}
	found, exists := s.object(c.path)
	if !exists {
		return plan{}, standardError("UnknownObject", "no object %s", quote(string(c.path)))
	}
	m := s.lookup(found, c)
	if m == nil {
		if c.iface != "" && !found.has(c.iface) {
			return plan{}, standardError("UnknownInterface", "object %s has no interface %s", quote(string(c.path)), quote(c.iface))
		}

		return plan{}, standardError("UnknownMethod", "object %s has no method %s", quote(string(c.path)), quote(c.iface+"."+c.member))
	}
	if err := m.check(c); err != nil {
		return plan{}, err
	}

	return m.plan(c)
}

// lookup finds a method; a call without an interface means the first that has it.
func (s *surface) lookup(found object, c *call) *method {
	if c.iface != "" {
		if !found.has(c.iface) {
			return nil
		}

		return s.methods[c.iface+"."+c.member]
	}
	for _, iface := range append([]string{found.iface}, standardInterfaces()...) {
		if m := s.methods[iface+"."+c.member]; m != nil {
			return m
		}
	}

	return nil
}

func standardInterfaces() []string {
	return []string{peerInterface, introspectInterface, propertiesInterface}
}

// object is what a path stands for.
type object struct {
	// iface is the one interface beside the standard ones, empty for a bare container.
	iface    string
	children func() []string
	// properties reads the object now; nil for a bare container.
	properties func() []value
}

func (o object) has(iface string) bool {
	return slices.Contains(standardInterfaces(), iface) || iface != "" && iface == o.iface
}

// object finds what a path stands for at this moment.
func (s *surface) object(path dbus.ObjectPath) (object, bool) {
	now := s.server.snapshot.Load()
	text := string(path)
	switch {
	case text == "/" || strings.HasPrefix(RootPath, text+"/"):
		return object{children: func() []string { return []string{nextStep(text, RootPath)} }}, true
	case text == RootPath:
		return object{
			iface:      ManagerInterface,
			children:   func() []string { return []string{"node", "operation", "registration"} },
			properties: func() []value { return readProperties(managerProperties(), now.Status) },
		}, true
	case now == nil:
		return object{}, false
	case text+"/" == nodePrefix:
		return object{children: now.nodeNames}, true
	case text+"/" == operationPrefix:
		return object{children: now.operationNames}, true
	case text+"/" == registrationPrefix:
		return object{children: now.registrationNames}, true
	default:
		return now.dynamicObject(path)
	}
}

// nextStep is the child of container that leads to path.
func nextStep(container, path string) string {
	rest := strings.TrimPrefix(strings.TrimPrefix(path, strings.TrimSuffix(container, "/")), "/")
	step, _, _ := strings.Cut(rest, "/")

	return step
}

// standardMethods are those of every object.
func (s *surface) standardMethods() []method {
	return []method{
		{peerInterface, "Ping", "", "", func(*call) (plan, error) { return always(nil), nil }},
		{peerInterface, "GetMachineId", "", "s", planMachineID},
		{introspectInterface, "Introspect", "", "s", s.planIntrospect},
		{propertiesInterface, "Get", "ss", "v", s.planGet},
		{propertiesInterface, "GetAll", "s", "a{sv}", s.planGetAll},
		{propertiesInterface, "Set", "ssv", "", s.planSet},
	}
}

func planMachineID(*call) (plan, error) {
	data, err := os.ReadFile("/etc/machine-id")
	if err != nil {
		return plan{}, fmt.Errorf("read machine id: %w", err)
	}

	return always([]any{strings.TrimSpace(string(data))}), nil
}

func (s *surface) planIntrospect(c *call) (plan, error) {
	found, _ := s.object(c.path)

	return always([]any{nodeText(s.texts[found.iface], found.children())}), nil
}

// propertiesOf reads the properties that a call of the Properties interface means.
func (s *surface) propertiesOf(c *call) ([]value, error) {
	found, _ := s.object(c.path)
	iface := c.body[0].(string)
	switch {
	case found.properties != nil && (iface == found.iface || iface == ""):
		// An empty status would look like a node that is down.
		if _, err := s.server.status(); err != nil {
			return nil, err
		}

		return found.properties(), nil
	case found.has(iface):
		return nil, nil
	default:
		return nil, standardError("UnknownInterface", "object %s has no interface %s", quote(string(c.path)), quote(iface))
	}
}

func (s *surface) planGet(c *call) (plan, error) {
	values, err := s.propertiesOf(c)
	if err != nil {
		return plan{}, err
	}
	for _, v := range values {
		if v.name == c.body[1].(string) {
			return always([]any{dbus.MakeVariant(v.value)}), nil
		}
	}

	return plan{}, unknownProperty(c)
}

func (s *surface) planGetAll(c *call) (plan, error) {
	values, err := s.propertiesOf(c)
	if err != nil {
		return plan{}, err
	}
	all := make(map[string]dbus.Variant, len(values))
	for _, v := range values {
		all[v.name] = dbus.MakeVariant(v.value)
	}

	return always([]any{all}), nil
}

// planSet refuses always: every property is read-only.
func (s *surface) planSet(c *call) (plan, error) {
	values, err := s.propertiesOf(c)
	if err != nil {
		return plan{}, err
	}
	for _, v := range values {
		if v.name == c.body[1].(string) {
			return plan{}, standardError("PropertyReadOnly", "property %s cannot be set", v.name)
		}
	}

	return plan{}, unknownProperty(c)
}

func unknownProperty(c *call) error {
	return standardError("UnknownProperty", "object %s has no property %s", quote(string(c.path)), quote(c.body[1].(string)))
}

// status is what is published now, or ErrTryAgain before the first time.
func (s *Server) status() (*snapshot, error) {
	if now := s.snapshot.Load(); now != nil {
		return now, nil
	}

	return nil, fmt.Errorf("read status: %w: the agent is starting", levels.ErrTryAgain)
}
