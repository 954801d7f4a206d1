package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/cmd/cssc/bundle"
	"github.com/cssc-ha/cssc/levels"
)

const (
	// A limit: limitReport bounds the whole, limitPart one part.
	limitReport = 3 * time.Minute
	limitPart   = 30 * time.Second
	// What a bundle may hold, before it is compressed.
	reportPart, reportTotal = 8 << 20, 64 << 20
)

// reportOptions are the flags of report.
type reportOptions struct {
	all   bool
	since time.Duration
	units []string
}

func (a *app) reportCommand() *cobra.Command {
	var options reportOptions
	cmd := &cobra.Command{
		Use:   "report [FILE]",
		Short: "Collect what somebody needs who is to find out what is wrong, without secrets",
		Long: "Write an archive with what somebody needs who is to find out what is wrong here: status, history, events,\n" +
			"explanations, configuration, what verify and doctor find, the units that take part and their\n" +
			"properties, the journal of cssc's own units, state, and versions. Keys are left out in every form, and so are values\n" +
			"that look like passwords. What could not be had is named in manifest.json. FILE is\n" +
			"cssc-report-NODE-TIME.tar.gz in this folder when it is not given; one that exists is not replaced.",
		Example: "  cssc report\n  cssc report --all --since 2h\n  cssc report --unit postgresql.service /tmp/report.tar.gz",
		Args:    arguments(0, "FILE"),
		ValidArgsFunction: onlyArgument(func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault // any file, or a folder
		}),
		RunE: func(cmd *cobra.Command, args []string) error {
			if options.since < 0 {
				return usage("cssc report: --since %s: must not be negative", options.since)
			}

			return a.report(cmd.Context(), options, strings.Join(args, ""))
		},
	}
	cmd.Flags().BoolVar(&options.all, "all", false, "also what the other nodes tell of themselves")
	cmd.Flags().DurationVar(&options.since, "since", 24*time.Hour, "the journal of the last `TIME`; 0 = all of it")
	cmd.Flags().StringSliceVar(&options.units, "unit", nil, "also the journal of this `UNIT`; may be given again")
	freely(cmd, "since")
	completes(cmd, "unit", a.completeUnit)

	return cmd
}

// aboutReport stands in the manifest.
type aboutReport struct {
	Node      string `json:"node"`
	CreatedAt string `json:"created_at"`
	CSSC      string `json:"cssc"`
	// Root says that whoever collected could read everything.
	Root  bool   `json:"root"`
	Since string `json:"journal_since,omitempty"`
}

// report writes the bundle. It ends with what there is when the time is over; when it is
// interrupted, or cannot write, nothing stays behind.
func (a *app) report(ctx context.Context, options reportOptions, path string) error {
	interrupted := ctx
	ctx, cancel := a.limited(ctx, limitReport)
	defer cancel()
	status, _ := a.status(ctx) // without it there is less to ask for
	now := a.now()
	about := aboutReport{Node: a.reportNode(status), CreatedAt: now.Format(time.RFC3339), CSSC: version, Root: os.Geteuid() == 0}
	if options.since > 0 {
		about.Since = now.Add(-options.since).Format(time.RFC3339)
	}
	name := fmt.Sprintf("cssc-report-%s-%s", about.Node, now.Format("20060102-150405"))
	if info, err := os.Stat(path); path == "" || (err == nil && info.IsDir()) {
		path = filepath.Join(path, name+".tar.gz")
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return failed(exitRefused, fmt.Errorf("report: %s exists already", path), "give another name: cssc report FILE")
	}
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	b := bundle.New(file, bundle.Options{
		Folder: name, Limits: bundle.Limits{Part: reportPart, Total: reportTotal}, Secrets: bundle.NewSecrets(secretKeys()...), Now: a.now,
	})
	for _, part := range a.reportParts(ctx, status, options) {
		b.Add(ctx, part)
	}
	err = errors.Join(b.Close(about), file.Sync(), file.Close())
	if err == nil {
		err = interrupted.Err()
	}
	if err != nil {
		_ = os.Remove(path)

		return fmt.Errorf("report: %w", err)
	}

	return a.showReport(path, b.Entries())
}

// reportNode is a name for the file: the node's, or else the host's.
func (a *app) reportNode(status *report) string {
	name, _ := os.Hostname()
	if status != nil {
		name = string(status.Node)
	}
	safe := strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || r == '_' || (r >= '0' && r <= '9') || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z') {
			return r
		}

		return '_'
	}, name)

	return cmp.Or(strings.TrimLeft(safe, "."), "node")
}

