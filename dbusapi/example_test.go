package dbusapi_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/cssc-ha/cssc/dbusapi"
	"github.com/cssc-ha/cssc/levels"
)

// A service that takes part in init level 3. A real one leaves the address empty
// and goes on until it is told to stop.
func ExampleClient_Register() {
	address, invoke, stop := dbusapi.PrivateAgent()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client, err := dbusapi.Connect(ctx, dbusapi.ClientOptions{Address: address})
	if errors.Is(err, dbusapi.ErrNoBus) {
		log.Print("no message bus here, running alone")

		return
	}
	if err != nil {
		log.Print(err)

		return
	}
	// The registration lives as long as the connection.
	defer func() { _ = client.Close() }()

	ended := make(chan error)
	work := func(ctx context.Context, call dbusapi.Invocation) {
		go func() {
			// ctx ends when the level was cancelled: then nobody waits for an answer. The
			// answer itself has a time of its own.
			failure := prepare(ctx, call)
			answer, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			ended <- client.Done(answer, call.Tag, failure)
		}()
	}
	registration := dbusapi.Registration{Component: "naming", Sequence: levels.Init, Level: 3}
	if err = client.Register(ctx, registration, work); err != nil {
		log.Print(err)

		return
	}
	invoke("naming") // what the agent does when the node comes to level 3
	fmt.Println("answered:", <-ended)
	// Output:
	// init level 3 as master in term 3
	// answered: <nil>
}

// Prepare does the work of a level; it may be asked for the same level of the
// same term again and does nothing then.
func prepare(ctx context.Context, call dbusapi.Invocation) error {
	fmt.Printf("%s level %s as %s in term %d\n", call.Sequence, call.Level, call.Info.Role, call.Info.Term)

	return ctx.Err()
}

// An administrative command: stop the cluster services of this node, and wait.
func ExampleClient_WaitOperation() {
	address, _, stop := dbusapi.PrivateAgent()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client, err := dbusapi.Connect(ctx, dbusapi.ClientOptions{Address: address, Interactive: true})
	if err != nil {
		log.Print(err)

		return
	}
	defer func() { _ = client.Close() }()
	id, err := client.RequestOperation(ctx, dbusapi.OperationRequest{
		Kind: levels.OperationShutdown, Mode: levels.ModeNoboot, Reason: "maintenance",
	})
	if err != nil {
		log.Print(err) // errors.Is(err, levels.ErrOperationInProgress): the text names the one that runs

		return
	}
	ended, err := client.WaitOperation(ctx, id)
	if err != nil {
		log.Print(err)

		return
	}
	fmt.Println(ended.Kind, ended.Mode, ended.Result)
	// Output:
	// shutdown noboot done
}

// Object paths hold letters, digits and underscores only.
func ExampleNodePath() {
	fmt.Println(dbusapi.NodePath("n1"))
	fmt.Println(dbusapi.NodePath("9-west"))
	// Output:
	// /org/cssc/Agent1/node/n1
	// /org/cssc/Agent1/node/_39_2dwest
}
