package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/cssc-ha/cssc/contrib/examples/tally/pair"
	"github.com/cssc-ha/cssc/dbusapi"
)

// check tells of each client's file, and of all together: then a pause is one in which no
// client got an answer. It fails when something that was acknowledged is not kept.
func check(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("tally check", flag.ContinueOnError)
	last := flags.Duration("last", 0, "tell of the pauses of this time only")
	if err := flags.Parse(args); err != nil {
		return err
	}
	since := time.Time{}
	if *last > 0 {
		since = time.Now().Add(-*last)
	}
	// The records first: what is in them now, the primary has by now.
	var all []pair.Record
	records := map[string][]pair.Record{}
	for _, name := range flags.Args() {
		some, err := pair.ReadRecords(name)
		if err != nil {
			return err
		}
		records[name] = some
		all = append(all, some...)
	}
	where, kept, err := readPrimary(ctx)
	if err != nil {
		return err
	}
	for _, name := range flags.Args() {
		fmt.Printf("%s: %s\n", name, pair.Judge(records[name], kept, since))
	}
	verdict := pair.Judge(all, kept, since)
	fmt.Printf("all: %s\n%s keeps %d numbers in term %d\n", verdict, where.node, len(kept), where.term)
	if verdict.Lost+verdict.Disorder > 0 {
		return errors.New("numbers are lost or out of order")
	}

	return nil
}

// readPrimary reads all that is kept.
func readPrimary(ctx context.Context) (location, []pair.Entry, error) {
	client, err := dbusapi.Connect(ctx, dbusapi.ClientOptions{})
	if err != nil {
		return location{}, nil, err
	}
	defer func() { _ = client.Close() }()
	where, err := findPrimary(ctx, client)
	if err != nil {
		return location{}, nil, fmt.Errorf("find the primary: %w", err)
	}
	conn, err := pair.Dial(ctx, where.address)
	if err != nil {
		return location{}, nil, err
	}
	defer func() { _ = conn.Close() }()
	kept, err := conn.Entries(ctx)
	if err != nil {
		return location{}, nil, fmt.Errorf("read what %s keeps: %w", where.node, err)
	}

	return where, kept, nil
}
