package units

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// newInspected is a System whose systemd has these values in each of its properties, and knows
// the state of one unit file and two jobs.
func newInspected(t *testing.T, values map[string]any) *System {
	t.Helper()
	f := newFakeLogin(t)
	f.set(func() {
		f.answer = func(method string, args []any) ([]any, bool, error) {
			switch method {
			case "GetAll":
				all := map[string]dbus.Variant{"interface": dbus.MakeVariant(args[0])}
				for name, value := range values {
					all[name] = dbus.MakeVariant(value)
				}

				return []any{all}, true, nil
			case "GetUnitFileState":
				if args[0] != "known.service" {
					return nil, true, dbus.NewError(busName+".Error.FileNotFound", []any{"no"})
				}

				return []any{"enabled"}, true, nil
			case "ListJobs":
				type job struct {
					ID                uint32
					Unit, Type, State string
					Job, Object       dbus.ObjectPath
				}

				return []any{[]job{{7, "b.service", "stop", "waiting", "/j/7", "/u/b"}, {12, "a.service", "start", "running", "/j/12", "/u/a"}}}, true, nil
			default:
				return f.login(method, args)
			}
		}
	})

	return newSystem(t, f)
}

// TestInspectReadsWhatSystemdTells covers units of every kind, limits without an end, values of
// other types, unit files that are missing and jobs.
func TestInspectReadsWhatSystemdTells(t *testing.T) {
	t.Parallel()
	s := newInspected(t, map[string]any{"LoadState": "loaded", "WatchdogUSec": uint64(2_000_000), "TimeoutStopUSec": uint64(math.MaxUint64), "Odd": int32(3)})
	p, err := s.UnitProperties(limited(t), "x.service")
	if err != nil || p.Text("interface") != systemdName+".Service" || p.Text("LoadState") != "loaded" || p.Text("Odd") != "" || p.Text("none") != "" {
		t.Errorf("a service: %v, %v", p, err)
	}
	if p.Span("WatchdogUSec") != 2*time.Second || p.Span("TimeoutStopUSec") != 0 || p.Span("Odd") != 0 || p.Span("none") != 0 {
		t.Errorf("spans: %v", p)
	}
	if manager, err := s.ManagerProperties(limited(t)); err != nil || manager.Text("interface") != systemdManager {
		t.Errorf("PID 1: %v, %v", manager, err)
	}
	for unit, want := range map[string]string{"known.service": "enabled", "unknown.service": "not-found"} {
		if got, err := s.EnabledState(limited(t), unit); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", unit, got, err, want)
		}
	}
	if jobs, err := s.Jobs(limited(t)); err != nil || !slices.Equal(jobs, []string{"12 a.service start running", "7 b.service stop waiting"}) {
		t.Errorf("jobs: %q, %v", jobs, err)
	}
	if there, err := s.Activatable(limited(t), loginName); err != nil || !there {
		t.Errorf("a name with an owner: %v, %v", there, err)
	}
	if there, err := s.Activatable(limited(t), "org.example.Nobody"); err != nil || there {
		t.Errorf("a name without: %v, %v", there, err)
	}
	if _, err := s.ClockSynchronized(limited(t)); err == nil {
		t.Error("a clock is known without systemd-timedated")
	}
}

// TestInspectOfAUnitThatIsNotThere does not ask for what no unit has.
func TestInspectOfAUnitThatIsNotThere(t *testing.T) {
	t.Parallel()
	s := newInspected(t, map[string]any{"LoadState": "not-found"})
	if p, err := s.UnitProperties(limited(t), "x.service"); err != nil || p.Text("interface") != systemdName+".Unit" {
		t.Errorf("got %v, %v", p, err)
	}
}