func (a *app) showReport(path string, parts []bundle.Entry) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	document := reportDocument{File: path, Bytes: info.Size(), Parts: parts}
	if a.asJSON {
		return a.printJSON(document)
	}
	missing := 0
	for _, part := range parts {
		if part.Error != "" {
			missing++
		}
	}
	p := a.paint()
	a.printf("%s has %d parts, %d kB", printable(path), len(parts), (info.Size()+1023)/1024)
	if missing > 0 {
		a.printf("; %s", p.warn(fmt.Sprintf("%d could not be had, or not all of it: see manifest.json in it", missing)))
	}
	a.printf("\n")
	if a.terminalOut {
		a.printf("%s\n", p.dim("Keys are left out, and what looks like a password. Look into it before you send it: tar -tzf "+printable(path)))
		if os.Geteuid() != 0 {
			a.printf("%s\n", p.dim("As root it would hold more."))
		}
	}

	return nil
}

// reportParts is everything that is collected, the most important first: a bundle that is full, or
// out of time, lacks the end.
func (a *app) reportParts(ctx context.Context, status *report, options reportOptions) []bundle.Part {
	var parts []bundle.Part
	for _, command := range []struct{ name, line string }{
		{"status.txt", "status"},
		{"status.json", "status --json"},
		{"explain.txt", "explain"},
		{"doctor.txt", "doctor"},
		{"verify.txt", "verify"},
		{"history.json", "history -n 0 --json"},
		{"events.txt", "events -n 200"},
		{"operations.txt", "operations"},
		{"members.txt", "members"},
		{"registrations.txt", "registrations"},
		{"nodes.txt", "nodes"},
		{"keys.txt", "keys list"},
		{"version.txt", "version"},
		{"plot.svg", "plot"},
	} {
		parts = append(parts, a.commandPart(command.name, strings.Fields(command.line)...))
	}
	if options.all && status != nil {
		for _, node := range status.Nodes {
			if !node.Self {
				parts = append(parts, a.nodeParts(string(node.Node))...)
			}
		}
	}
	parts = append(parts, configParts()...)
	parts = append(parts, journalParts(options, a.now())...)
	parts = append(parts, systemParts()...)
	parts = append(parts, stateParts()...)

	return append(parts, unitParts(ctx, reportUnits(status))...)
}

// nodeParts is what another node tells of itself.
func (a *app) nodeParts(name string) []bundle.Part {
	folder := "nodes/" + strings.ReplaceAll(name, "/", "_") + "/"

	return []bundle.Part{
		a.commandPart(folder+"status.txt", "status", name), a.commandPart(folder+"status.json", "status", name, "--json"),
		a.commandPart(folder+"explain.txt", "explain", name), a.commandPart(folder+"history.json", "history", name, "-n", "0", "--json"),
	}
}

// commandPart is the output of a command of cssc, carried out within this process.
func (a *app) commandPart(name string, args ...string) bundle.Part {
	return bundle.Part{
		Name: name, Source: "cssc " + strings.Join(args, " "), Limit: 2 * limitPart,
		Collect: func(ctx context.Context) ([]byte, error) {
			var out, complaints bytes.Buffer
			inner := &app{system: a.system}
			inner.out, inner.err, inner.terminalIn, inner.terminalOut = &out, &complaints, false, false
			if a.address != "" {
				args = append(args, "--bus", a.address)
			}
			root := inner.rootCommand()
			root.SetArgs(args)
			err := root.ExecuteContext(ctx)
			if _, said := errors.AsType[quiet](err); said {
				err = nil // all is in the output
			}
			if complaints.Len() > 0 {
				err = errors.Join(err, errors.New(strings.TrimSpace(complaints.String())))
			}

			return out.Bytes(), err
		},
	}
}

// reportUnits are cssc's own units and those that take part, each once.
func reportUnits(status *report) []string {
	names := []string{agentUnit, guardUnit, leaveUnit, markerUnit}
	seen := map[string]bool{}
	var members []levels.MemberView
	if status != nil {
		members = status.Members
	}
	for _, member := range members {
		if !seen[member.Unit] && len(seen) < mostMembers {
			names = append(names, member.Unit)
		}
		seen[member.Unit] = true
	}

	return names
}

// configParts are the files of the configuration, as the agent would read them.
func configParts() []bundle.Part {
	files, _ := filepath.Glob(filepath.Join(configDir, "conf.d", "*.toml"))
	var parts []bundle.Part
	for _, path := range append([]string{filepath.Join(configDir, "cssc.toml")}, files...) {
		parts = append(parts, filePart("config/"+strings.TrimPrefix(path, configDir+"/"), path))
	}

	return parts
}

// keyringPath is where this node's keys are, also when the configuration cannot be used.
func keyringPath() string {
	loaded, err := config.Load(configDir)
	if err != nil || loaded.Security.Keyring == "" {
		return filepath.Join(configDir, "keyring")
	}

	return loaded.Security.Keyring
}
