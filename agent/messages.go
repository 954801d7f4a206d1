package agent

import (
	"context"
	"log/slog"
	"time"
)

// messageKind names one kind of journal message. Each has an entry in the
// catalogue (contrib/dist/catalog/cssc.catalog), shown by "journalctl -x".
type messageKind uint8

const (
	msgUnknown messageKind = iota
	msgAgentStarted
	msgAgentResumed
	msgAgentStopping
	msgStateChanged
	msgSequenceStarted
	msgLevelReached
	msgSequenceCompleted
	msgSequenceEnded
	msgComponentFailed
	msgSequenceHeld
	msgSequenceWaiting
	msgMasterReady
	msgNodeQualified
	msgNodeDisqualified
	msgOperationStarted
	msgOperationFinished
	msgOperationFailed
	msgNoSuccessor
	msgTargetLost
	msgDropped
	msgProblem
	msgProblemSolved
	msgStateDamaged
	msgShutdownAnnounced
	msgShutdownCut
	msgEnding
	msgEndingFailed
	msgConfigReloaded
	msgConfigRefused
	msgCoreBroken
	msgRoleDecided
	msgElection
	msgMembersKilled
	msgRestartGranted
	msgFleet
	msgAgentEnded
	msgJournalLost
	messageCount
)

// messageText is the fixed part of a message.
type messageText struct {
	id    string // MESSAGE_ID, for ever
	level slog.Level
	text  string
}

// describe returns the fixed part; its identifiers never change their meaning.
func (k messageKind) describe() messageText {
	info, warn, alarm := slog.LevelInfo, slog.LevelWarn, slog.LevelError
	table := [messageCount]messageText{
		msgUnknown:           {"", info, "message without a kind"},
		msgAgentStarted:      {"0b51b1f4f0de4d8bb0ac7a7d3cfd0a11", info, "agent started"},
		msgAgentResumed:      {"c6a3a1f5f1e8475d9e4f6a1f2d6ad3b2", info, "agent resumed where it was"},
		msgAgentStopping:     {"7d2f0a4c60a54f0d8a8e2d3b41d2c9e3", info, "agent stops, services go on"},
		msgStateChanged:      {"4a1f2c7be8b0434f9f55b3c0d7e9a6c4", info, "node state changed"},
		msgSequenceStarted:   {"e5b7d1a09c8f4a6db2431f0e6c7d8b95", info, "sequence started"},
		msgLevelReached:      {"9f8c3e6d2b714c05a7d4e1f0b3c2a586", info, "level reached"},
		msgSequenceCompleted: {"26d4b8f1a3e74c9085f6d7e2c1b0a397", info, "sequence completed"},
		msgSequenceEnded:     {"b3e0c5d7f2914a68bd1c8e7f6a5043d8", warn, "sequence ended before its last level"},
		msgComponentFailed:   {"5c9d7e1f0a2b4c3d8e6f7a8b9c0d1ef9", alarm, "participant failed"},
		msgSequenceHeld:      {"d1e2f3a4b5c64d7e8f90a1b2c3d4e50a", alarm, "sequence is held"},
		msgSequenceWaiting:   {"83b6a9c2d5e84f10b3a6c9d2e5f8011b", info, "sequence waits"},
		msgMasterReady:       {"6e7f8091a2b34c5d9e0fa1b2c3d4e52c", info, "master ready for service"},
		msgNodeQualified:     {"f0e1d2c3b4a54968b7a6958473625e3d", info, "node qualified"},
		msgNodeDisqualified:  {"1a2b3c4d5e6f47089a0b1c2d3e4f504e", warn, "node disqualified"},
		msgOperationStarted:  {"a7c5e3f1d9b84760a5c3e1f0d9b8765f", info, "operation started"},
		msgOperationFinished: {"3d5f7b9a1c2e4f60837a9bcd1e2f4060", info, "operation finished"},
		msgOperationFailed:   {"c8e6a4f2d0b14397852f1e3d5c7b9a71", alarm, "operation failed"},
		msgNoSuccessor:       {"7be1c3a59f0d4d62a8c4e6f8103b5d7e", warn, "operation goes on without a successor"},
		msgTargetLost:        {"57d9b1e3f5a74c28960e2d4f6b8a0c82", warn, "level target went down"},
		msgDropped:           {"eb1d3f5a7c9e4b20846a8c0e2f4d6b93", warn, "event ignored"},
		msgProblem:           {"90a2c4e6f8b14d3f9152637485a6b7a4", warn, "problem"},
		msgProblemSolved:     {"24f6a8c0e2d44b6f83951a7c3e5d7fb5", info, "problem solved"},
		msgStateDamaged:      {"b9d7f5e3c1a04286946e8a0c2f4d6bc6", alarm, "saved state is damaged"},
		msgShutdownAnnounced: {"6f4d2b0a8c6e4f1d93b5d7f9a1c3e5d7", info, "operating system announced a shutdown"},
		msgShutdownCut:       {"08e6c4a2f0d84b6e9a7c5e3d1f2b4de8", alarm, "shutdown cut off"},
		msgEnding:            {"d3b1f9e7c5a34f8196a4c2e0f8d6b4f9", info, "node ends"},
		msgEndingFailed:      {"7a9c1e3f5d7b4092b4d6f8a0c2e4d60b", alarm, "ending failed"},
		msgConfigReloaded:    {"f2d0b8e6c4a24f1e85a3c1e9d7f5b31c", info, "configuration reloaded"},
		msgConfigRefused:     {"4c6e8fa0b2d44e7f91a3b5c7d9eff12d", warn, "configuration refused"},
		msgCoreBroken:        {"e9f7d5c3b1a04e8d9c6b4a2f0e8d6c3e", alarm, "internal error, the agent restarts"},
		msgRoleDecided:       {"1c7f5d3b9a804f2e86c4a1e3d5b7f94f", info, "the cluster has decided"},
		msgElection:          {"5e3b1d9f7c624a80b2e4f6a8c0d1e350", info, "election"},
		msgMembersKilled:     {"a2c4e6f8091b4d3ea5c7e9f1b3d5f761", alarm, "members of the master's targets are killed"},
		msgRestartGranted:    {"d8f6e4c2b0a1493f8e7d6c5b4a392872", info, "the voters have promised to wait for a restart"},
		msgFleet:             {"6b0d2f4a8c1e4739a5f7091b3d5c7e48", info, "several nodes"},
		msgAgentEnded:        {"b107ac4bb05b44098c67d0eee5de5627", alarm, "the agent cannot start, or not go on"},
		msgJournalLost:       {"cd7fe45fa6cd43dfbc33b2aed6a9ebe3", warn, "the journal did not take every message"},
	}

	return table[min(k, messageCount-1)]
}

// journal writes messages of known kinds. It is safe for concurrent use.
type journal struct{ handler slog.Handler }

// tell writes one message; fields are pairs of key and value as slog takes them.
func (j journal) tell(ctx context.Context, kind messageKind, fields ...any) {
	fixed := kind.describe()
	j.tellAt(ctx, kind, fixed.level, fields...)
}

// tellAt is tell with a level of its own.
func (j journal) tellAt(ctx context.Context, kind messageKind, level slog.Level, fields ...any) {
	if !j.handler.Enabled(ctx, level) {
		return
	}
	fixed := kind.describe()
	record := slog.NewRecord(time.Now(), level, fixed.text, 0)
	record.AddAttrs(slog.String(messageIDKey, fixed.id))
	record.Add(fields...)
	_ = j.handler.Handle(ctx, record) // there is nobody left to tell
}
