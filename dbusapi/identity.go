package dbusapi

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"

	"github.com/godbus/dbus/v5"
)

const (
	systemdName    = "org.freedesktop.systemd1"
	systemdPath    = "/org/freedesktop/systemd1"
	systemdManager = "org.freedesktop.systemd1.Manager"

	polkitName      = "org.freedesktop.PolicyKit1"
	polkitPath      = "/org/freedesktop/PolicyKit1/Authority"
	polkitInterface = "org.freedesktop.PolicyKit1.Authority"
	polkitActions   = "org.cssc.agent1."
	// Lets polkit ask a person.
	polkitInteraction uint32 = 1
)

// identity is what is known of a connection, found out at the first call that
// needs it and true for as long as the connection lives.
type identity struct {
	known    bool
	uid      uint32
	pid      uint32
	unit     string
	unitSeen bool
	// mayRegister remembers the right that every Done needs.
	mayRegister bool
}

// privileged says whether nobody needs to be asked: root, and whoever the agent itself runs as.
func privileged(uid uint32) bool { return uid == 0 || int(uid) == os.Geteuid() }

// authority answers who a connection is and what it may do. The session's is the
// bus with systemd and polkit on it.
type authority interface {
	// credentials are those of the process at the time it connected.
	credentials(ctx context.Context, name string) (uid, pid uint32, err error)
	// unit is the systemd unit of a process, empty when it cannot be told.
	unit(ctx context.Context, pid uint32) string
	// allowed asks polkit; any answer but yes is an error, and so is none.
	allowed(ctx context.Context, question question) error
}

// question is what polkit is asked.
type question struct {
	name        string
	action      string
	details     map[string]string
	interactive bool
	id          string
}

// busAuthority asks over the connection that the server itself uses.
type busAuthority struct{ conn *dbus.Conn }

func (a *busAuthority) credentials(ctx context.Context, name string) (uid, pid uint32, err error) {
	var values map[string]dbus.Variant
	call := a.conn.BusObject().CallWithContext(ctx, driverName+".GetConnectionCredentials", 0, name)
	if err = call.Store(&values); err != nil {
		return 0, 0, err
	}
	uid, known := values["UnixUserID"].Value().(uint32)
	if !known {
		return 0, 0, errors.New("the bus does not tell the user")
	}
	pid, _ = values["ProcessID"].Value().(uint32)

	return uid, pid, nil
}

func (a *busAuthority) unit(ctx context.Context, pid uint32) string {
	if pid == 0 {
		return ""
	}
	var object dbus.ObjectPath
	call := a.conn.Object(systemdName, systemdPath).
		CallWithContext(ctx, systemdManager+".GetUnitByPID", dbus.FlagNoAutoStart, pid)
	if err := call.Store(&object); err != nil {
		return ""
	}
	unit, valid := unescape(path.Base(string(object)))
	if !valid {
		return ""
	}

	return unit
}

func (a *busAuthority) allowed(ctx context.Context, question question) error {
	var flags uint32
	timeout := lookupTimeout
	if question.interactive {
		flags, timeout = polkitInteraction, interactionTimeout
	}
	asking, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	subject := struct {
		Kind    string
		Details map[string]dbus.Variant
	}{"system-bus-name", map[string]dbus.Variant{"name": dbus.MakeVariant(question.name)}}
	object := a.conn.Object(polkitName, polkitPath)
	var answer struct {
		Authorized bool
		Challenge  bool
		Details    map[string]string
	}
	err := object.CallWithContext(asking, polkitInterface+".CheckAuthorization", 0,
		subject, polkitActions+question.action, question.details, flags, question.id).Store(&answer)
	switch {
	case err != nil && asking.Err() != nil:
		// Take the dialog off the screen; nobody waits for the answer.
		object.Go(polkitInterface+".CancelCheckAuthorization", dbus.FlagNoReplyExpected, nil, question.id)

		return fmt.Errorf("%s: %w: polkit gave no answer in time", question.action, ErrAccessDenied)
	case err != nil:
		return fmt.Errorf("%s: %w: polkit cannot be asked (%v), only root may", question.action, ErrAccessDenied, err) //nolint:errorlint // the cause is for the reader alone
	case answer.Authorized:
		return nil
	case answer.Challenge && !question.interactive:
		return fmt.Errorf("%s: %w: allow interaction and ask again", question.action, ErrInteractionNeeded)
	default:
		return fmt.Errorf("%s: %w by polkit action %s%s", question.action, ErrAccessDenied, polkitActions, question.action)
	}
}
