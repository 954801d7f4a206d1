package config

import (
	"fmt"
	"time"
)

// Verify compares the limits of the configuration with each other and with those
// of the operating system. The chains that must nest are
//
//	each participant < all levels of a shutdown in turn < shutdown.timeout < window
//	shutdown.emergency < stopTimeout < window
//
// where window is logind's InhibitDelayMaxSec= and stopTimeout is TimeoutStopSec=
// of cssc-leave.service. It returns one problem per relation that does not hold,
// naming the limit that breaks it and what to do. A limit of zero is unknown and
// not compared.
func Verify(c Config, window, stopTimeout time.Duration) []Problem {
	var problems []Problem
	add := func(key, format string, args ...any) {
		problems = append(problems, Problem{Key: key, Text: fmt.Sprintf(format, args...)})
	}
	whole := c.Shutdown.Timeout
	for _, sequence := range endingSequences() {
		if timeout := c.Levels.Sequences[sequence].Timeout; timeout > whole {
			add("sequence."+sequence.String()+".timeout", "%s is longer than shutdown.timeout = %s; lower it", short(timeout), short(whole))
		}
	}
	for _, name := range sortedKeys(c.Levels.Components) {
		if timeout := c.Levels.Components[name].Timeout; timeout > whole {
			add("component "+name+" timeout", "%s is longer than shutdown.timeout = %s; lower it", short(timeout), short(whole))
		}
	}
	if worst := worstCase(c); len(problems) == 0 && worst > whole {
		add("shutdown.timeout", "%s is shorter than the %s that a shutdown takes when every level runs into its time limit; "+
			"raise it, or lower the timeouts or the number of levels of shut, demote and disqualify", short(whole), short(worst))
	}
	need := whole + c.Shutdown.Margin
	if window > 0 && need > window {
		add("InhibitDelayMaxSec", "logind waits %s, a shutdown may take %s (shutdown.timeout %s + shutdown.margin %s); "+
			"set InhibitDelayMaxSec=%d in /etc/systemd/logind.conf.d/zz-cssc.conf and run \"systemctl kill -s HUP systemd-logind\", or lower shutdown.timeout",
			short(window), short(need), short(whole), short(c.Shutdown.Margin), int((need+time.Second-1)/time.Second))
	}
	if stopTimeout > 0 && stopTimeout <= c.Shutdown.Emergency {
		add("TimeoutStopSec", "cssc-leave.service is given %s, shutdown.emergency is %s; raise the first with \"systemctl edit cssc-leave.service\" or lower the second",
			short(stopTimeout), short(c.Shutdown.Emergency))
	}
	if window > 0 && stopTimeout > window {
		add("TimeoutStopSec", "cssc-leave.service is given %s, which is longer than the %s that logind waits; lower it or raise InhibitDelayMaxSec",
			short(stopTimeout), short(window))
	}

	return problems
}

// worstCase is how long the sequences of a shutdown take at the most.
func worstCase(c Config) time.Duration {
	var total time.Duration
	for _, sequence := range endingSequences() {
		total += c.Levels.Longest(sequence)
	}

	return total
}
