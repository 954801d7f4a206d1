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

// connected is what ExampleClient_Register shows in full: a connection, to an agent that invokes
// what was registered when it is told to. Stop ends all of it.
func connected() (client *dbusapi.Client, invoke func(component string), stop func()) {
	address, invoke, stopAgent := dbusapi.PrivateAgent()
	client, err := dbusapi.Connect(context.Background(), dbusapi.ClientOptions{Address: address})
	if err != nil {
		panic(err)
	}

	return client, invoke, func() {
		_ = client.Close()
		stopAgent()
	}
}

// Work that fails says why: people read it in "cssc status", and what happens then is
// configured. The invocation is answered once; a second answer is refused.
func ExampleClient_Done() {
	ctx := context.Background()
	client, invoke, stop := connected()
	defer stop()
	calls := make(chan dbusapi.Invocation, 1)
	registration := dbusapi.Registration{
		Component: "store", Sequence: levels.Promote, Level: levels.Last, Timeout: 20 * time.Second, OnFailure: levels.PolicyAbort,
	}
	err := client.Register(ctx, registration, func(_ context.Context, call dbusapi.Invocation) { calls <- call })
	if err != nil {
		log.Print(err)

		return
	}
	invoke("store")
	call := <-calls
	fmt.Println("failed:", client.Done(ctx, call.Tag, errors.New("the copy is behind by 3 records")))
	err = client.Done(ctx, call.Tag, nil)
	fmt.Println("again:", errors.Is(err, levels.ErrNoSuchInvocation))
	// Output:
	// failed: <nil>
	// again: true
}

// A service that was started late: levels that are behind the node do not come back, so it
// looks itself what its node is. Register first; then what begins meanwhile is not missed.
func ExampleClient_Status() {
	ctx := context.Background()
	client, _, stop := connected()
	defer stop()
	now, err := client.Status(ctx)
	if err != nil {
		log.Print(err)

		return
	}
	// While promote or demote runs nobody is ready, and their levels will come.
	if now.MasterReady && now.Role == levels.RoleMaster {
		fmt.Printf("%s serves in term %d\n", now.Node, now.Term)
	}
	// Output:
	// n1 serves in term 3
}

// A client that follows the master: it asks who is ready, and asks again when something has
// happened. Events are hints; what counts is the answer.
func ExampleClient_Events() {
	ctx := context.Background()
	client, _, stop := connected()
	defer stop()
	events, err := client.Events(ctx)
	if err != nil {
		log.Print(err)

		return
	}
	if _, err = client.RequestOperation(ctx, dbusapi.OperationRequest{Kind: levels.OperationSwitchover}); err != nil {
		log.Print(err) // levels.ErrRefused: the text names what is in the way

		return
	}
	for event := range events {
		if event.Name != "OperationRemoved" && event.Name != dbusapi.EventMissed {
			continue
		}
		node, term, err := client.MasterReady(ctx)
		if errors.Is(err, levels.ErrTryAgain) {
			continue // nobody is ready; MasterReady will tell
		}
		fmt.Println(node, term, err)

		break
	}
	// Output:
	// n1 3 <nil>
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
