package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cssc-ha/cssc/dbusapi"
	"github.com/cssc-ha/cssc/levels"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"cssc": main})
}

// TestScripts runs testdata/script: each file is the specification of one command,
// run as a program against the real bus server, a scripted agent behind it, on a bus
// of its own. Times of waiting are bounded by the test's own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "script"),
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			stage := &stage{}
			env.Values[stageKey{}] = stage
			env.Defer(stage.close)
			env.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(env.WorkDir, "no-bus"))
			env.Setenv("TZ", "UTC")

			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"agent":      scriptAgent,
			"bus":        scriptBus,
			"step":       scriptStep,
			"switched":   scriptSwitched,
			"refuse":     scriptRefuse,
			"there":      scriptThere,
			"forget":     scriptForget,
			"notify":     scriptNotify,
			"invoke":     scriptInvoke,
			"cancel":     scriptCancel,
			"registered": scriptRegistered,
			"answered":   scriptAnswered,
			"exits":      scriptExits,
			"appears":    scriptAppears,
			"mute":       scriptMute,
		},
	})
}

const scriptPatience = 20 * time.Second

type stageKey struct{}

// stage is the bus and the agent of one script. It belongs to the script.
type stage struct {
	bus    *exec.Cmd
	agent  *fakeAgent
	cancel context.CancelFunc
	served chan struct{}
	notify *net.UnixConn
	// path is the socket of the bus.
	path string
}

func stageOf(ts *testscript.TestScript) *stage { return ts.Value(stageKey{}).(*stage) }

func (s *stage) close() {
	s.stopAgent()
	s.stopBus()
}

// startBus starts a dbus-daemon that lets everybody do everything, in the place of one that
// runs, and returns its address.
func (s *stage) startBus(dir string) (string, error) {
	s.stopBus()
	s.path = filepath.Join(dir, "bus")
	address := "unix:path=" + s.path
	_ = os.Remove(s.path)
	file := filepath.Join(dir, "bus.conf")
	text := `<busconfig><type>session</type><listen>` + address + `</listen><auth>EXTERNAL</auth>
<policy context="default"><allow own="*"/><allow eavesdrop="true"/><allow send_destination="*"/></policy></busconfig>`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return "", err
	}
	s.bus = exec.Command("dbus-daemon", "--config-file="+file, "--nofork", "--print-address")
	out, err := s.bus.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := s.bus.Start(); err != nil {
		return "", err
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return "", fmt.Errorf("dbus-daemon: %w", err)
	}

	return address, nil
}

func (s *stage) stopBus() {
	if s.bus != nil {
		_ = s.bus.Process.Kill()
		_ = s.bus.Wait()
		s.bus = nil
	}
}

func (s *stage) startAgent(address string) error {
	server := dbusapi.New(dbusapi.Options{Backend: s.agent, Address: address})
	s.agent.mu.Lock()
	s.agent.server = server
	s.agent.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.served = cancel, make(chan struct{})
	served := s.served
	go func() {
		defer close(served)
		_ = server.Run(ctx)
	}()
	s.agent.change(func(*report) {})
	select {
	case <-server.Ready():
		return nil
	case <-served:
		return errors.New("the bus server ended")
	case <-time.After(scriptPatience):
		return errors.New("the bus server is not ready")
	}
}

func (s *stage) stopAgent() {
	if s.cancel != nil {
		s.cancel()
		<-s.served
		s.cancel = nil
	}
}

// scriptAgent: agent start SCENARIO [stepped] | agent stop | agent again | agent newer NODE, which
// ran something of late.
func scriptAgent(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	switch args[0] {
	case "start":
		scenarios := map[string]func() *report{
			"up": scenarioUp, "held": scenarioHeld, "trouble": scenarioTrouble, "empty": scenarioEmpty, "joining": scenarioJoining,
			"cluster": scenarioCluster, "cut-off": scenarioCutOff, "drift": scenarioDrift, "barred": scenarioBarred, "unproven": scenarioUnproven, "two": scenarioTwo, "odd": scenarioOdd,
		}
		address, err := s.startBus(ts.MkAbs("."))
		ts.Check(err)
		ts.Setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
		s.agent = newFakeAgent(scenarios[args[1]]())
		s.agent.history = fakeHistory()
		s.agent.keys = fakeKeys()
		s.agent.stepped = slices.Contains(args, "stepped")
		s.agent.vanish = s.stopBus
		ts.Check(s.startAgent(address))
	case "stop":
		s.stopAgent()
	case "newer":
		s.agent.mu.Lock()
		s.agent.histories[levels.NodeID(args[1])] = newerHistory()
		s.agent.mu.Unlock()
	case "again":
		ts.Check(s.startAgent(ts.Getenv("DBUS_SYSTEM_BUS_ADDRESS")))
	default:
		ts.Fatalf("agent %s?", args[0])
	}
}

// scriptBus: bus start | bus stop | bus again. An agent that runs connects by itself.
func scriptBus(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	if args[0] == "stop" || args[0] == "again" {
		s.stopBus()
	}
	if args[0] == "start" || args[0] == "again" {
		address, err := s.startBus(ts.MkAbs("."))
		ts.Check(err)
		ts.Setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
	}
}

