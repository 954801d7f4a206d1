package levels_test

import (
	"fmt"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// A node of one comes up: its only callback is invoked, answers, and init is complete.
func Example() {
	machine := levels.New(levels.Start{Config: levels.DefaultConfig("n1"), FirstTag: 100, Qualified: true})
	now := levels.Instant(time.Second)
	step := func(event levels.Event) {
		for _, action := range machine.Step(now, event).Actions {
			switch action := action.(type) {
			case levels.Invoke:
				fmt.Println("invoke", action.Registration.Component, "at", action.Position, "tag", action.Tag)
			case levels.TellLevelReached:
				fmt.Println("reached", action.Position)
			default:
			}
		}
	}
	step(levels.Registered{Registration: levels.Registration{
		Component: "db", Client: ":1.7", Position: levels.Position{Sequence: levels.Init, Level: 3},
	}})
	step(levels.RoleChanged{Role: levels.RoleMaster, Term: 1, Master: "n1"})
	step(levels.CallbackDone{Tag: 100, Client: ":1.7", OK: true})
	fmt.Print(machine.Describe())
	// Output:
	// invoke db at init:3 tag 100
	// reached init:3
	// n1: up, master, term 1, master n1, ready, master ready, init reached last
}
