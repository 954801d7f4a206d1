package dbusapi

import (
	"testing"

	"github.com/cssc-ha/cssc/integration/cplayer"
	"github.com/cssc-ha/cssc/levels"
)

// Every error of every function; the same against a real agent is a test of integration.
func TestLibcsscErrors(t *testing.T) {
	bus, server := start(t)
	p := bus.play(t)
	p.Ask("wait 0", "wait OK")
	fails := func(call string, err error) {
		server.agent.mu.Lock()
		defer server.agent.mu.Unlock()
		server.agent.fail[call] = err
	}
	for command, pattern := range map[string]string{
		"done 0x7 0":                         "done ENOENT .*",
		"register - init 3 hold":             "register EINVAL .*",
		"register a/b init 3 hold":           "register EINVAL .*letters.*",
		"register naming init -2 hold":       "register EINVAL .*",
		"register naming init 5000 hold":     "register EINVAL .*",
		"register naming 9 3 hold":           "register EINVAL .*",
		"register naming 0 3 hold":           "register EINVAL .*",
		"register naming init 3 null":        "register EINVAL .*",
		"register naming init 3 hold 9 7":    "register EINVAL .*",
		"register x init 3 hold 86400000001": "register EINVAL .*",
		"unregister naming init 3":           "unregister ENOENT .*",
		"operation one 9 - 0":                "operation EINVAL .*",
		"operation one 0 - 0":                "operation EINVAL .*",
		"operation one 3 - 2":                "operation EINVAL .*",
		"operation one 1 - 1":                "operation EINVAL .*",
		"operation one 1 n9 0":               "operation EINVAL .*n9.*",
		"conf 1 15":                          "conf E2BIG .*16 bytes.*",
		"conf 1 16":                          "conf OK org.cssc.Agent1",
		"conf 1 0":                           "conf EINVAL .*",
		"conf 0 10":                          "conf EINVAL .*",
		"conf levels 9":                      "conf EINVAL .*",
		"dispatch 0":                         "dispatch EBADF .*",
		"wait -1":                            "wait EINVAL .*",
	} {
		t.Log(command)
		p.Ask(command, pattern)
	}
	p.Send("nulls")
	for range 11 {
		p.Line("[a-z]+ EINVAL .+")
	}
	p.Line("nulls end")
	for _, one := range []struct {
		err  error
		code string
	}{
		{ErrAccessDenied, "EACCES"},
		{ErrInteractionNeeded, "EACCES"},
		{levels.ErrAlreadyRegistered, "EALREADY"},
		{levels.ErrInvalid, "EINVAL"},
		{ErrLimit, "EINVAL"},
		{levels.ErrBusy, "EAGAIN"},
		{levels.ErrTryAgain, "EAGAIN"},
		{levels.ErrRefused, "ENOTSUP"},
		{levels.ErrNotHeld, "ENOTSUP"},
	} {
		fails("Register", one.err)
		p.Ask("register naming init 3 hold", "register "+one.code+" register callback: .+")
		fails("Operation", one.err)
		p.Ask("operation one 3 - 0", "operation "+one.code+" request operation: .+")
	}
	fails("Register", nil)
	for err, code := range map[error]string{levels.ErrOperationInProgress: "EALREADY", levels.ErrUnreachable: "EAGAIN"} {
		fails("Operation", err)
		p.Ask("operation one 3 - 0", "operation "+code+" .+")
	}
	fails("SubscribeCancellation", ErrAccessDenied)
	p.Ask("notify", "notify OK") // subscribed already, when first asked to register
	p.Ask("register naming init 3 hold", "register OK")
	p.Ask("done 0x7 0", "done ESRCH .*")
	server.agent.invoke("naming")
	tag := p.Line(called)[0]
	p.Ask("done "+tag+" 1", "done EINVAL .*")
	fails("Done", ErrAccessDenied)
	p.Ask("done "+tag+" 0", "done EACCES .*")
	fails("Done", nil)
	p.Send("fork " + tag)
	for range 12 {
		p.Line("child [a-z]+ EACCES .*forked.*")
	}
	p.Line("child end")
	p.Ask("done "+tag+" 0", "done OK")
	p.Ask("done "+tag+" 0", "done ESRCH .*")
	p.Ask("done 0x0 0", "done ESRCH .*")
	server.agent.update(func(s *Status) { s.MasterReady = false })
	p.Ask("master", "master EAGAIN .*")
}

// A machine without a bus, and a caller that may not.
func TestLibcsscWithoutABus(t *testing.T) {
	program := cplayer.Build(t, cplayer.Sanitized)
	p := playProgram(t, "unix:path=/nonexistent/bus", program)
	p.Ask("register naming init 3 hold", "register ENOTSUP .*bus not reachable.*")
	p.Ask("notify", "notify ENOTSUP .*")
	p.Ask("info", "info ENOTSUP .*")
	p.Ask("master", "master ENOTSUP .*")
	p.Ask("conf 1 100", "conf ENOTSUP .*")
	p.Ask("operation one 3 - 0", "operation ENOTSUP .*")
	p.Ask("fd", "fd OK open")
	p.Ask("done 0x1 0", "done ENOENT .*")
}

// A process that can have no more descriptors is told so, and goes on when it can.
func TestLibcsscWithoutDescriptors(t *testing.T) {
	bus, _ := start(t)
	p := playProgram(t, bus.address, "prlimit", "--nofile=32", cplayer.Build(t, cplayer.Sanitized))
	p.Send("exhaust")
	for range 12 {
		p.Line("[a-z]+ ENOTSUP .*event loop.*")
	}
	p.Line("end")
	p.Ask("register naming init 3 hold", "register OK")
}
