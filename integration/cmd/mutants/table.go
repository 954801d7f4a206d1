package main

// mutant is one planted bug: in the file, the old text, which must occur there exactly
// once, is replaced by the new one.
type mutant struct {
	name string
	file string // in serfcmm/election
	// old and new are pieces of the source.
	old, new string
	// why says what the bug does to a cluster.
	why string
}

// mutants are the planted bugs: those that protocols of this kind have had, and one for each
// rule of this one. None is equivalent to the code.
func mutants() []mutant {
	var all []mutant
	for _, group := range [][]mutant{arithmetic(), votes(), promises(), releases(), restarts(), leases(), vices(), candidates(), formation()} {
		all = append(all, group...)
	}

	return all
}

func arithmetic() []mutant {
	const file = "lease.go"

	return []mutant{
		{
			"majority-rounds-up", file, "return voters/2 + 1", "return (voters + 1) / 2",
			"half of four voters is taken for a majority: two masters",
		},
		{
			"lease-without-rho", file, "return lease - share(lease, c.DriftPermille)", "return lease",
			"a slow clock acts after the promise of a fast one has ended",
		},
		{
			"promise-without-rho", file, "return lease + share(lease, c.DriftPermille)", "return lease",
			"a fast clock ends its promise before the master's lease",
		},
		{
			"promise-2-percent-short", file, "return lease + share(lease, c.DriftPermille)", "return lease + share(lease, c.DriftPermille) - lease/50",
			"the promise ends a little before the lease, if clocks and network are just so",
		},
		{
			"share-rounds-down", file, "(rest*part+permille-1)/permille", "rest*part/permille",
			"a nanosecond too long: only arithmetic shows it",
		},
		{
			"forgotten-promise-without-grace", file, "longest := max(c.Lease, c.RestartGrace)", "longest := c.Lease",
			"a voter that lost its disk votes while the promise for a planned restart holds",
		},
		{
			"hold-forgotten", file, "if lease == Endless || c.holds() {\n\t\treturn Endless\n\t}\n\n\treturn lease + ", "if lease == Endless {\n\t\treturn Endless\n\t}\n\n\treturn lease + ",
			"with two nodes the promise to the incumbent runs out",
		},
	}
}

func votes() []mutant {
	const file = "voter.go"

	return []mutant{
		{
			"vote-not-noted", file, "m.state.Term, m.state.Vote = message.Term, message.From\n", "_ = message.Term\n",
			"a voter votes twice in a term",
		},
		{
			"vote-twice", file, "case message.Term == m.state.Term && !again:", "case false && !again:",
			"a voter that has voted in a term votes for another in it",
		},
		{
			"vote-below-term", file, "case message.Term < m.state.Term, message.Term <= m.state.MasterTerm:", "case false:",
			"terms fall",
		},
		{
			"unproven-votes", file, "case !m.proven:\n\t\treturn RefusalUnproven, Endless\n\tcase !candidate", "case !candidate",
			"a voter that has lost its state votes at once",
		},
		{
			"unqualified-gets-votes", file, "case !candidate.Eligible || !message.Standing.Qualified:", "case !candidate.Eligible:",
			"a locked node that stands by mistake becomes the master",
		},
		{
			"witness-gets-votes", file, "case !candidate.Eligible || !message.Standing.Qualified:", "case candidate.ID == \"\" || !message.Standing.Qualified:",
			"a node that may hold no role becomes the master",
		},
		{
			"drifted-gets-votes", file, "case message.Hash != m.config.Hash:", "case false:",
			"a node with another configuration becomes the master",
		},
		{
			"master-votes", file, "case m.leads():\n\t\treturn RefusalPromised, m.remaining()\n", "",
			"a master votes for another while it acts",
		},
		{
			"votes-while-serving", file, "case m.serving:\n\t\treturn RefusalServing, m.config.KillMargin\n", "",
			"a voter whose own members still run helps another into the role",
		},
		{
			"vote-in-spite-of-promise", file, "if left := m.bound(message.From); left > 0 {\n\t\treturn RefusalPromised, left\n\t}\n\n\treturn RefusalNone, 0\n}\n\n// freed", "return RefusalNone, 0\n}\n\n// freed",
			"a vote while the promise to the master holds",
		},
		{
			"released-below-promise", file, "message.Released == m.promise.term", "message.Released <= m.promise.term",
			"the word that an older term is over sets a promise for a newer one free",
		},
		{
			"nonvoter-votes", file, "if !m.self().Vote || !sane(message.Lease) {", "if !sane(message.Lease) {",
			"a node without a vote votes",
		},
		{
			"campaign-goes-on-after-vote", file, "m.abandon(\"voted for \" + string(message.From))\n", "",
			"a candidate votes for another and counts the votes for itself",
		},
		{
			"pre-vote-raises-term", file, "m.favoured, m.favouredUntil = message.From, m.now.Add(m.config.Stagger)\n", "m.favoured, m.favouredUntil = message.From, m.now.Add(m.config.Stagger)\n\t\tm.state.Term, m.state.Vote, m.dirty = message.Term, \"\", true\n",
			"who only asks makes terms rise, and a voter forgets its vote",
		},
	}
}

