package dbusapi

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// pythonSource is where the Python client is; another place is named by CSSC_PYTHON_CLIENT,
// and then the modules that it needs must be there too.
const pythonSource = "../contrib/python"

// The Python client's own tests run against this server: they ask for what the agent shall do,
// one command a line, and get one line back.
func TestPythonClient(t *testing.T) {
	t.Parallel()
	const python = "/usr/bin/python3" // the distribution's: it has the distribution's modules
	source := os.Getenv("CSSC_PYTHON_CLIENT")
	if source == "" {
		source = pythonSource
		if output, err := exec.CommandContext(t.Context(), python, "-c", "import dbus, gi").CombinedOutput(); err != nil {
			t.Skipf("needs python3-dbus and python3-gi: %v %s", err, output)
		}
	}
	names, err := filepath.Glob(filepath.Join(source, "tests", "test_*.py"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no tests in %s (%v)", source, err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			stage := newPythonStage(t)
			command := exec.CommandContext(limited(t), python, "-B", "-X", "faulthandler", "-W", "error", "-W", "ignore::ImportWarning", "-m", "unittest", "-v", "-f",
				strings.TrimSuffix(filepath.Base(name), ".py"))
			command.Dir = filepath.Join(source, "tests")
			command.Env = append(os.Environ(), "PYTHONPATH=..", "DBUS_SYSTEM_BUS_ADDRESS="+stage.bus.Address())
			output, err := stage.run(command)
			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, output)
			}
			t.Logf("%s", output)
		})
	}
}

// pythonStage is a bus with an agent on it, and who does what a Python test asks for.
type pythonStage struct {
	t      *testing.T
	bus    *testBus
	server *runningServer
}

func newPythonStage(t *testing.T) *pythonStage {
	t.Helper()
	bus, server := start(t)

	return &pythonStage{t: t, bus: bus, server: server}
}

// run runs the tests; their descriptor 3 takes commands, and 4 gives the answers.
func (s *pythonStage) run(command *exec.Cmd) (output string, err error) {
	commands, theirCommands, err := os.Pipe()
	if err != nil {
		return "", err
	}
	theirAnswers, answers, err := os.Pipe()
	if err != nil {
		return "", err
	}
	command.ExtraFiles = []*os.File{theirCommands, theirAnswers}
	var said strings.Builder
	command.Stdout, command.Stderr = &said, &said
	err = command.Start()
	_, _ = theirCommands.Close(), theirAnswers.Close()
	if err != nil {
		return "", err
	}
	lines := bufio.NewScanner(commands)
	for lines.Scan() {
		if _, err = io.WriteString(answers, s.obey(strings.Fields(lines.Text()))+"\n"); err != nil {
			break
		}
	}
	err = errors.Join(command.Wait(), commands.Close(), answers.Close())

	return said.String(), err
}

func (s *pythonStage) obey(words []string) string {
	agent := s.server.agent
	switch words[0] {
	case "invoke":
		return strconv.FormatUint(uint64(agent.invoke(words[1])), 10)
	case "answer":
		done := receive(s.t, "an answer", agent.done)

		return fmt.Sprintf("%d %v %s", done.Tag, done.OK, done.Message)
	case "stop":
		s.server.stop()
	case "serve":
		s.server = s.bus.serve(s.t, agent)
	case "stop-bus":
		s.stopBus()
	case "start-bus":
		s.bus.Start(s.t)
	case "registrations":
		return s.registrations()
	case "cancel":
		s.cancel(words[1])
	default:
		return s.pretend(words)
	}

	return "ok"
}

// stopBus kills the bus and waits until the agent knows it, if there is one: only then does what
// it has registered tell who is back.
func (s *pythonStage) stopBus() {
	lost := s.server.agent.lost
	for len(lost) > 0 { // of earlier connections
		<-lost
	}
	serving := s.server.session.Load() != nil
	s.bus.Stop()
	if serving {
		receive(s.t, "BusLost", lost)
	}
}