// scriptSwitched: switched: the history of scenario cluster is a switchover from n2 to n1.
func scriptSwitched(ts *testscript.TestScript, _ bool, _ []string) {
	agent := stageOf(ts).agent
	agent.mu.Lock()
	defer agent.mu.Unlock()
	agent.history, agent.histories = switchedHistories()
}

// scriptStep: step [N]: tell the next N steps of the story.
func scriptStep(ts *testscript.TestScript, _ bool, args []string) {
	count := 1
	if len(args) > 0 {
		count, _ = strconv.Atoi(args[0])
	}
	s := stageOf(ts)
	waitFor(ts, "a story", func() bool { return len(s.agent.story) > 0 })
	for range count {
		if !s.agent.step() {
			ts.Fatalf("the story is over")
		}
	}
}

// scriptRefuse: refuse SENTINEL TEXT: what every request is answered from now on.
func scriptRefuse(ts *testscript.TestScript, _ bool, args []string) {
	sentinels := map[string]error{
		"refused": levels.ErrRefused, "busy": levels.ErrBusy, "invalid": levels.ErrInvalid,
		"denied": dbusapi.ErrAccessDenied, "unreachable": levels.ErrUnreachable, "timeout": dbusapi.ErrTimeout, "nothing": nil,
	}
	agent := stageOf(ts).agent
	agent.mu.Lock()
	defer agent.mu.Unlock()
	if agent.refuse = sentinels[args[0]]; agent.refuse != nil {
		agent.refuse = fmt.Errorf("%w: %s", agent.refuse, args[1])
	}
}

// scriptThere: there NODE: on that node a run is held from now on.
func scriptThere(ts *testscript.TestScript, _ bool, args []string) {
	agent := stageOf(ts).agent
	agent.mu.Lock()
	defer agent.mu.Unlock()
	run := scenarioHeld().Run
	agent.there = map[levels.NodeID]*levels.RunView{levels.NodeID(args[0]): run}
}

// scriptNotify: notify listen | notify sees REGEXP: the service manager's side of sd_notify.
func scriptNotify(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	if args[0] == "listen" {
		path := ts.MkAbs("notify")
		conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		ts.Check(err)
		s.notify = conn
		ts.Defer(func() { _ = conn.Close() })
		ts.Setenv("NOTIFY_SOCKET", path)

		return
	}
	ts.Check(s.notify.SetReadDeadline(time.Now().Add(scriptPatience)))
	buffer := make([]byte, 4096)
	n, err := s.notify.Read(buffer)
	ts.Check(err)
	if !regexp.MustCompile(args[1]).Match(buffer[:n]) {
		ts.Fatalf("the service manager was told %q", buffer[:n])
	}
}

// scriptForget: forget: no registration is known any more, as after a loss of the bus.
func scriptForget(ts *testscript.TestScript, _ bool, _ []string) {
	stageOf(ts).agent.change(func(status *report) { status.Registrations = []levels.Registration{} })
}

func waitFor(ts *testscript.TestScript, what string, condition func() bool) {
	ctx, cancel := context.WithTimeout(context.Background(), scriptPatience)
	defer cancel()
	if err := stageOf(ts).agent.wait(ctx, condition); err != nil {
		ts.Fatalf("waited in vain for %s", what)
	}
}

// scriptInvoke: invoke COMPONENT SEQUENCE LEVEL.
func scriptInvoke(ts *testscript.TestScript, _ bool, args []string) {
	position, err := parsePosition(args[1], args[2])
	ts.Check(err)
	ts.Check(stageOf(ts).agent.invoke(args[0], position))
}

// scriptCancel: cancel SEQUENCE.
func scriptCancel(ts *testscript.TestScript, _ bool, args []string) {
	sequence, err := levels.ParseSequence(args[0])
	ts.Check(err)
	stageOf(ts).agent.cancel(sequence)
}

// scriptRegistered: registered COMPONENT N waits for N registrations of it.
func scriptRegistered(ts *testscript.TestScript, _ bool, args []string) {
	agent := stageOf(ts).agent
	waitFor(ts, strings.Join(args, " "), func() bool {
		count := 0
		for _, known := range agent.status.Registrations {
			if known.Component == args[0] {
				count++
			}
		}

		return strconv.Itoa(count) == args[1]
	})
}

// scriptAnswered: answered REGEXP waits for such an answer.
func scriptAnswered(ts *testscript.TestScript, _ bool, args []string) {
	agent := stageOf(ts).agent
	wanted := regexp.MustCompile(args[0])
	waitFor(ts, fmt.Sprintf("%s in %q", args[0], agent.answers), func() bool {
		return slices.ContainsFunc(agent.answers, wanted.MatchString)
	})
}

// scriptExits: exits STATUS PROGRAM ARGUMENT…: like exec, and the status must be that.
func scriptExits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	status := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(status) != args[0] {
		ts.Fatalf("exit status %d, want %s", status, args[0])
	}
}

// scriptAppears: appears FILE REGEXP waits until the file holds it.
func scriptAppears(ts *testscript.TestScript, _ bool, args []string) {
	wanted := regexp.MustCompile(args[1])
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(scriptPatience)
	for {
		text, _ := os.ReadFile(ts.MkAbs(args[0]))
		if wanted.Match(text) {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			ts.Fatalf("%s does not hold %s:\n%s", args[0], args[1], text)
		}
	}
}
