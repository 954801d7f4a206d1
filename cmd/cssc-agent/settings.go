package main

import (
	"flag"
	"fmt"
	"io"
)

// settings are the command line.
type settings struct {
	configDir, stateDir, runDir, bus string

	version, leave bool
}

// parse reads the command line. The flag package writes the usage itself when it
// was asked for; errors are the caller's to tell.
func parse(args []string, usage io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("cssc-agent", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&s.configDir, "config-dir", "/etc/cssc", "folder of cssc.toml and conf.d")
	flags.StringVar(&s.stateDir, "state-dir", "/var/lib/cssc", "folder of what survives a boot")
	flags.StringVar(&s.runDir, "run-dir", "/run/cssc", "folder of the state of this boot")
	flags.StringVar(&s.bus, "bus", "", "address of the message bus (default: the system bus)")
	flags.BoolVar(&s.version, "version", false, "print the version and exit")
	flags.Usage = func() {
		_, _ = fmt.Fprint(usage, "Usage: cssc-agent [flags]        run the sequences of this node\n"+
			"       cssc-agent [flags] leave  tell the callbacks that the node goes down\n\nFlags:\n")
		flags.SetOutput(usage)
		flags.PrintDefaults()
		flags.SetOutput(io.Discard)
	}
	if err := parseQuietly(flags, args); err != nil {
		return s, err
	}
	switch rest := flags.Args(); {
	case len(rest) == 0:
	case len(rest) == 1 && rest[0] == "leave":
		s.leave = true
	default:
		return s, fmt.Errorf("unknown argument %q, allowed is \"leave\"", rest[len(rest)-1])
	}

	return s, nil
}

// parseQuietly shows the usage for --help alone, not for every mistake.
func parseQuietly(flags *flag.FlagSet, args []string) error {
	full := flags.Usage
	flags.Usage = func() {}
	err := flags.Parse(args)
	if err == flag.ErrHelp { //nolint:errorlint // documented to be returned as it is
		full()
	}

	return err
}
