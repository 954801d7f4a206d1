package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/cssc-ha/cssc/agent/config"
	"github.com/cssc-ha/cssc/serfcmm/keyring"
	"github.com/cssc-ha/cssc/units"
)

const configDir = "/etc/cssc"

// finding is one thing that verify has to say.
type finding struct {
	// Severity is "error" (the agent would refuse it) or "warning".
	Severity string `json:"severity"`
	// Check is "configuration", "keyring", "time limits" or "unit graph".
	Check  string `json:"check"`
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Key    string `json:"key,omitempty"`
	Text   string `json:"text"`
	// line is how it is printed.
	line string
}

func (a *app) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify [FILE|DIR]",
		Short: "Check the configuration, the time limits and the unit graph",
		Long: "Check the configuration and the keyring as the agent would read them, whether the time limits nest\n" +
			"(levels < shutdown < cssc-leave.service < logind), and whether the units of the levels\n" +
			"can be started and stopped in their order. DIR is " + configDir + " when nothing is\n" +
			"given; a FILE is checked by itself.",
		Example: "  cssc verify\n  cssc verify ./cssc.toml",
		Args:    arguments(0, "FILE|DIR"),

		ValidArgsFunction: completeConfiguration,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := a.limited(cmd.Context(), limitCall)
			defer cancel()
			path := configDir
			if len(args) > 0 {
				path = args[0]
			}
			findings, files, err := a.verify(ctx, path, len(args) == 0)
			if err != nil {
				return err
			}

			return a.showFindings(findings, files)
		},
	}
}

// completeConfiguration offers files that could be one; shells offer folders beside them.
func completeConfiguration(_ *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(given) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}

	return []string{"toml"}, cobra.ShellCompDirectiveFilterFileExt
}

// verify collects all findings. The system is only looked at when it is the
// system's own configuration.
func (a *app) verify(ctx context.Context, path string, own bool) ([]finding, []string, error) {
	loaded, err := loadConfig(path)
	if invalid, ok := errors.AsType[*config.InvalidError](err); ok {
		return problemFindings("error", "configuration", invalid.Problems), nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	findings := problemFindings("warning", "configuration", loaded.Warnings)
	var limits systemLimits
	if own {
		limits = a.limits(ctx)
		for _, text := range limits.unknown {
			findings = append(findings, finding{Severity: "warning", Check: "time limits", Text: text, line: text})
		}
	}
	findings = append(findings, problemFindings("error", "time limits",
		config.Verify(loaded, limits.window, limits.stopTimeout))...)
	if own {
		findings = append(findings, keyringFindings(loaded.Security.Keyring)...)
		findings = append(findings, a.graph(units.LaddersOf(loaded.Levels))...)
	}

	return findings, loaded.Files, nil
}

// keyringFindings reads the keys as the agent would, when there have to be any.
func keyringFindings(path string) []finding {
	if path == "" {
		return nil
	}
	if _, err := keyring.Load(path); err != nil {
		text := "the agent will not start: " + err.Error()

		return []finding{{Severity: "error", Check: "keyring", File: path, Key: "security.keyring", Text: text, line: text}}
	}

	return nil
}

func problemFindings(severity, check string, problems []config.Problem) []finding {
	findings := make([]finding, 0, len(problems))
	for _, problem := range problems {
		findings = append(findings, finding{
			Severity: severity, Check: check, File: problem.File, Line: problem.Line,
			Column: problem.Column, Key: problem.Key, Text: problem.Text, line: problem.String(),
		})
	}

	return findings
}

// loadConfig reads a directory, or one file alone.
func loadConfig(path string) (config.Config, error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir(), path == configDir:
		return config.Load(path)
	case err != nil:
		return config.Config{}, failed(exitFailed, fmt.Errorf("verify: %w", err))
	}

	return loadFile(path)
}

// loadFile gives the loader a directory in which this file is the only one.
func loadFile(path string) (config.Config, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return config.Config{}, fmt.Errorf("verify %s: %w", path, err)
	}
	dir, err := os.MkdirTemp("", "cssc-verify-")
	if err != nil {
		return config.Config{}, fmt.Errorf("verify %s: %w", path, err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	alias := filepath.Join(dir, "cssc.toml")
	if err := os.Symlink(path, alias); err != nil {
		return config.Config{}, fmt.Errorf("verify %s: %w", path, err)
	}
	loaded, err := config.Load(dir)
	rename := func(problems []config.Problem) {
		for i := range problems {
			if problems[i].File == alias {
				problems[i].File = path
			}
		}
	}
	if invalid, ok := errors.AsType[*config.InvalidError](err); ok {
		rename(invalid.Problems)
	}
	rename(loaded.Warnings)
	loaded.Files = []string{path}

	return loaded, err
}

func (a *app) showFindings(findings []finding, files []string) error {
	broken := 0
	for _, found := range findings {
		if found.Severity == "error" {
			broken++
		}
	}
	if a.asJSON {
		document := verifyDocument{OK: broken == 0, Files: list(files), Findings: list(findings)}
		if err := a.printJSON(document); err != nil {
			return err
		}
	} else {
		a.printFindings(findings, files, broken)
	}
	if broken > 0 {
		return quiet(exitFailed)
	}

	return nil
}

func (a *app) printFindings(findings []finding, files []string, broken int) {
	p := a.paint()
	for _, found := range findings {
		severity := p.warn("warning:")
		if found.Severity == "error" {
			severity = p.bad("error:")
		}
		a.printf("%s %s\n", severity, printable(found.line))
	}
	switch {
	case broken > 0:
		a.printf("%d of %d findings must be corrected\n", broken, len(findings))
	case len(files) == 0:
		a.printf("%s no configuration file: a cluster of one with the defaults\n", p.good("ok:"))
	default:
		for _, file := range files {
			a.printf("%s %s\n", p.good("ok:"), printable(file))
		}
	}
}
