package sim

import (
	"math/rand/v2"
	"time"
)

// theme says what kind of trouble a plan is about: a mixture of everything seldom comes as
// close to a bound as a history that is about one thing.
type theme struct {
	kinds []Kind
	// faults is how many at most; sharp: clocks at their bounds, a network without noise.
	faults int
	sharp  bool
}

func themes() []theme {
	return []theme{
		{kinds: []Kind{KindCut, KindCut, KindCrash, KindStall, KindFreeze, KindKill}, faults: 3, sharp: true},
		{kinds: []Kind{KindHandover, KindRestart, KindLock, KindKill, KindCut, KindCrash}, faults: 4, sharp: true},
		{kinds: []Kind{KindCut, KindCut, KindCut, KindAir, KindReplay, KindClock}, faults: 8},
		{kinds: []Kind{KindStall, KindFreeze, KindKill, KindKill, KindRestart, KindCrash, KindClock}, faults: 8},
		{kinds: []Kind{KindCrash, KindCrash, KindUnsaved, KindReset, KindKill, KindHandover, KindCut}, faults: 7},
		{kinds: []Kind{KindHandover, KindLock, KindLeave, KindDrift, KindDown, KindRestart, KindFence, KindCrash, KindCut}, faults: 7},
		{kinds: []Kind{
			KindCut, KindAir, KindReplay, KindStall, KindFreeze, KindKill, KindCrash, KindClock, KindDrift, KindLock, KindDown,
			KindHandover, KindRestart, KindLeave, KindUnsaved, KindReset, KindFence,
		}, faults: 14},
	}
}

// generator makes one plan.
type generator struct {
	*rand.Rand

	plan  Plan
	theme theme
}

// Generate makes the plan of a seed.
func Generate(seed uint64) Plan {
	g := generator{Rand: rand.New(rand.NewPCG(seed, 0x636c7573746572)), plan: Plan{Seed: seed}}
	all := themes()
	g.theme = all[g.IntN(len(all))]
	g.cluster()
	g.clocks()
	g.air()
	heal := g.leases(5, 20)
	for range 1 + g.IntN(g.theme.faults) {
		f := g.fault(heal)
		g.plan.Faults = append(g.plan.Faults, f)
		g.operator(f, heal)
	}
	g.plan.Heal = heal
	if g.chance(250) {
		g.plan.Settle = g.leases(1, 2)
	}

	return g.plan
}

func (g *generator) chance(permille int) bool { return g.IntN(1000) < permille }

// leases draws a duration between two numbers of leases.
func (g *generator) leases(least, most float64) time.Duration {
	return time.Duration((least + g.Float64()*(most-least)) * float64(g.plan.Lease))
}

// cluster draws the nodes and the settings.
func (g *generator) cluster() {
	p := &g.plan
	p.Nodes = pick(g, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 7)
	all := uint8(1<<p.Nodes - 1)
	p.Voters, p.Eligible = all, all
	if p.Nodes >= 3 && g.chance(200) {
		p.Eligible &^= 1 << g.IntN(p.Nodes)
	}
	if p.Nodes >= 3 && g.chance(250) {
		p.Voters &^= 1 << g.IntN(p.Nodes)
	}
	if p.Nodes >= 5 && g.chance(400) {
		p.Voters &^= 1 << g.IntN(p.Nodes)
		p.Voters &^= 1 << g.IntN(p.Nodes)
	}
	p.Fresh = g.chance(600)
	p.Lease = pick(g, 250*time.Millisecond, 600*time.Millisecond, 2*time.Second, 10*time.Second)
	p.Drift = pick(g, 10, 10, 10, 1, 50, 100)
	p.Renew = p.Lease / pick[time.Duration](g, 4, 4, 8, 6)
	if g.chance(400) {
		p.Grace = g.leases(1.5, 4)
	}
	p.Hold = ones(p.Voters) == 2 && g.chance(500)
	if g.chance(60) {
		p.Flaps, p.Window = 1+g.IntN(2), g.leases(3, 8)
	}
	for range p.Nodes {
		boot := g.leases(0, 0.1)
		if g.chance(100) {
			boot = g.leases(0, 4)
		}
		p.Boot = append(p.Boot, boot)
	}
}

// clocks draws how wrong each is: often exactly as wrong as allowed.
func (g *generator) clocks() {
	for range g.plan.Nodes {
		g.plan.Wrong = append(g.plan.Wrong, g.wrong())
	}
}

