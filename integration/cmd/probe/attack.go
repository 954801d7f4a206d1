package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/godbus/dbus/v5"
)

// attack tries what an unprivileged user must not achieve, and prints one line "granted" or
// "denied NAME" per try; a flood prints how many calls were answered.
func attack(ctx context.Context, kind, argument string) error {
	conn, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	object := conn.Object(busName, rootPath)
	switch kind {
	case "own":
		_, err = conn.RequestName(busName, dbus.NameFlagDoNotQueue|dbus.NameFlagReplaceExisting)
		verdict(err)
	case "register":
		verdict(object.CallWithContext(ctx, manager+".RegisterCallback", 0, argument, "init", int32(1), map[string]dbus.Variant{}).Err)
	case "done":
		tag, _ := strconv.ParseUint(argument, 10, 64)
		verdict(object.CallWithContext(ctx, manager+".Done", 0, tag, int32(0), "").Err)
	case "forge":
		return forge(ctx, conn, argument)
	case "introspect":
		return flood(argument, func() *dbus.Call {
			return object.Go("org.freedesktop.DBus.Introspectable.Introspect", 0, make(chan *dbus.Call, 1))
		})
	case "status":
		return flood(argument, func() *dbus.Call {
			return object.Go(manager+".GetStatus", 0, make(chan *dbus.Call, 1), uint64(0))
		})
	case "fill":
		huge := strings.Repeat("x", 4<<20)
		return flood(argument, func() *dbus.Call {
			return object.Go(manager+".Done", 0, make(chan *dbus.Call, 1), uint64(1), int32(0), huge)
		})
	default:
		return fmt.Errorf("unknown attack %q", kind)
	}

	return nil
}

func verdict(err error) {
	var failure dbus.Error
	switch {
	case err == nil:
		fmt.Println("granted")
	case errors.As(err, &failure):
		fmt.Println("denied", failure.Name)
	default:
		fmt.Println("denied", err)
	}
}

// forge sends a callback to another connection as if the agent had. The bus tells nothing
// when it drops a signal, so a call after it makes sure that it was looked at.
func forge(ctx context.Context, conn *dbus.Conn, victim string) error {
	message := &dbus.Message{
		Type: dbus.TypeSignal,
		Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldPath:        dbus.MakeVariant(rootPath),
			dbus.FieldInterface:   dbus.MakeVariant(manager),
			dbus.FieldMember:      dbus.MakeVariant("Callback"),
			dbus.FieldDestination: dbus.MakeVariant(victim),
		},
		Body: []any{uint64(4711), rootPath, "naming", "shut", int32(0), uint64(0), map[string]dbus.Variant{}},
	}
	message.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(message.Body...))
	conn.Send(message, nil)

	return conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetId", 0).Err
}

// flood sends many calls without waiting in between, then collects the answers.
func flood(argument string, send func() *dbus.Call) error {
	number, err := strconv.Atoi(argument)
	if err != nil {
		return err
	}
	calls, answered := make([]*dbus.Call, 0, number), 0
	for range number {
		calls = append(calls, send())
	}
	for _, call := range calls {
		if <-call.Done; call.Err == nil {
			answered++
		}
	}
	fmt.Println("answered", answered)

	return nil
}
