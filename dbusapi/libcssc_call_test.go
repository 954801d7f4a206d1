package dbusapi

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cssc-ha/cssc/integration/cplayer"
	"github.com/cssc-ha/cssc/levels"
)

// called is the line of a callback; its group is the tag.
const called = `callback (0x[0-9a-f]+) init 3 flags=0 node=n1 .*`

// A callback is registered, called, and answered, with what the server knows of the node.
func TestLibcsscTakesPart(t *testing.T) {
	bus, server := start(t)
	p := bus.play(t)
	p.Ask("register naming init 3 answer 5000000 1", "register OK")
	if r := server.agent.now().Registrations; len(r) != 1 || r[0].Timeout.Seconds() != 5 || r[0].OnFailure.String() != "hold" {
		t.Errorf("the agent has %+v", r)
	}
	server.agent.invoke("naming")
	p.Line("callback 0x1 init 3 flags=0 node=n1 cluster=local state=initializing role=master term=3 master=n1 vice=")
	p.Line("answered OK")
	if done := receive(t, "Done", server.agent.done); !done.OK {
		t.Errorf("done is %+v", done)
	}
	p.Ask("register naming shut -1 hold", "register OK")
	r := server.agent.now().Registrations[1]
	if err := server.Invoke(levels.Invoke{Tag: 5, Registration: r, Position: r.Position, Noboot: true}); err != nil {
		t.Fatal(err)
	}
	p.Line("callback 0x2 shut -1 flags=1 node= cluster= state=.* role=unknown term=0 master= vice=")
	p.Ask("info", "info OK node=n1 cluster=local state=up role=master term=3 master=n1 vice=")
	p.Ask("master", "master OK n1 3")
	p.Ask("conf 1 200", "conf OK org.cssc.Agent1")
	p.Ask("conf 2 200", "conf OK type='signal',.*,member='MasterReady'")
	p.Ask("conf 3 200", "conf OK type='signal',.*,member='NodeDisqualified'")
	p.Ask("conf 4 200", "conf OK type='signal',.*,member='NodeQualified'")
	p.Ask("conf levels init", "conf OK 10")
}

// An error is told with its reason, which is made fit for a terminal and a limit.
func TestLibcsscReportsFailure(t *testing.T) {
	bus, server := start(t)
	p := bus.play(t)
	p.Ask("register naming init 3 hold", "register OK")
	p.Ask("register other init 3 refuse", "register OK")
	server.agent.invoke("naming")
	tag := p.Line(called)[0]
	p.Ask("fail "+tag+" \xff", "fail EINVAL .*UTF-8.*")
	p.Ask("fail "+tag+" disk\x01full"+strings.Repeat("ü", 600), "fail OK")
	done := receive(t, "Done", server.agent.done)
	if done.OK || !strings.HasPrefix(done.Message, "disk?fullüü") || len(done.Message) > MaxMessage || len(done.Message) < MaxMessage-2 {
		t.Errorf("done is %+v (%d bytes)", done, len(done.Message))
	}
	server.agent.invoke("other")
	p.Line(called)
	p.Line("answered OK")
	if done = receive(t, "Done", server.agent.done); done.OK || done.Message != "" {
		t.Errorf("done is %+v", done)
	}
}

// The work is done in threads, which answer while messages are dispatched.
func TestLibcsscIsAnsweredFromThreads(t *testing.T) {
	bus, server := start(t)
	p := bus.play(t)
	const components = 20
	for index := range components {
		p.Ask(fmt.Sprintf("register c%d init 3 thread", index), "register OK")
	}
	for range 5 {
		for index := range components {
			server.agent.invoke(fmt.Sprint("c", index))
		}
		for range components {
			if done := receive(t, "Done", server.agent.done); !done.OK {
				t.Fatalf("done is %+v", done)
			}
		}
	}
	for range 2 * 5 * components {
		p.Line(called + "|answered OK")
	}
}

// The one descriptor tells the truth: also of what a call has read while it waited for its
// reply, which no socket shows any more.
func TestLibcsscNeedsOneDescriptorAndPoll(t *testing.T) {
	bus, server := start(t)
	p := bus.play(t)
	p.Ask("register naming init 3 hold", "register OK")
	p.Ask("poll off", "poll OK")
	p.Ask("fd", "fd OK open")
	// Upkeep is over when nothing has arrived before the reply to a question.
	for p.Ask("info", "info OK .*"); p.Ask("readable 0", "readable ([01])")[0] == "1"; p.Ask("info", "info OK .*") {
		p.Ask("dispatch", "dispatch ENOMSG .*")
	}
	p.Ask("dispatch", "dispatch ENOMSG .*no message.*")
	p.Ask("dispatch 0", "dispatch EBADF .*")
	p.Ask("readable 0", "readable 0")
	server.agent.invoke("naming")
	p.Ask("readable 60000", "readable 1")
	p.Ask("dispatch", called)
	p.Line("dispatch OK")
	p.Ask("readable 0", "readable 0")
	r := server.agent.now().Registrations[0]
	for tag := range levels.Tag(3) {
		if err := server.Invoke(levels.Invoke{Tag: tag + 1, Registration: r, Position: r.Position}); err != nil {
			t.Fatal(err)
		}
	}
	p.Ask("info", "info OK .*") // the reply is behind the signals
	p.Ask("readable 0", "readable 1")
	p.Ask("dispatch", "callback 0x4 .*") // the two older ones are void
	p.Line("dispatch OK")
	p.Ask("dispatch", "dispatch ENOMSG .*")
	p.Ask("readable 0", "readable 0")
}

