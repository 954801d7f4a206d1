package dbusapi

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// The names of the interface. The digit stands in name, path and interfaces, so
// that a second version can live beside this one.
const (
	BusName               = "org.cssc.Agent1"
	RootPath              = "/org/cssc/Agent1"
	ManagerInterface      = "org.cssc.Agent1.Manager"
	NodeInterface         = "org.cssc.Agent1.Node"
	OperationInterface    = "org.cssc.Agent1.Operation"
	RegistrationInterface = "org.cssc.Agent1.Registration"
)

// The flags of callbacks and operations.
const (
	// FlagNoboot says that no reboot follows this shutdown.
	FlagNoboot uint64 = 1
)

// The states of Done.
const (
	StatusDone  int32 = 0
	StatusError int32 = -1
)

const (
	nodePrefix         = RootPath + "/node/"
	operationPrefix    = RootPath + "/operation/"
	registrationPrefix = RootPath + "/registration/"
	// Stands in for the path of a call that was too large to be read.
	oversizePath = RootPath + "/oversize"

	driverName          = "org.freedesktop.DBus"
	driverPath          = "/org/freedesktop/DBus"
	peerInterface       = "org.freedesktop.DBus.Peer"
	introspectInterface = "org.freedesktop.DBus.Introspectable"
	propertiesInterface = "org.freedesktop.DBus.Properties"
	errorPrefix         = "org.cssc.Agent1.Error."
	standardErrors      = "org.freedesktop.DBus.Error."
)

// NodePath is the object of a node. Bytes that a path may not hold are escaped
// as _xx, and so is a digit at the front, as sd-bus does it.
func NodePath(node levels.NodeID) dbus.ObjectPath {
	return dbus.ObjectPath(nodePrefix + escape(string(node)))
}

// OperationPath is the object of an operation.
func OperationPath(id levels.OperationID) dbus.ObjectPath {
	return dbus.ObjectPath(operationPrefix + strconv.FormatUint(uint64(id), 10))
}

// RegistrationPath is the object of a registration.
func RegistrationPath(id levels.RegistrationID) dbus.ObjectPath {
	return dbus.ObjectPath(registrationPrefix + strconv.FormatUint(uint64(id), 10))
}

// parseNumberedPath is the inverse of OperationPath and RegistrationPath.
func parseNumberedPath(path dbus.ObjectPath, prefix string) (uint64, bool) {
	digits, found := strings.CutPrefix(string(path), prefix)
	if !found {
		return 0, false
	}
	number, err := strconv.ParseUint(digits, 10, 64)

	return number, err == nil && strconv.FormatUint(number, 10) == digits
}

func escape(text string) string {
	if text == "" {
		return "_"
	}
	var escaped strings.Builder
	for index := range len(text) {
		switch b := text[index]; {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', index > 0 && b >= '0' && b <= '9':
			escaped.WriteByte(b)
		default:
			fmt.Fprintf(&escaped, "_%02x", b)
		}
	}

	return escaped.String()
}

// unescape is the inverse of escape; not ok is a text that escape never writes.
func unescape(text string) (plain string, ok bool) {
	if text == "_" {
		return "", true
	}
	var out strings.Builder
	for index := 0; index < len(text); index++ {
		if text[index] != '_' {
			out.WriteByte(text[index])

			continue
		}
		if index+2 >= len(text) {
			return "", false
		}
		value, err := strconv.ParseUint(text[index+1:index+3], 16, 8)
		if err != nil {
			return "", false
		}
		out.WriteByte(byte(value))
		index += 2
	}

	return out.String(), escape(out.String()) == text
}
