package main

import (
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// switchedHistories are what n2 and the others tell of a switchover from n2 to n1: n3 has
// run nothing of late, and w is not heard.
func switchedHistories() (own []string, others map[levels.NodeID][]string) {
	demote := ran(8, levels.Demote, levels.RoleMaster, levels.RoleSpare, 0, 800*time.Millisecond)
	demote.Term, demote.Operation, demote.OperationKind, demote.Cause = 11, 4, levels.OperationSwitchover, "operation 4, switchover by uid 0"
	demote.OperationReason = "new kernel"
	demote.Levels = []levels.LevelRecord{
		took(demote, 0, 0, 300*time.Millisecond, callback("naming", 290*time.Millisecond)),
		took(demote, levels.Last, 300*time.Millisecond, 800*time.Millisecond, stopped("db.service", 480*time.Millisecond)),
	}
	vice := ran(9, levels.Promote, levels.RoleSpare, levels.RoleVice, 2*time.Second, 100*time.Millisecond)
	vice.Term, vice.Cause = 12, "elected vice, term 12"
	master := ran(31, levels.Promote, levels.RoleVice, levels.RoleMaster, 810*time.Millisecond, time.Second)
	master.Term, master.Cause = 12, "elected master, term 12"
	failed := callback("cache", 40*time.Millisecond)
	failed.Outcome, failed.Reason = levels.OutcomePassed, "no route to host"
	level := took(master, 0, 0, time.Second, callback("naming", 200*time.Millisecond), failed)
	level.Waits = []levels.Wait{{
		Phase: levels.PhaseHeld, Reason: "callback cache failed at promote:0: no route to host",
		Since: master.Started.Add(300 * time.Millisecond), Until: master.Started.Add(900 * time.Millisecond),
	}}
	master.Levels = []levels.LevelRecord{level}
	old := ran(30, levels.Init, levels.RoleUnknown, levels.RoleVice, -time.Hour, time.Second)
	old.Term, old.Cause = 11, "joined as vice"
	own = recordTexts([]record{vice, demote})

	return own, map[levels.NodeID][]string{"n1": recordTexts([]record{master, old}), "n3": {}}
}

// ran is a run that began so long after 2026-11-26 10:00, and took so long.
func ran(run levels.RunNumber, sequence levels.Sequence, from, to levels.Role, times ...time.Duration) record {
	at, length := times[0], times[1]
	begin := time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC).Add(at)
	role := to
	if sequence == levels.Demote {
		role = from
	}
	started := levels.Instant(2 * time.Hour).Add(at)

	return record{
		RunRecord: levels.RunRecord{
			Run: run, Sequence: sequence, Role: role, From: from, To: to, Outcome: "completed",
			Started: started, Ended: started.Add(length), Levels: []levels.LevelRecord{},
		},
		Incarnation: "b1", StartedAt: begin.Format(time.RFC3339Nano), EndedAt: begin.Add(length).Format(time.RFC3339Nano),
	}
}

// took is a level of the run, its participants as old as the level.
func took(r record, level levels.Level, from, to time.Duration, who ...levels.Participant) levels.LevelRecord {
	for i := range who {
		who[i].Position = levels.Position{Sequence: r.Sequence, Level: level}
		who[i].Started, who[i].Ended = who[i].Started+r.Started.Add(from), who[i].Ended+r.Started.Add(from)
	}

	return levels.LevelRecord{Level: level, Entered: r.Started.Add(from), Reached: r.Started.Add(to), Participants: who}
}

func callback(name string, length time.Duration) levels.Participant {
	return levels.Participant{Kind: levels.KindCallback, Name: name, Outcome: levels.OutcomeDone, Ended: levels.Instant(length)}
}

func stopped(unit string, length time.Duration) levels.Participant {
	return levels.Participant{Kind: levels.KindMember, Name: unit, Outcome: levels.OutcomeDone, Stop: true, Ended: levels.Instant(length)}
}

// newerHistory is that of a node that was locked a minute after the switchover.
func newerHistory() []string {
	lock := ran(3, levels.Disqualify, levels.RoleSpare, levels.RoleOffline, time.Minute, 40*time.Millisecond)
	lock.Term, lock.Operation, lock.OperationKind, lock.Cause = 12, 1, levels.OperationDisqualify, "operation 1, disqualify by uid 0"

	return recordTexts([]record{lock})
}