// pretend is what only an agent that fails, forgets or is impersonated does.
func (s *pythonStage) pretend(words []string) string {
	agent := s.server.agent
	switch words[0] {
	case "fail": // METHOD, and a D-Bus name or nothing
		agent.mu.Lock()
		defer agent.mu.Unlock()
		delete(agent.fail, words[1])
		for _, row := range errorNames() {
			if len(words) > 2 && row.name == words[2] {
				agent.fail[words[1]] = row.sentinel
			}
		}
	case "forget":
		agent.update(func(status *Status) { status.Pending, status.Registrations = nil, nil })
	case "miss": // an invocation that nobody was told of
		tag, _ := strconv.ParseUint(words[1], 10, 64)
		agent.update(func(status *Status) {
			r := status.Registrations[0]
			status.Pending = []levels.InvocationView{{Tag: levels.Tag(tag), Registration: r, Position: r.Position, Noboot: true}}
		})
	case "lose-reply":
		s.loseReply()
	case "ready":
		term, _ := strconv.ParseUint(words[1], 10, 64)
		agent.update(func(status *Status) { status.Term = levels.Term(term) }, levels.TellMasterReady{Node: "n1", Term: levels.Term(term)})
	case "finish":
		id, _ := strconv.ParseUint(words[1], 10, 64)
		agent.finish(levels.OperationID(id), levels.ResultFailed, "db did not stop")
	case "forge":
		s.forge()
	case "errors":
		return s.errorNames()
	default:
		s.t.Errorf("the Python tests ask for %q", words)
	}

	return "ok"
}

func (s *pythonStage) registrations() string {
	var all []string
	status := s.server.agent.now()
	for i := range status.Registrations {
		r := &status.Registrations[i]
		all = append(all, fmt.Sprintf("%s/%s/%d/%d/%s/%s", r.Component, r.Position.Sequence, r.Position.Level, r.Cookie, r.Timeout, r.OnFailure))
	}
	slices.Sort(all)

	return strings.Join(all, " ")
}

func (s *pythonStage) cancel(word string) {
	sequence, err := levels.ParseSequence(word)
	if err != nil {
		s.t.Error(err)
	}
	agent := s.server.agent
	agent.mu.Lock()
	clients := slices.Collect(func(yield func(levels.ClientID) bool) {
		for client := range agent.subs {
			if !yield(client) {
				return
			}
		}
	})
	agent.mu.Unlock()
	agent.update(func(status *Status) { status.Pending = nil })
	s.server.NotifyCanceled(levels.NotifyCanceled{Clients: clients, Sequence: sequence, LastLevel: 3})
}

// loseReply breaks the agent's connection before the reply to the next Done, which it takes.
func (s *pythonStage) loseReply() {
	server := s.server
	server.agent.setHook(func(call string, _ any) {
		if call == "Done" {
			server.agent.setHook(nil)
			_ = server.session.Load().conn.Close()
		}
	})
}

// forge sends signals that look like the agent's to every client, and waits until the bus has
// delivered them.
func (s *pythonStage) forge() {
	forger := s.bus.Connect(s.t)
	status := s.server.agent.now()
	for i := range status.Registrations {
		r, info := &status.Registrations[i], options()
		to := string(r.Client)
		for _, message := range []*dbus.Message{
			signalMessage(to, RootPath, ManagerInterface, "Callback", uint64(5), RegistrationPath(r.ID), r.Component,
				r.Position.Sequence.String(), int32(r.Position.Level), uint64(0), info),
			signalMessage(to, RootPath, ManagerInterface, "SequenceCanceled", r.Position.Sequence.String(), int32(3), info),
			signalMessage(to, RootPath, ManagerInterface, "MasterReady", "evil", uint64(666), info),
			signalMessage(to, driverPath, driverName, "NameOwnerChanged", BusName, "", forger.Names()[0]),
		} {
			forger.Send(message, nil)
		}
	}
	// The right sender with a wrong body is no better.
	s.server.session.Load().send(signalMessage(string(status.Registrations[0].Client), RootPath, ManagerInterface, "Callback", "nonsense"))
	if err := forger.Object(driverName, driverPath).Call(driverName+".GetId", 0).Err; err != nil {
		s.t.Error(err)
	}
}

func (*pythonStage) errorNames() string {
	var names []string
	for _, row := range errorNames() {
		names = append(names, row.name)
	}

	return strings.Join(names, " ")
}
