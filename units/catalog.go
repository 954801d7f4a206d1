package units

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// catalogAge is how long members are believed without being read again, whatever systemd
// tells of its unit files.
const catalogAge = time.Minute

// catalog remembers the members of all targets. To read a hundred targets takes PID 1, the bus
// and the agent a tenth of a second together, and they change only when systemd reads its
// unit files. So they hold until it tells of that, its own stamp of the last reading is
// another one, or catalogAge is over. Safe for concurrent use.
type catalog struct {
	mu sync.Mutex
	// edition counts what was heard of changes.
	edition uint64
	// members are those of kept; nil when nothing is known.
	members map[levels.Target][]string
	kept    edition
	until   time.Time
}

// edition tells one reading of the unit files from another.
type edition struct {
	// heard is the catalog's count when it began, loaded the stamp of PID 1, conn whose signals
	// were heard.
	heard, loaded uint64
	conn          *dbus.Conn
}

// spoil says that systemd has told of a change.
func (c *catalog) spoil() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.edition++
}

// now is the present edition, and whether systemd has a stamp at all: from 250 on.
func (c *catalog) now(ctx context.Context, s *session) (e edition, known bool) {
	c.mu.Lock()
	e = edition{heard: c.edition, conn: s.conn}
	c.mu.Unlock()
	var stamp dbus.Variant
	err := s.call(ctx, manager(), propertiesGet, systemdManager, "UnitsLoadTimestampMonotonic").Store(&stamp)
	e.loaded, known = stamp.Value().(uint64)

	return e, known && err == nil
}

// find returns the members of an edition, not to be changed beyond the map itself.
func (c *catalog) find(e edition) (map[levels.Target][]string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.members == nil || c.kept != e || !time.Now().Before(c.until) {
		return nil, false
	}

	return maps.Clone(c.members), true
}

func (c *catalog) keep(e edition, members map[levels.Target][]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.members, c.kept, c.until = maps.Clone(members), e, time.Now().Add(catalogAge)
}

// Members lists the units that each non-empty level target wants, sorted. What systemd has not
// read again since the last time is not asked for again, for a minute.
func (d *Driver) Members(ctx context.Context) (map[levels.Target][]string, error) {
	s, err := d.link.session(ctx)
	if err != nil {
		return nil, fmt.Errorf("list members: %w", err)
	}
	edition, known := d.catalog.now(ctx, s)
	if members, found := d.catalog.find(edition); known && found {
		return members, nil
	}
	members, err := s.allMembers(ctx)
	if err != nil {
		return nil, fmt.Errorf("list members: %w", err)
	}
	if known {
		d.catalog.keep(edition, members)
	}

	return members, nil
}

func (s *session) allMembers(ctx context.Context) (map[levels.Target][]string, error) {
	names, err := s.targetUnits(ctx)
	if err != nil {
		return nil, err
	}
	states, err := s.readAll(ctx, names)
	if err != nil {
		return nil, err
	}
	members := map[levels.Target][]string{}
	for _, name := range names {
		target, ok := ParseTargetUnit(name)
		if units := states[name].members(); ok && len(units) > 0 {
			members[target] = units
		}
	}

	return members, nil
}