// A cancelled sequence is told, its invocations are void, those of others are not.
func TestLibcsscIsToldOfCancellation(t *testing.T) {
	bus, server := start(t)
	p := bus.play(t)
	p.Ask("notify", "notify OK")
	p.Ask("notify", "notify EALREADY .*")
	p.Ask("register naming init 3 hold", "register OK")
	p.Ask("register other shut 1 hold", "register OK")
	server.agent.invoke("naming")
	naming := p.Line(called)[0]
	server.agent.invoke("other")
	other := p.Line(`callback (0x[0-9a-f]+) shut 1 .*`)[0]
	r := server.agent.now().Registrations
	server.NotifyCanceled(levels.NotifyCanceled{Clients: []levels.ClientID{r[0].Client}, Sequence: levels.Init, LastLevel: 3})
	p.Line("canceled init 3")
	p.Ask("done "+naming+" 0", "done ESRCH .*")
	p.Ask("done "+other+" 0", "done OK")
	// One that was not delivered yet is not delivered any more.
	p.Ask("poll off", "poll OK")
	if err := server.Invoke(levels.Invoke{Tag: 77, Registration: r[0], Position: r[0].Position}); err != nil {
		t.Fatal(err)
	}
	server.NotifyCanceled(levels.NotifyCanceled{Clients: []levels.ClientID{r[0].Client}, Sequence: levels.Init, LastLevel: levels.Last})
	p.Ask("info", "info OK .*")
	p.Ask("poll on", "poll OK")
	p.Line("canceled init -1")
}

// What was taken back is not called, and who waits for it is answered.
func TestLibcsscUnregisters(t *testing.T) {
	bus, server := start(t)
	p := bus.play(t)
	p.Ask("register naming init 3 hold", "register OK")
	p.Ask("poll off", "poll OK")
	server.agent.invoke("naming")
	p.Ask("info", "info OK .*")
	p.Ask("unregister naming init 3", "unregister OK")
	if left := server.agent.now().Registrations; len(left) != 0 {
		t.Errorf("the agent has %+v", left)
	}
	p.Ask("poll on", "poll OK")
	if done := receive(t, "Done", server.agent.done); !done.OK {
		t.Errorf("done is %+v", done)
	}
	p.Ask("unregister naming init 3", "unregister ENOENT .*")
	p.Ask("register naming init 3 hold", "register OK")
	server.agent.invoke("naming")
	tag := p.Line(called)[0]
	p.Ask("unregister naming init 3", "unregister OK")
	p.Ask("done "+tag+" 0", "done OK")
	receive(t, "Done", server.agent.done)
}

// Closing ends all, and what follows begins anew.
func TestLibcsscIsClosedAndBeginsAnew(t *testing.T) {
	bus, server := start(t)
	p := bus.play(t)
	for range 3 {
		p.Ask("register naming init 3 hold", "register OK")
		server.agent.invoke("naming")
		tag := p.Line(called)[0]
		p.Ask("close", "close OK")
		receive(t, "the end of the client", server.agent.vanished)
		p.Ask("done "+tag+" 0", "done ENOENT .*")
	}
}

// Signals of others are ignored, and so are those that are not of their form.
func TestLibcsscIgnoresForgeries(t *testing.T) {
	bus, server := start(t)
	p := bus.play(t)
	p.Ask("notify", "notify OK")
	p.Ask("register naming init 3 hold", "register OK")
	server.agent.invoke("naming")
	tag := p.Line(called)[0]
	to := string(server.agent.now().Registrations[0].Client)
	owner := server.session.Load().conn.Names()[0]
	forger, info := bus.Connect(t), options()
	forger.Send(signalMessage(to, RootPath, ManagerInterface, "Callback", uint64(5), RegistrationPath(7), "naming", "init", int32(3), uint64(0), info), nil)
	forger.Send(signalMessage(to, RootPath, ManagerInterface, "SequenceCanceled", "init", int32(3), info), nil)
	forger.Send(signalMessage(to, driverPath, driverName, "NameOwnerChanged", BusName, owner, forger.Names()[0]), nil)
	ask(t, forger, RootPath, peerInterface+".Ping")
	for _, body := range [][]any{{}, {"nonsense"}, {uint64(9), RegistrationPath(7), "naming", "nonsense", int32(3), uint64(0), info}} {
		server.session.Load().send(signalMessage(to, RootPath, ManagerInterface, "Callback", body...))
	}
	server.session.Load().send(signalMessage(to, RootPath, ManagerInterface, "SequenceCanceled", "nonsense", int32(1), info))
	p.Ask("info", "info OK .*")
	p.Ask("done "+tag+" 0", "done OK")
	server.agent.invoke("naming")
	p.Line(called)
}

