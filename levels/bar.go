package levels

import "time"

// Bar keeps this node from a role after a promote failed here, for a growing time; after
// barredAfter failures until an operator says otherwise. It ends with a retry of promote, an
// unlock, a promote that succeeds, and the boot.
type Bar struct {
	// Failures in a row of promote to Role.
	Failures int  `json:"failures"`
	Role     Role `json:"role"`
	// Active: this node is to be given no role. Until ends that; 0 = only an operator does.
	Active bool    `json:"active"`
	Until  Instant `json:"until"`
	// Reason is why promote failed last.
	Reason string `json:"reason"`
}

const (
	firstBar    = 10 * time.Second
	barGrowth   = 6
	barredAfter = 3
)

// pause is how long the node is barred after so many failures; 0 = for good.
func (b *Bar) pause() time.Duration {
	if b.Failures >= barredAfter {
		return 0
	}
	pause := firstBar
	for range b.Failures - 1 {
		pause *= barGrowth
	}

	return pause
}

// bar counts a promote that failed.
func (m *Machine) bar(role Role, reason string) {
	bar := Bar{Role: role}
	if m.s.Bar != nil {
		bar = *m.s.Bar
	}
	bar.Failures++
	if role == RoleMaster {
		bar.Role = role // the heavier one counts for both
	}
	bar.Active, bar.Reason = true, reason
	m.s.Bar = &bar
	m.barFromNow()
}

// barFromNow makes the bar count from this moment: the failure, and again when the role is
// given back.
func (m *Machine) barFromNow() {
	if bar := m.s.Bar; bar != nil && bar.Active {
		bar.Until = 0
		if pause := bar.pause(); pause > 0 {
			bar.Until = m.now.Add(pause)
		}
	}
}

// barEnds lets a bar run out; what has failed is still counted.
func (m *Machine) barEnds() {
	if bar := m.s.Bar; bar != nil && bar.Active && bar.Until != 0 && m.now >= bar.Until {
		bar.Active, bar.Until = false, 0
	}
}

// proven forgets the failures: the role that failed, or a heavier one, is taken up.
func (m *Machine) proven() {
	if bar := m.s.Bar; bar != nil && (m.s.Role == RoleMaster || m.s.Role == bar.Role) {
		m.s.Bar = nil
	}
}
