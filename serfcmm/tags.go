package serfcmm

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/serf/serf"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/wire"
)

// The names of the tags: short, because all of a node's tags
// share memberlist's 512 bytes.
const (
	tagState       = "s"
	tagRole        = "r"
	tagTerm        = "t"
	tagLevel       = "l" // missing until started
	tagQualified   = "q"
	tagHash        = "h"
	tagVersion     = "v"
	tagIncarnation = "i"
	tagFingerprint = "f" // of the configuration
	tagOperation   = "p" // kind, number and step, missing while there is none
	tagOrigin      = "o" // of the machine, in hexadecimal
	tagDoing       = "a" // missing while nothing runs
	tagTrouble     = "w" // missing while nothing is the matter
	tagBarred      = "b"

	// The limit of one value, so that all of them fit.
	longestTag = 64
)

// tagsOf writes a card as tags. It returns ErrTooLarge for texts that would not fit.
func tagsOf(card levels.Card, origin wire.Origin) (map[string]string, error) {
	if max(len(card.Hash), len(card.Version), len(card.Incarnation), len(card.Fingerprint), len(card.Trouble)) > longestTag {
		return nil, errors.Join(ErrTooLarge, errors.New("hash, fingerprint, version, incarnation and trouble of a card have 64 bytes each"))
	}
	tags := map[string]string{
		tagState: card.State.String(), tagRole: card.Role.String(), tagTerm: strconv.FormatUint(uint64(card.Term), 10),
		tagOrigin: hex.EncodeToString(origin[:]), tagHash: card.Hash, tagFingerprint: card.Fingerprint, tagVersion: card.Version, tagIncarnation: card.Incarnation,
	}
	if card.Started {
		tags[tagLevel] = card.Reached.String()
	}
	if card.Operation != levels.OperationUnknown {
		tags[tagOperation] = operationTag(card)
	}
	if card.Qualified {
		tags[tagQualified] = "1"
	}
	if card.Doing.Sequence != levels.SequenceUnknown {
		tags[tagDoing] = card.Doing.String()
	}
	if card.Trouble != "" {
		tags[tagTrouble] = card.Trouble
	}
	if card.Barred {
		tags[tagBarred] = "1"
	}

	return tags, nil
}

// cardOf reads another node's tags. What makes no sense reads as unknown: a card is for
// people and defaults only. What is missing is not parsed: that would take longer than all the
// rest, hundreds of times at each look at a large cluster.
func cardOf(member *serf.Member) levels.Card {
	tags := member.Tags
	text := func(tag string) string { return printable(tags[tag]) }
	card := levels.Card{
		Node: levels.NodeID(member.Name), Qualified: tags[tagQualified] == "1",
		Hash: text(tagHash), Version: text(tagVersion), Incarnation: text(tagIncarnation),
		Fingerprint: text(tagFingerprint), Trouble: text(tagTrouble), Barred: tags[tagBarred] == "1",
	}
	if word := tags[tagDoing]; word != "" {
		if doing, err := levels.ParsePosition(word); err == nil {
			card.Doing = doing
		}
	}
	if tags[tagOperation] != "" {
		readOperation(&card, text(tagOperation))
	}
	if state, err := levels.ParseNodeState(tags[tagState]); err == nil {
		card.State = state
	}
	card.Alive, card.Left = presence(member.Status, card.State)
	if role, err := levels.ParseRole(tags[tagRole]); err == nil {
		card.Role = role
	}
	if term, err := strconv.ParseUint(tags[tagTerm], 10, 64); err == nil {
		card.Term = levels.Term(term)
	}
	if word := tags[tagLevel]; word != "" {
		if level, err := levels.ParseLevel(word); err == nil {
			card.Reached, card.Started = level, true
		}
	}

	return card
}

// presence is whether a node is there, or else said goodbye. Serf may meet the farewell of an
// earlier session again, which it takes for one of this, and so for the truth when the node is lost
// then: it counts with the state that the node tells when it leaves.
func presence(status serf.MemberStatus, told levels.NodeState) (alive, left bool) {
	switch status {
	case serf.StatusAlive:
		return true, false
	case serf.StatusLeaving:
		return !hasFarewell(told), hasFarewell(told)
	case serf.StatusLeft:
		return false, hasFarewell(told)
	case serf.StatusNone, serf.StatusFailed:
	}

	return false, false
}

// hasFarewell says that a node in this state is leaving or has left.
func hasFarewell(state levels.NodeState) bool {
	return state == levels.StateLeaving || state == levels.StateDown
}

// operationTag is what is in progress: "shutdown 3 demote level 2".
func operationTag(card levels.Card) string {
	return fmt.Sprintf("%s %d %s", card.Operation, card.Number, card.Step[:min(len(card.Step), levels.MaxCardStep)])
}

// readOperation is the inverse of operationTag.
func readOperation(card *levels.Card, text string) {
	word, rest, _ := strings.Cut(text, " ")
	digits, step, _ := strings.Cut(rest, " ")
	kind, err := levels.ParseOperationKind(word)
	number, numberErr := strconv.ParseUint(digits, 10, 64)
	if err != nil || numberErr != nil {
		return
	}
	card.Operation, card.Number, card.Step = kind, levels.OperationID(number), step[:min(len(step), levels.MaxCardStep)]
}

// originOf reads which machine a member is; zero when it does not say.
func originOf(member *serf.Member) wire.Origin {
	var origin wire.Origin
	raw, err := hex.DecodeString(member.Tags[tagOrigin])
	if err != nil || len(raw) != len(origin) {
		return wire.Origin{}
	}

	return wire.Origin(raw)
}
