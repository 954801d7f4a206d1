package units

import (
	"fmt"
	"strings"

	"github.com/coreos/go-systemd/v22/unit"

	"github.com/cssc-ha/cssc/levels"
)

const (
	unitPrefix   = "cssc-"
	targetSuffix = ".target"
	maxUnitName  = 255
)

// TargetUnit returns the name of the unit of a target: "cssc-init-3.target".
func TargetUnit(target levels.Target) string {
	return unitPrefix + target.String() + targetSuffix
}

// ParseTargetUnit is the inverse of TargetUnit; ok is false for the name of any
// other unit.
func ParseTargetUnit(name string) (target levels.Target, ok bool) {
	middle, hasPrefix := strings.CutPrefix(name, unitPrefix)
	middle, hasSuffix := strings.CutSuffix(middle, targetSuffix)
	if !hasPrefix || !hasSuffix {
		return levels.Target{}, false
	}
	target, err := levels.ParseTarget(middle)

	return target, err == nil
}

// UnitName turns what a person typed into a unit name, the way systemctl does: a
// path becomes a mount or device unit, a name without a type a service, and characters
// that no unit name may have are escaped. It returns levels.ErrInvalid for what can be no
// unit name at all.
func UnitName(text string) (string, error) {
	name := text
	switch {
	case strings.HasPrefix(text, "/dev/"):
		name = unit.UnitNamePathEscape(text) + ".device"
	case strings.HasPrefix(text, "/"):
		name = unit.UnitNamePathEscape(text) + ".mount"
	default:
		name = escapeInvalid(name)
		if !hasUnitType(name) {
			name += ".service"
		}
	}
	prefix := name[:strings.LastIndexByte(name, '.')]
	if prefix == "" || strings.HasPrefix(prefix, "@") || len(name) > maxUnitName {
		return "", fmt.Errorf("%w: unit name %q, want NAME.TYPE of at most %d characters", levels.ErrInvalid, text, maxUnitName)
	}
	if strings.HasSuffix(prefix, "@") {
		return "", fmt.Errorf("%w: unit %q is a template, name an instance such as %sNAME%s",
			levels.ErrInvalid, text, prefix, name[len(prefix):])
	}

	return name, nil
}

func escapeInvalid(text string) string {
	var out strings.Builder
	for i := range len(text) {
		if c := text[i]; isUnitChar(c) {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, `\x%02x`, c)
		}
	}

	return out.String()
}

func isUnitChar(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(`:-_.\@`, c) >= 0
}

// unitTypes names the types of units and their bus interfaces.
func unitTypes() map[string]string {
	return map[string]string{
		"service": "Service", "socket": "Socket", "target": "Target", "device": "Device",
		"mount": "Mount", "automount": "Automount", "swap": "Swap", "timer": "Timer",
		"path": "Path", "slice": "Slice", "scope": "Scope",
	}
}

func unitType(name string) string {
	return name[strings.LastIndexByte(name, '.')+1:]
}

func hasUnitType(name string) bool {
	_, ok := unitTypes()[unitType(name)]

	return ok && strings.Contains(name, ".")
}

// busPath is the object of a unit: every byte that is no letter or digit, and a
// leading digit, is written as _xx.
func busPath(name string) string {
	var out strings.Builder
	out.WriteString("/org/freedesktop/systemd1/unit/")
	if name == "" {
		out.WriteByte('_')
	}
	for i := range len(name) {
		c := name[i]
		digit := c >= '0' && c <= '9'
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || digit && i > 0 {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "_%02x", c)
		}
	}

	return out.String()
}
