package config

import (
	"fmt"
	"time"
)

// Verify compares the limits of the configuration with those of the operating
// system: participants < shutdown.timeout < stopTimeout (TimeoutStopSec= of
// cssc-leave.service) < window (logind's InhibitDelayMaxSec=). It returns one
// problem per relation that does not hold, naming the limit that breaks it and
// what to do. A limit of zero is unknown and not compared.
func Verify(c Config, window, stopTimeout time.Duration) []Problem {
	var problems []Problem
	add := func(key, format string, args ...any) {
		problems = append(problems, Problem{Key: key, Text: fmt.Sprintf(format, args...)})
	}
	whole := c.Shutdown.Timeout
	for _, sequence := range endingSequences() {
		settings := c.Levels.Sequences[sequence]
		if settings.Timeout > whole {
			add("sequence."+sequence.String()+".timeout", "%s is longer than shutdown.timeout = %s; lower it", short(settings.Timeout), short(whole))
		}
	}
	for _, name := range sortedKeys(c.Levels.Components) {
		if timeout := c.Levels.Components[name].Timeout; timeout > whole {
			add("component "+name+" timeout", "%s is longer than shutdown.timeout = %s; lower it", short(timeout), short(whole))
		}
	}
	if window > 0 && whole+c.Shutdown.Margin > window {
		add("InhibitDelayMaxSec", "logind waits %s, a shutdown may take %s (shutdown.timeout %s + shutdown.margin %s); "+
			"set InhibitDelayMaxSec=%d in /etc/systemd/logind.conf.d/zz-cssc.conf and run \"systemctl kill -s HUP systemd-logind\", or lower shutdown.timeout",
			short(window), short(whole+c.Shutdown.Margin), short(whole), short(c.Shutdown.Margin),
			int((whole+c.Shutdown.Margin+time.Second-1)/time.Second))
	}
	if stopTimeout > 0 && stopTimeout < whole {
		add("TimeoutStopSec", "cssc-leave.service is given %s, a shutdown may take %s; raise it with \"systemctl edit cssc-leave.service\"",
			short(stopTimeout), short(whole))
	}
	if window > 0 && stopTimeout > window {
		add("TimeoutStopSec", "cssc-leave.service is given %s, which is longer than the %s that logind waits; lower it or raise InhibitDelayMaxSec",
			short(stopTimeout), short(window))
	}

	return problems
}
