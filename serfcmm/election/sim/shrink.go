package sim

import "slices"

// Shrink looks for a smaller plan that breaks the same invariant: fewer faults, then a
// better network, true clocks, an undramatic beginning, and no time after the break. It is
// greedy, and tries again until nothing helps any more.
func Shrink(plan Plan, violation *ViolationError) Plan {
	var r Runner
	again := func(smaller Plan) bool {
		got := r.Run(smaller).Violation

		return got != nil && got.Name == violation.Name
	}
	for {
		smaller := shrinkOnce(plan, again)
		if smaller.String() == plan.String() {
			return plan
		}
		plan = smaller
	}
}

func shrinkOnce(plan Plan, again func(Plan) bool) Plan {
	plan = fewerFaults(plan, again)
	for _, change := range simplifications() {
		smaller := plan
		smaller.Wrong, smaller.Boot, smaller.Faults = slices.Clone(plan.Wrong), slices.Clone(plan.Boot), slices.Clone(plan.Faults)
		change(&smaller)
		if again(smaller) {
			plan = smaller
		}
	}
	for i := range plan.Faults {
		for _, change := range faultSimplifications() {
			smaller := plan
			smaller.Faults = slices.Clone(plan.Faults)
			change(&smaller.Faults[i])
			if again(smaller) {
				plan = smaller
			}
		}
	}

	return plan
}

// fewerFaults leaves out halves, quarters, and so on down to single faults.
func fewerFaults(plan Plan, again func(Plan) bool) Plan {
	for size := max(1, len(plan.Faults)/2); size > 0; size /= 2 {
		for at := 0; at < len(plan.Faults); {
			smaller := plan
			smaller.Faults = slices.Delete(slices.Clone(plan.Faults), at, min(at+size, len(plan.Faults)))
			if again(smaller) {
				plan = smaller
			} else {
				at += size
			}
		}
	}

	return plan
}

// simplifications of a whole plan. Each is idempotent.
func simplifications() []func(*Plan) {
	return []func(*Plan){
		func(p *Plan) { p.Air.Loss, p.Air.Twice, p.Air.Late = 0, 0, 0 },
		func(p *Plan) { p.Air.Loss = 0 },
		func(p *Plan) { p.Air.Twice = 0 },
		func(p *Plan) { p.Air.Late, p.Air.Latest = 0, 0 },
		func(p *Plan) { p.Air.Most = min(p.Air.Most, p.Lease/1000) },
		func(p *Plan) { p.Air.Most = min(p.Air.Most, p.Lease/100) },
		func(p *Plan) { clear(p.Wrong) },
		func(p *Plan) { p.Grace = 0 },
		func(p *Plan) { p.Flaps, p.Window = 0, 0 },
		func(p *Plan) { p.Settle = min(p.Settle, p.Lease) },
		func(p *Plan) { p.Settle = 0 },
		func(p *Plan) { p.Fresh = false },
		func(p *Plan) { p.Eligible = 1<<p.Nodes - 1 },
		func(p *Plan) {
			for i := range p.Boot {
				p.Boot[i] = min(p.Boot[i], p.Lease/100)
			}
		},
		dropLastNode,
		func(p *Plan) { p.Heal = max(p.Lease, p.Heal*8/10) },
		func(p *Plan) { p.Heal = max(p.Lease, p.Heal*98/100) },
	}
}

// dropLastNode takes the last node out of the table.
func dropLastNode(p *Plan) {
	if p.Nodes <= 2 {
		return
	}
	p.Nodes--
	all := uint8(1<<p.Nodes - 1)
	p.Wrong, p.Boot = p.Wrong[:p.Nodes], p.Boot[:p.Nodes]
	p.Voters, p.Eligible = p.Voters&all, p.Eligible&all
	if p.Voters == 0 {
		p.Voters = all
	}
}

func faultSimplifications() []func(*Fault) {
	return []func(*Fault){
		func(f *Fault) { f.Mid = false },
		func(f *Fault) { f.Every = 0 },
		func(f *Fault) { f.Count = min(f.Count, 1) },
		func(f *Fault) { f.Air.Loss, f.Air.Twice, f.Air.Late = 0, 0, 0 },
		func(f *Fault) { f.Disk = DiskKept },
		func(f *Fault) { f.For /= 2 },
	}
}