func promises() []mutant {
	const file = "voter.go"

	return []mutant{
		{
			"relaxed-renewal-without-check", file, "if left := m.bound(message.From); left > 0 {\n\t\treturn RefusalPromised, left\n\t}\n\tm.give(", "m.give(",
			"a voter answers an old master while its promise to a new candidate holds",
		},
		{
			"unproven-promises", file, "if !m.proven {\n\t\treturn RefusalUnproven, Endless\n\t}\n", "",
			"a voter that has lost its state promises at once",
		},
		{
			"old-term-renewed", file, "case message.Term < m.state.MasterTerm:", "case false:",
			"a master of a term that is over is followed",
		},
		{
			"promise-not-saved", file, "m.state.Promised, m.state.PromisedTerm, m.state.Hold = to, term, length\n\tm.dirty = true", "m.state.Promised, m.state.PromisedTerm, m.state.Hold = to, term, length",
			"a promise is told before it is on disk",
		},
		{
			"promise-from-before", file, "until, made := m.now.Add(length), question.Round", "until, made := m.now.Add(length-m.config.RenewEvery), question.Round",
			"a promise counted from before its receipt",
		},
		{
			"promise-shortened", file, "m.promise.until > until && !givenBack {", "m.promise.until > until && !givenBack && false {",
			"a late renewal makes the promise for a planned restart short again",
		},
		{
			"grace-not-saved", file, "m.state.Hold = to, term, length", "m.state.Hold = to, term, min(length, m.config.promise(m.config.Lease))",
			"a voter that restarts during a planned restart of the master forgets the longer promise",
		},
	}
}

func releases() []mutant {
	const file = "voter.go"

	return []mutant{
		{
			"late-renewal-gives-back", file, " && question.Round > m.promise.made", "",
			"a renewal from before a planned restart, that comes late, takes the rest of the long promise back",
		},
		{
			"restart-gives-back", "machine.go", "made: lastRound", "made: 0",
			"the same, at a voter that has restarted meanwhile",
		},
		{
			"elected-before-saved", "candidate.go", "b.fresh = !b.pre && !m.config.alone()", "b.fresh = false",
			"votes that count as given elect in the step in which the state file cannot be written",
		},
		{
			"late-report-proves", "follower.go", "if message.Round > m.firstRound && message.Round <= m.round {", "if message.Round > 0 {",
			"a report from before a voter lost its disk proves it below the terms in which it has voted",
		},
		{
			"promise-falls-to-older-term", file, "term = max(term, m.promise.term)", "term = min(term, max(term, m.promise.term))",
			"a late renewal of an older term, then the release of that, void a promise for a newer one",
		},
		{
			"any-release-voids", file, "if m.promise.to == message.From && m.promise.term == message.Term {", "if m.promise.to == message.From {",
			"a late release of an old term voids the promise for a newer one of the same node",
		},
		{
			"release-by-anybody", file, "if m.promise.to == message.From && m.promise.term == message.Term {", "if m.promise.term == message.Term {",
			"a candidate that gives up voids the promise to the winner of the same term",
		},
		{
			"quiet-time-ignored", file, "until := m.quietUntil\n", "var until Instant\n",
			"a voter without a memory answers before its forgotten promise has ended",
		},
		{
			"new-master-not-saved", "follower.go", "m.state.Term, m.state.Vote = message.Term, message.From\n\t\t}\n\t\tm.dirty = true\n", "m.state.Term, m.state.Vote = message.Term, message.From\n\t\t}\n",
			"a promise to a new master is told before its term is on disk",
		},
	}
}