func (g *generator) wrong() int64 {
	bound := int64(g.plan.Drift) * million / 1000
	switch {
	case g.theme.sharp || g.chance(300):
		return pick(g, -bound, bound)
	case g.chance(300):
		return 0
	}

	return g.Int64N(2*bound+1) - bound
}

func (g *generator) air() {
	p := &g.plan
	p.Air = Air{Least: 1, Most: p.Lease / pick[time.Duration](g, 5000, 1000, 200, 50)}
	if g.theme.sharp {
		return
	}
	if g.chance(400) {
		p.Air.Least = p.Air.Most / 2
	}
	if g.chance(300) {
		p.Air = g.badAir()
	}
}

func (g *generator) badAir() Air {
	air := Air{Least: 1, Most: g.leases(0.01, 0.3)}
	if g.chance(500) {
		air.Loss = g.IntN(pick(g, 30, 300, 700))
	}
	if g.chance(500) {
		air.Twice = g.IntN(400)
	}
	if g.chance(500) {
		air.Late, air.Latest = g.IntN(pick(g, 20, 300)), g.leases(0.1, 3)
	}

	return air
}

// fault draws one fault that is over by the end.
func (g *generator) fault(end time.Duration) Fault {
	f := Fault{Kind: pick(g, g.theme.kinds...), Node: g.target(), Other: g.target()}
	first := g.leases(0.3, 2)
	f.At = first + time.Duration(g.Float64()*float64(end-first))
	f.For = g.leases(0.1, pick(g, 1.2, 2.5, 6))
	switch f.Kind {
	case KindCut:
		g.cut(&f)
	case KindAir:
		f.Air = g.badAir()
	case KindReplay:
		f.Count = 1 + g.IntN(20)
	case KindStall, KindFreeze:
		f.For = g.leases(0.1, pick(g, 1, 2, 5.0))
		f.Mid = f.Kind == KindStall && g.chance(400)
	case KindKill:
		f.For, f.Record, f.Mid = g.leases(0.01, pick(g, 0.5, 1, 3.0)), g.chance(700), g.chance(300)
	case KindCrash:
		f.Disk, f.Mid = pick(g, DiskKept, DiskKept, DiskLost, DiskOld), g.chance(300)
	case KindClock:
		f.Wrong = g.wrong()
	case KindHandover:
		if g.chance(700) {
			f.Node = NodeMaster
		}
		if g.chance(200) {
			f.Other = NodeNone
		}
	case KindRestart:
		f.Node = NodeMaster
		f.For = g.leases(0.01, 1+3*float64(g.plan.Grace)/float64(2*g.plan.Lease))
	case KindUnknown, KindDrift, KindLock, KindDown, KindLeave, KindUnsaved, KindReset, KindFence:
	}
	f.For = min(f.For, end-f.At)

	return f
}

// operator adds what a person may say after a crash, where that does no harm.
func (g *generator) operator(f Fault, end time.Duration) {
	word := Fault{Kind: KindFence, At: f.At + f.For/2, Node: 0, Other: NodeNone}
	if f.Disk == DiskLost {
		word.Kind, word.At = KindReset, f.At+f.For+g.leases(0, 0.5)
	} else if g.plan.Nodes != 2 {
		return
	}
	if f.Kind == KindCrash && word.At < end && g.chance(400) {
		word.Node = g.IntN(g.plan.Nodes)
		g.plan.Faults = append(g.plan.Faults, word)
	}
}

// target prefers those in a role: they are where faults hurt.
func (g *generator) target() int {
	switch {
	case g.chance(450):
		return NodeMaster
	case g.chance(300):
		return NodeVice
	}

	return g.IntN(g.plan.Nodes)
}

func (g *generator) cut(f *Fault) {
	if g.chance(550) {
		f.Way = pick(g, WayOut, WayIn, WayIn|WayOut)
	} else {
		all := 1<<g.plan.Nodes - 1
		f.From = uint8(1 + g.IntN(all))
		f.To = uint8(all) &^ f.From
		if g.chance(300) {
			f.To = uint8(1 + g.IntN(all))
		}
		f.Way = pick(g, WayOut, WayIn|WayOut)
	}
	if g.chance(250) {
		f.Every = g.leases(0.05, 0.8)
	}
}

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }
