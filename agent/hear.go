package agent

import (
	"context"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/election"
)

// hearRole puts a decision into the words of levels.
func (l *loop) hearRole(ctx context.Context, decided election.RoleDecided) {
	word := levels.RoleChanged{
		Term: levels.Term(decided.Term), Master: levels.NodeID(decided.Master), Vice: levels.NodeID(decided.Vice), Lost: decided.Lost,
	}
	switch decided.Role {
	case election.RoleMaster:
		word.Role = levels.RoleMaster
	case election.RoleVice:
		word.Role = levels.RoleVice
	case election.RoleFollower:
		word.Role = levels.RoleSpare
	case election.RoleUnknown:
		if !l.said && !word.Lost && l.ports.Clock() < l.settleAt {
			return
		}
	}
	l.serving = l.serving || word.Role == levels.RoleMaster
	l.provisional = decided.Provisional
	if l.said && l.word == word {
		return
	}
	l.word, l.said, l.unheard = word, true, true
	l.journal.tell(ctx, msgRoleDecided, "role", decided.Role, "term", decided.Term, "master", decided.Master,
		"vice", decided.Vice, "lost", decided.Lost, "reason", decided.Reason)
	if l.hearing {
		l.hear(ctx)
	}
}

// hear tells the machine of levels its role: for the first time, again after it has forgotten
// it, and whenever it is another. The election knows by then that this node may have one. A
// machine that has yet to begin its init waits for a word that is not provisional: as
// a spare it would begin what it has to cancel as the vice.
func (l *loop) hear(ctx context.Context) {
	if !l.begun || !l.said || l.hearing && !l.unheard {
		return
	}
	if !l.hearing {
		l.tellStanding(ctx)
	}
	if l.provisional && l.view.State == levels.StateJoining {
		return
	}
	l.push(l.word)
	if !l.hearing && l.gate.Master != "" {
		l.push(l.gate)
	}
	l.hearing, l.unheard = true, false
}

// settle says that there is no master, when none has been heard for long enough.
func (l *loop) settle(now levels.Instant) {
	if l.said || now < l.settleAt {
		return
	}
	l.word, l.said, l.unheard = levels.RoleChanged{Term: levels.Term(l.election.View().Term)}, true, true
}
