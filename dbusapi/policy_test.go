package dbusapi

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// systemPolicy is what a system bus allows before any service adds to it.
const systemPolicy = `  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
  </policy>
  <include>%FILE%</include>
`

// startSystemBus is a private bus with the policy that we install.
func startSystemBus(t *testing.T) *testBus {
	t.Helper()
	file, err := filepath.Abs("../contrib/dist/dbus-1/system.d/org.cssc.Agent1.conf")
	if err != nil {
		t.Fatal(err)
	}

	return startBus(t, strings.ReplaceAll(systemPolicy, "%FILE%", file))
}

// connectAs connects with the user id of somebody else, as root can; otherwise
// with our own, which is not root's either.
func (b *testBus) connectAs(t *testing.T, uid int, options ...dbus.ConnOption) *dbus.Conn {
	t.Helper()
	if os.Geteuid() != 0 {
		uid = os.Geteuid()
	}
	var stream net.Conn
	done := make(chan error, 1)
	go func() {
		// The thread that had another identity for a moment is not used again.
		runtime.LockOSThread()
		if _, _, code := syscall.RawSyscall(syscall.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); code != 0 {
			done <- code

			return
		}
		var err error
		stream, err = net.Dial("unix", strings.TrimPrefix(b.address, "unix:path=")) // on this very thread
		done <- err
	}()
	if err := receive(t, "the connection", done); err != nil {
		t.Fatal(err)
	}
	conn, err := dbus.NewConn(stream, options...)
	if err == nil {
		err = conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(uid))})
	}
	if err == nil {
		err = conn.Hello()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })

	return conn
}

const nobodyUID = 65534

// An ordinary user can neither own the name nor send any signal of the agent's
// interfaces or from its objects, to everybody or to one.
func TestPolicyKeepsOthersFromPlayingTheAgent(t *testing.T) {
	bus := startSystemBus(t)
	user := bus.connectAs(t, nobodyUID)
	reply, err := user.RequestName(BusName, dbus.NameFlagDoNotQueue)
	if refused, _ := err.(dbus.Error); refused.Name != standardErrors+"AccessDenied" { //nolint:errorlint // godbus returns it bare
		t.Errorf("owning the name gave %v %v", reply, err)
	}
	var arrived list[string]
	victim := bus.connectAs(t, nobodyUID, dbus.WithIncomingInterceptor(func(message *dbus.Message) {
		if message.Type == dbus.TypeSignal {
			arrived.add(message.Headers[dbus.FieldMember].Value().(string))
		}
	}))
	if err = victim.AddMatchSignal(dbus.WithMatchSender(user.Names()[0])); err != nil {
		t.Fatal(err)
	}
	info := options()
	for _, destination := range []string{"", victim.Names()[0]} {
		for _, iface := range []string{ManagerInterface, NodeInterface, OperationInterface, RegistrationInterface} {
			user.Send(signalMessage(destination, "/x", iface, "Callback", uint64(1), info), nil)
		}
		user.Send(signalMessage(destination, RootPath, propertiesInterface, "PropertiesChanged", ManagerInterface, info, []string{}), nil)
		user.Send(signalMessage(destination, RootPath, "org.example.Any", "Any", uint64(1)), nil)
		// One that is allowed shows that the others had their chance.
		user.Send(signalMessage(destination, "/x", "org.example.Any", "Allowed", uint64(1)), nil)
	}
	for len(arrived.all()) < 3 { // NameAcquired and two that are allowed
		if err = user.BusObject().CallWithContext(limited(t), driverName+".GetId", 0).Err; err == nil {
			err = victim.BusObject().CallWithContext(limited(t), driverName+".GetId", 0).Err
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(arrived.all(), ","); got != "NameAcquired,Allowed,Allowed" {
		t.Errorf("arrived: %s", got)
	}
}

// Root owns the name and serves; an ordinary user reads, is refused what changes
// something, and overhears nothing that is for others.
func TestPolicyLetsUsersReadAndNotListen(t *testing.T) {
	bus := startSystemBus(t)
	if os.Geteuid() != 0 {
		server := New(Options{Backend: newFakeAgent(), Address: bus.address})
		if _, err := server.serve(limited(t)); err == nil || !strings.Contains(err.Error(), "not allowed to own") {
			t.Fatalf("serving without being root gave %v", err)
		}

		return
	}
	server := bus.serve(t, newFakeAgent())
	var overheard atomic.Int32
	broadcasts := make(chan string, 10)
	user := bus.connectAs(t, nobodyUID, dbus.WithIncomingInterceptor(func(message *dbus.Message) {
		member, _ := message.Headers[dbus.FieldMember].Value().(string)
		switch {
		case message.Type == dbus.TypeMethodCall, member == "Callback":
			overheard.Add(1)
		case member == "MasterReady":
			broadcasts <- member
		}
	}))
	for _, rule := range []string{
		"eavesdrop='true',destination='" + BusName + "'", "eavesdrop='true',sender='" + BusName + "'", "sender='" + BusName + "'",
	} {
		// Refused or without effect: both are well.
		_ = user.BusObject().Call(driverName+".AddMatch", 0, rule).Err
	}
	if err := user.BusObject().Call("org.freedesktop.DBus.Monitoring.BecomeMonitor", 0, []string{}, uint32(0)).Err; err == nil {
		t.Error("an ordinary user may monitor")
	}
	if _, name, text := ask(t, user, RootPath, ManagerInterface+".GetStatus", uint64(0)); name != "" {
		t.Errorf("reading gave %s: %s", name, text)
	}
	for _, row := range changing() {
		if _, name, text := ask(t, user, RootPath, ManagerInterface+"."+row.member, row.arguments...); name != standardErrors+"AccessDenied" {
			t.Errorf("%s gave %s: %s", row.member, name, text)
		}
	}
	client := bus.client(t)
	calls := make(chan taken, 1)
	register(t, client, calls)
	server.agent.invoke("naming")
	if err := client.Done(limited(t), receive(t, "the invocation", calls).call.Tag, nil); err != nil {
		t.Fatal(err)
	}
	server.agent.update(nil, levels.TellMasterReady{Node: "n1"})
	receive(t, "the broadcast", broadcasts)
	if count := overheard.Load(); count != 0 {
		t.Errorf("%d messages to others were overheard", count)
	}
}
