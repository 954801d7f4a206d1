package main

import (
	"bytes"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cssc-ha/cssc/levels"
)

// TestEverythingThatIsTypedCanBeCompleted walks the command tree: a command that takes
// arguments says how they are completed, and a flag with a value does, too, be it with nothing
// (freely) or with files.
func TestEverythingThatIsTypedCanBeCompleted(t *testing.T) {
	t.Parallel()
	walkCommands((&app{}).rootCommand(), func(cmd *cobra.Command) {
		_, arguments, _ := strings.Cut(cmd.Use, " ")
		takes := strings.ContainsAny(arguments, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
		if takes && cmd.ValidArgsFunction == nil {
			t.Errorf("%s takes %s and has no ValidArgsFunction", cmd.CommandPath(), arguments)
		}
		cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
			if flag.NoOptDefVal != "" || flag.Value.Type() == "bool" {
				return
			}
			_, known := cmd.GetFlagCompletionFunc(flag.Name)
			_, file := flag.Annotations[cobra.BashCompFilenameExt]
			if !known && !file {
				t.Errorf("%s --%s: say how its value is completed, with completes, freely or MarkFlagFilename", cmd.CommandPath(), flag.Name)
			}
		})
	})
}

// TestLevelsAreCompletedAsConfigured asks a node whose configuration has three levels.
func TestLevelsAreCompletedAsConfigured(t *testing.T) {
	t.Parallel()
	config := levels.DefaultConfig("n1")
	config.Sequences[levels.Init].Ladder.Top, config.Sequences[levels.Promote].Ladder.Top = 2, 3
	config.Components = map[string]levels.ComponentConfig{
		"naming": {Required: []levels.Position{{Sequence: levels.Init}}}, "db": {},
	}
	for line, want := range map[string]string{
		"attach web.service --init=":           "--init=0 --init=1 --init=2 --init=last :36",
		"attach web.service --init 0,2,":       "0,2,1 0,2,last :36",
		"attach web.service --init l":          "last :36",
		"attach web.service --level ":          "0 1 2 3 last :36",
		"attach web.service --role ma":         "master :36",
		"attach w":                             "web.service :36",
		"attach web.service d":                 ":4",
		"detach ":                              "db.service :36",
		"run-callback --component ":            "db naming :36",
		"run-callback --on-failure ":           "hold abort continue fence :36",
		"run-callback --promote ":              "0 1 2 3 last :36",
		"run-callback --component x --cookie ": ":4",
		"verify ":                              "toml :8",
		"plot --output ":                       "svg txt :8",
		"keys generate --file ":                ":0",
		"run-callback --component x -- ":       ":0",
		"sync ":                                ":4", // no argument, and no file either
		"reboot ":                              "--rolling :36",
		"reboot --rolling ":                    ":4",
		"failover ":                            "--fenced :36",
		"lock ":                                ":4", // no agent: nothing, at once
		"sequence retry ":                      "init shut promote demote disqualify qualify :36",
	} {
		var out, complaints bytes.Buffer
		sys := fakeSystem(&out, &complaints)
		sys.levels = func() levels.Config { return config }
		if code := run(append([]string{"__completeNoDesc"}, strings.Split(line, " ")...), sys); code != exitOK {
			t.Fatalf("%s: exit status %d: %s", line, code, complaints.String())
		}
		if got := strings.Join(strings.Fields(out.String()), " "); got != strings.ReplaceAll(want, "--init=", "") {
			t.Errorf("cssc %s<TAB> offers %q, want %q", line, got, want)
		}
	}
}

// scriptMute: mute: from now on the system bus takes connections and never says a word.
func scriptMute(ts *testscript.TestScript, _ bool, _ []string) {
	path := filepath.Join(ts.MkAbs("."), "mute")
	listener, err := net.Listen("unix", path)
	ts.Check(err)
	ts.Defer(func() { _ = listener.Close() })
	ts.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+path)
}