func restarts() []mutant {
	const file = "machine.go"

	return []mutant{
		{
			"restart-forgets-promise", file, "if m.state.Promised != \"\" {", "if false {",
			"a restarted voter votes while its promise to the master holds",
		},
		{
			"restart-waits-too-short", file, "until: m.now.Add(m.state.Hold), made", "until: m.now.Add(m.state.Hold / 2), made",
			"a restarted voter counts its promise from before it may have given it",
		},
		{
			"lost-state-is-proven", file, "m.proven = m.config.alone()\n", "m.proven = true\n",
			"a voter without a state file votes",
		},
		{
			"unproven-state-proves", "follower.go", "if len(m.state.Voters) == 0 {\n\t\treturn true\n\t}", "if len(m.state.Voters) == 0 {\n\t\treturn false\n\t}",
			"what an unproven voter wrote proves it after the next restart",
		},
		{
			"persist-after-message", file, "m.dirty && !failed {", "m.dirty && !failed && len(m.out.Actions) == 0 {",
			"messages leave with the step before the one that writes",
		},
		{
			"stall-rule-removed", "master.go", "if m.leads() && m.now >= m.lease.Until {", "if false && m.now >= m.lease.Until {",
			"a master that was late goes on when an old answer comes first",
		},
		{
			"goodbye-while-serving", "forming.go", "if m.leads() || m.serving || m.phase == PhaseCampaigning {", "if m.leads() || m.phase == PhaseCampaigning {",
			"a restarted node gives its term back while its members run",
		},
		{
			"goodbye-while-campaigning", "forming.go", "if m.leads() || m.serving || m.phase == PhaseCampaigning {", "if m.leads() || m.serving {",
			"a candidate gives back the term that it is about to win",
		},
	}
}

func leases() []mutant {
	const file = "master.go"

	return []mutant{
		{
			"lease-from-receipt", file, "until: max(before.until, m.rounds[i].until)}", "until: max(before.until, m.now.Add(m.config.ownLease(m.config.Lease)))}",
			"a lease counted from when the answer came",
		},
		{
			"first-lease-from-receipt", file, "until := b.sent.Add(m.config.ownLease(m.config.Lease))", "until := m.now.Add(m.config.ownLease(m.config.Lease))",
			"the first lease counted from when the last vote came",
		},
		{
			"old-answer-for-newest-round", file, "until: max(before.until, m.rounds[i].until)}", "until: max(before.until, m.rounds[len(m.rounds)-1].until)}",
			"an answer to an old renewal counts for the newest",
		},
		{
			"renewed-by-too-few", file, "return values[len(values)-m.majority()]", "return values[min(len(values)-m.majority()+1, len(values)-1)]",
			"a lease goes on with one answer less than a majority",
		},
		{
			"renewed-by-non-voters", file, "for _, id := range m.voterIDs {\n\t\tif id == m.config.Self", "for _, node := range m.config.Nodes {\n\t\tid := node.ID\n\t\tif id == m.config.Self",
			"a master without a vote counts itself",
		},
		{
			"any-answer-counts", file, "if i < 0 || !node.Vote || message.Refusal != RefusalNone {", "if i < 0 || !node.Vote {",
			"a refusal is taken for a promise",
		},
		{
			"may-act-at-the-end", file, "now < l.Until }", "now <= l.Until }",
			"a master acts in the instant in which its lease is over",
		},
		{
			"kill-margin-ignored", file, "!m.killed && m.now >= m.lease.Until-Instant(m.config.KillMargin)", "!m.killed && m.now >= m.lease.Until",
			"members are killed when it is too late",
		},
		{
			"ceases-too-late", file, "return m.config.ownLease(m.config.Lease) - m.config.CeaseAfter", "return 0",
			"nothing is demoted or killed before the end of the lease",
		},
		{
			"taken-back-after-killing", file, "m.killed, m.acted = true, true", "m.killed = true",
			"a mastership is taken back after its members were killed, and nothing is killed in time when it ceases again",
		},
		{
			"taken-back-after-demote", file, "case m.phase == PhaseCeasing && !late && !m.acted:", "case m.phase == PhaseCeasing && !late:",
			"a mastership is taken back while its demote runs",
		},
		{
			"released-while-serving", file, "case m.serving:\n\t\treturn refuse(\"release the mastership\", ErrServing, \"its demote must end first\")\n", "",
			"a role is given back while its members run",
		},
		{
			"restart-granted-at-once", file, ">= m.graceEnd() {", ">= 0 {",
			"an agent goes for a planned restart before a majority has promised",
		},
	}
}

func vices() []mutant {
	const file = "vice.go"

	return []mutant{
		{
			"vice-out-of-step", file, "p.hash == m.config.Hash && ", "",
			"a node with another configuration is named vice",
		},
		{
			"vice-not-qualified", file, "p.hash == m.config.Hash && p.standing.Qualified", "p.hash == m.config.Hash",
			"a locked node is named vice",
		},
		{
			"vice-does-not-sit", file, " || m.now < m.named.Add(viceStay*m.config.Lease))", ")",
			"a vice that was named a moment ago is replaced, and its init begun again, when another is up",
		},
		{
			"vice-named-too-soon", file, "m.now < m.choice.Add(moment) && ", "m.now < m.choice && ",
			"the first node that may have a role is named vice, and not the first of the table",
		},
		{
			"spare-too-soon", "follower.go", "!m.standing.Up && m.now < m.viceBy", "!m.standing.Up && m.now < 0",
			"a node begins as a spare a moment before it is named vice",
		},
	}
}

