// Package serfcmm is the cluster membership monitor: who is in the cluster and who is
// its master. This version holds the cluster of one; Serf's gossip and the election
// between nodes come beside it, behind the same interface of the agent.
//
// # Model
//
// A node is a candidate when it is eligible, qualified and has not left. Solo makes its
// one node the master as soon as it is a candidate, and counts a term for it:
//
//	left ──Join──▶ candidate ──elected──▶ master ──Release──▶ candidate (after a back-off)
//	  ▲                                                            │
//	  └──────────────────────────── Leave ─────────────────────────┘
//
// # Guarantees
//
// Terms only rise. A master stays it until it gives the role back, also when it is
// disqualified meanwhile: its services are demoted first. What Observe tells is the whole
// truth at that moment, and Changed says when to look again.
//
// # What is not guaranteed
//
// Nothing is written to disk here: the owner makes a term durable before it tells anybody.
// Two machines that both believe to be a cluster of one do not know of each other.
//
// # Concurrency
//
// Run owns the state; every other method may be called from any goroutine.
//
// # Errors
//
// A method fails only with the cause of its context, and then has changed nothing.
//
// # Testing
//
// solo_test.go tells the stories in fake time.
package serfcmm
