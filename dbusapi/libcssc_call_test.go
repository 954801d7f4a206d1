package dbusapi

import (
	"testing"
)

// A callback is registered, called, and answered, with what the server knows of the node.
func TestLibcsscTakesPart(t *testing.T) {
	bus, server := start(t)
	p := bus.play(t)
	p.ask("register naming init 3 answer 5000000 1", "register OK")
	if r := server.agent.now().Registrations; len(r) != 1 || r[0].Timeout.Seconds() != 5 || r[0].OnFailure.String() != "hold" {
		t.Errorf("the agent has %+v", r)
	}
	p.ask("register naming init 3 hold", "register EALREADY .*already.*")
	server.agent.invoke("naming")
	p.line("callback 0x1 init 3 flags=0 node=n1 cluster=local state=initializing role=master term=3 master=n1 vice=")
	p.line("answered OK")
	if done := receive(t, "Done", server.agent.done); !done.OK {
		t.Errorf("done is %+v", done)
	}
	if code := p.ask("register other init -2 hold", "register ([A-Z]+) .*"); code[0] != "EINVAL" {
		t.Errorf("level -2 gave %s", code[0])
	}
}
