package config

import (
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// Config is the configuration as in force: complete, with every default.
type Config struct {
	// Levels is what the core needs.
	Levels levels.Config
	// Nodes lists who may join, in order of preference for roles. Empty: a cluster of one.
	Nodes      []Node
	Mastership Mastership
	Security   Security
	Local      Local
	Shutdown   Shutdown
	Limits     Limits
	Endpoints  Endpoints
	// Hash covers what every node of the cluster must agree on; Fingerprint tells which
	// settings differ when it does (see Differences).
	Hash        string
	Fingerprint string
	// Digest covers the bytes of the files that were read.
	Digest string
	// Warnings are settings that are allowed but will surprise.
	Warnings []Problem
	// Files were read, in this order.
	Files []string
}

// ClusterOfOne says whether this node is the whole cluster.
func (c Config) ClusterOfOne() bool { return len(c.Nodes) <= 1 }

// Node is one [[node]] entry.
type Node struct {
	Name levels.NodeID
	// Address is host:port, the port filled in with DefaultPort; empty only in a cluster
	// of one.
	Address string
	// Eligible: may hold a role. Vote: counts for quorum. Both default to true.
	Eligible bool
	Vote     bool
}

// DefaultPort is where the nodes talk to each other when an address names no port.
const DefaultPort = 7946

// Mastership is the [mastership] table. It has no effect in a cluster of one.
type Mastership struct {
	// Profile is "default", "fast", "floor", "wide" or "custom" when lease is given.
	Profile string
	// Lease is L, how long the master may act without hearing from a majority. At least
	// 250 ms: below that a busy machine loses the role for nothing.
	Lease time.Duration
	// ClockErrorPermille is ρ, the bound on the error of any node's clock rate, in
	// thousandths. Default 10. A clock that is worse may make two masters.
	ClockErrorPermille int
	// RenewEvery is the pause between two renewals of the lease. Default L/8.
	RenewEvery time.Duration
	// CeaseAfter without an answer of a majority the master begins to give the role up.
	// Default 0.6 L.
	CeaseAfter time.Duration
	// KillMargin before the end of the lease what still serves is killed. Default L/10,
	// within 50 ms and L/5.
	KillMargin time.Duration
	// Stagger is the pause between the first candidate and the next in rank. Default L/16.
	// Too short: candidates split the votes and nobody wins.
	Stagger time.Duration
	// RestartGrace is the longer promise asked for before a planned restart; 0 = none.
	// Default 10 s, or the lease when that is longer.
	RestartGrace time.Duration
	// FormationTimeout bounds the wait for all voters at the first formation. Default
	// 60 s, or twice the longest promise when that is longer.
	FormationTimeout time.Duration
	// FlapLimit unplanned changes of the master within FlapWindow are allowed, the next
	// one is held. Default 3; 0 = no limit.
	FlapLimit int
	// FlapWindow goes with it. Default 10 min.
	FlapWindow time.Duration
	// TwoNode is "hold": without a witness the incumbent goes on alone.
	TwoNode string
	// SelfFence is "off" or "reboot".
	SelfFence string
}

// Security is the [security] table.
type Security struct {
	// Keyring is the file with the gossip keys.
	Keyring string
	// Insecure allows a cluster of more than one node without a key.
	Insecure bool
	// RemoteOperations lists what other nodes may ask of this one. Default: all.
	RemoteOperations []levels.OperationKind
}

// Local is the [local] table: the only keys that may differ from node to node.
type Local struct {
	// Node is this node's name. Default: the host's name.
	Node levels.NodeID
	// LogLevel is "debug", "info", "warn" or "error". Default info.
	LogLevel string
}

// Shutdown is the [shutdown] table.
type Shutdown struct {
	// Timeout bounds all sequences of one shutdown together when the operating system
	// waits for them. Default 55 min, enough for every level of the default ladders to
	// run into its time limit. It must be shorter than logind's window.
	Timeout time.Duration
	// Margin is what remains of logind's window after the inhibitor was given back.
	// Default 5 s. Too small: logind cuts the shutdown off before the node has left.
	Margin time.Duration
	// Emergency bounds the callbacks of a shutdown that bypassed logind: systemd is
	// stopping everything already. Default 45 s. It must be shorter than TimeoutStopSec=
	// of cssc-leave.service.
	Emergency time.Duration
}

// Limits is the [limits] table.
type Limits struct {
	// HistoryRuns is how many finished runs are kept. Default 200.
	HistoryRuns int
}

// Endpoints is the [endpoints] table.
type Endpoints struct {
	// Listen is host:port, the host an IP address, of what load balancers and monitoring
	// ask. Empty, the default: nothing listens.
	Listen string
	// Exposed allows an address that other machines reach.
	Exposed bool
}

func defaults(node levels.NodeID) Config {
	return Config{
		Levels: levels.DefaultConfig(node),
		Mastership: Mastership{
			Profile:            "default",
			Lease:              profileLease("default"),
			ClockErrorPermille: 10,
			FlapLimit:          3,
			FlapWindow:         10 * time.Minute,
			TwoNode:            "hold",
			SelfFence:          "off",
		},
		Security: Security{RemoteOperations: operations()},
		Local:    Local{Node: node, LogLevel: "info"},
		Shutdown: Shutdown{Timeout: 55 * time.Minute, Margin: 5 * time.Second, Emergency: 45 * time.Second},
		Limits:   Limits{HistoryRuns: 200},
	}
}

func operations() []levels.OperationKind {
	return []levels.OperationKind{
		levels.OperationDisqualify, levels.OperationQualify, levels.OperationShutdown,
		levels.OperationSwitchover, levels.OperationStart,
		levels.OperationClusterShutdown, levels.OperationRollingReboot,
	}
}

func profileLease(profile string) time.Duration {
	switch profile {
	case "fast":
		return 560 * time.Millisecond
	case "floor":
		return 250 * time.Millisecond
	case "wide":
		return 10 * time.Second
	default:
		return 2 * time.Second
	}
}