// The version script is obeyed, and the library is what a program links to.
func TestLibcsscExportsItsInterface(t *testing.T) {
	library, err := elf.Open(filepath.Join(filepath.Dir(cplayer.Build(t, cplayer.Plain)), "libcssc.so"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = library.Close() }()
	symbols, err := library.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	var exported, needed []string
	for _, symbol := range symbols {
		if symbol.Section != elf.SHN_UNDEF && elf.ST_TYPE(symbol.Info) == elf.STT_FUNC {
			exported = append(exported, symbol.Name)
		}
		if symbol.Section == elf.SHN_UNDEF && symbol.Library == "libc.so.6" {
			needed = append(needed, strings.TrimPrefix(symbol.Version, "GLIBC_"))
		}
	}
	script, err := os.ReadFile("../contrib/libcssc/libcssc.map")
	if err != nil {
		t.Fatal(err)
	}
	var wanted []string
	for _, match := range regexp.MustCompile(`(?m)^\s+(cssc_[a-z_]+);`).FindAllStringSubmatch(string(script), -1) {
		wanted = append(wanted, match[1])
	}
	slices.Sort(exported)
	if !slices.Equal(exported, wanted) {
		t.Errorf("exported are\n%v\nwant\n%v", exported, wanted)
	}
	if soname, err := library.DynString(elf.DT_SONAME); err != nil || !slices.Equal(soname, []string{"libcssc.so.0"}) {
		t.Errorf("the soname is %v, %v", soname, err)
	}
	t.Logf("needs of glibc: %v", slices.Compact(slices.Sorted(slices.Values(needed))))
}

// The header is good C11 and good C++, by itself and without a warning.
func TestLibcsscHeaderServesCAndCpp(t *testing.T) {
	cplayer.Build(t, cplayer.Plain)
	compilers := [][]string{{"cc", "-std=c11"}, {"cc", "-std=gnu2x"}}
	if _, err := exec.LookPath("c++"); err == nil {
		compilers = append(compilers, []string{"c++", "-std=c++11", "-x", "c++"})
	} else {
		t.Log("no C++ compiler here: the header was not tried with one")
	}
	for _, compiler := range compilers {
		run(t, append(compiler, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I../contrib/libcssc", headerSource)...)
	}
}

// headerSource is a program that needs the header, the library and nothing else.
const headerSource = "../contrib/libcssc/test/header.c"

// run returns what a command of the host says.
func run(t *testing.T, argv ...string) string {
	t.Helper()
	output, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, output)
	}

	return strings.TrimSpace(string(output))
}

// What is installed can be compiled with, linked to and run, with what pkg-config says.
func TestLibcsscIsInstalled(t *testing.T) {
	build, tree := filepath.Dir(cplayer.Build(t, cplayer.Plain)), t.TempDir()
	run(t, "make", "-s", "-C", "../contrib/libcssc", "install", "BUILD="+build, "CFLAGS="+cplayer.Plain, "DESTDIR="+tree, "PREFIX=/opt", "LIBDIR=/opt/lib")
	t.Setenv("PKG_CONFIG_LIBDIR", filepath.Join(tree, "opt/lib/pkgconfig"))
	t.Setenv("PKG_CONFIG_SYSROOT_DIR", tree)
	flags := strings.Fields(run(t, "pkg-config", "--cflags", "--libs", "libcssc"))
	program := filepath.Join(tree, "program")
	run(t, append([]string{"cc", "-o", program, headerSource, "-Wl,-rpath," + filepath.Join(tree, "opt/lib")}, flags...)...)
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus")
	if err := exec.Command(program).Run(); err == nil || err.Error() != "exit status 1" {
		t.Errorf("the program without a bus ended with %v, want exit status 1", err)
	}
}

// One story under valgrind, which also knows of memory that was never written.
func TestLibcsscUnderValgrind(t *testing.T) {
	valgrind, err := exec.LookPath("valgrind")
	if err != nil {
		t.Skip("valgrind is not here")
	}
	bus, server := start(t)
	p := playProgram(t, bus.address, valgrind, "-q", "--error-exitcode=9", "--leak-check=full", "--show-leak-kinds=all",
		"--errors-for-leak-kinds=all", "--track-fds=no", cplayer.Build(t, cplayer.Plain))
	p.Ask("notify", "notify OK")
	p.Ask("register naming init 3 hold", "register OK")
	for round := range 2 {
		server.agent.invoke("naming")
		tag := p.Line(called)[0]
		p.Ask("operation one 3 - 1", "operation OK")
		server.agent.finish(levels.OperationID(round+1), levels.ResultFailed, "no power")
		p.Line("result one FAILED .*no power")
		p.Ask("fail "+tag+" why", "fail OK")
		receive(t, "Done", server.agent.done)
		bus.Restart(t)
		receive(t, "BusLost", server.agent.lost)
		waitListed(t, server.agent, "naming")
	}
	p.Ask("info", "info OK .*")
}