func candidates() []mutant {
	const file = "candidate.go"

	return []mutant{
		{
			"counted-twice", file, "case granted >= m.majority():\n", "case granted+1 >= m.majority():\n",
			"one vote counts twice",
		},
		{
			"non-voter-counts-itself", "machine.go", "if node.Vote && (", "if (node.Vote || node.ID == m.config.Self) && (",
			"a candidate without a vote counts itself",
		},
		{
			"refusal-counts", file, "return there && answer.refusal == RefusalNone\n\t})\n\tpossible", "return there && answer.again >= 0\n\t})\n\tpossible",
			"a refusal is taken for a vote",
		},
		{
			"late-vote-counts", file, "b.round != message.Round || b.term != message.Term || ", "",
			"a vote for a campaign that was given up counts for the next one",
		},
		{
			"term-used-again", file, "max(m.state.Term, m.state.MasterTerm, m.highest) + 1", "max(m.state.Term, m.state.MasterTerm, m.highest, 1)",
			"a candidate stands for a term that was held already",
		},
		{
			"stands-in-spite-of-promise", file, "lapsed = max(lapsed, m.promise.until)", "lapsed = max(lapsed, min(m.promise.until, m.now))",
			"a voter stands while it has promised another node",
		},
		{
			"handed-in-spite-of-promise", file, "if m.handed && m.free() {\n\t\treturn m.now", "if m.handed {\n\t\treturn m.now",
			"the target of a handover stands while it has promised another node",
		},
		{
			"locked-node-stands", file, "case !m.standing.Qualified:\n\t\treturn \"it is not qualified\"\n", "",
			"a locked node stands, and terms rise",
		},
		{
			"campaign-not-saved", file, "m.state.Term, m.state.Vote = term, m.config.Self\n\tm.dirty = true\n\tif m.self().Vote {", "m.state.Term, m.state.Vote = term, m.config.Self\n\tif false {",
			"a candidate asks before its term is on disk",
		},
		{
			"all-at-once", file, "pause = max(again[missing-1], m.now.Add(time.Millisecond)).Add(time.Duration(m.rank()) * m.config.Stagger)", "pause = max(again[missing-1], m.now.Add(time.Millisecond))",
			"candidates that have split the votes come back together, for ever",
		},
		{
			"release-not-sent", file, "m.everyone(isVoter, func(id NodeID) { m.send(Message{Kind: KindRelease, To: id, Term: b.term}) })\n", "",
			"the votes of a campaign that was given up stay bound",
		},
	}
}

func formation() []mutant {
	const file = "forming.go"

	return []mutant{
		{
			"formed-by-a-minority", file, "voters >= m.majority() && ", "voters > 0 && ",
			"a node that comes up alone takes itself for a new cluster",
		},
		{
			"formed-without-waiting", file, "voters >= m.majority() && m.now >= m.started.Add(m.config.FormationTimeout):", "voters >= m.majority():",
			"a majority that comes up first does not wait for those that may know a master",
		},
		{
			"formed-in-spite-of-terms", file, "case highest == 0 && voters", "case voters",
			"a voter that has lost its state is trusted by time alone",
		},
		{
			"proven-by-some", file, "all = all && lately\n", "all = all || lately\n",
			"one node that is there takes the place of all",
		},
		{
			"proven-below-the-terms", file, "if highest > m.state.Term {\n\t\tm.state.Term, m.state.Vote = highest, \"\"\n\t}\n", "",
			"a voter that has lost its state votes again in a term in which it has voted",
		},
		{
			"no-quiet-time-after-proof", file, "if highest == 0 {\n\t\t\tm.quietUntil = 0", "if true {\n\t\t\tm.quietUntil = 0",
			"a voter that is proven by the presence of all answers before its forgotten promise has ended",
		},
		{
			"recollects-by-any-term", "voter.go", " || renewal.Term < m.foretold || other", " || other",
			"a voter takes a late renewal of an older term for the end of what it has forgotten",
		},
		{
			"recollects-no-promise", "voter.go", "until: max(m.quietUntil, m.promise.until), made: lastRound,", "until: m.promise.until, made: lastRound,",
			"a long promise that was forgotten is over when its master is heard",
		},
		{
			"the-living-are-fenced", file, "case m.alive(id, 2*m.probeEvery()):", "case false:",
			"an operator's word counts against a node that is heard",
		},
		{
			"fenced-for-ever", "follower.go", "delete(m.fenced, message.From)\n", "",
			"a node that was declared to be off is counted as given when it is back",
		},
	}
}
