package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cssc-ha/cssc/cmd/cssc/doctor"
)

func (a *app) doctorCommand() *cobra.Command {
	var strict bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check node, cluster and operating system, and say what to do about what is found",
		Long: "Check node, cluster and operating system: keys, configuration, versions, quorum, clocks, time\n" +
			"limits, guard, watchdogs and more. Each result is PASS, WARN (works now), FAIL (does not work, or is\n" +
			"not safe) or SKIP (could not be looked at, and why), with what to do. Without the agent it\n" +
			"checks what it can. Nothing is changed. Run it on every node.",
		Example: "  cssc doctor\n  cssc doctor --strict || echo 'somebody should look'\n  cssc doctor --json | jq '.results[] | select(.verdict == \"fail\")'",
		Args:    arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.limited(cmd.Context(), limitDoctor)
			defer cancel()
			results, err := a.diagnosis(ctx)
			if err != nil {
				return err
			}
			if err := a.showDiagnosis(results); err != nil {
				return err
			}
			if doctor.Count(results, doctor.Fail) > 0 || (strict && doctor.Count(results, doctor.Warn) > 0) {
				return quiet(exitAttention)
			}

			return nil
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "exit with status 6 for a warning, too")

	return cmd
}

// diagnosis gathers the facts and examines them. The only error is that there was no time left.
func (a *app) diagnosis(ctx context.Context) ([]doctor.Result, error) {
	facts := a.facts(ctx)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("doctor: %w", err)
	}

	return doctor.Examine(facts), nil
}

func (a *app) showDiagnosis(results []doctor.Result) error {
	document := doctorDocument{
		OK:     doctor.Count(results, doctor.Fail) == 0,
		Passed: doctor.Count(results, doctor.Pass), Warnings: doctor.Count(results, doctor.Warn),
		Failures: doctor.Count(results, doctor.Fail), Skipped: doctor.Count(results, doctor.Skip), Results: results,
	}
	switch {
	case a.asJSON:
		return a.printJSON(document)
	case !a.terminalOut:
		for _, r := range results {
			a.printf("%s verdict=%s text=%s do=%s\n", r.Check, r.Verdict, quoted(r.Text), quoted(strings.Join(r.Do, "; ")))
		}

		return nil
	}
	p := a.paint()
	const indent = 21
	for _, r := range results {
		a.printf("%s %s %s\n", verdictWord(p, r.Verdict), p.dim(pad(r.Check, indent-6)), wrapped(printable(r.Text), indent, a.width()))
		for _, step := range r.Do {
			a.printf("%s%s %s\n", strings.Repeat(" ", indent), p.warn("→"), wrapped(printable(step), indent+2, a.width()))
		}
	}
	a.printf("\n%s\n", document.words(p))

	return nil
}

func verdictWord(p paint, verdict doctor.Verdict) string {
	word := strings.ToUpper(verdict.String())
	switch verdict {
	case doctor.Pass:
		return p.good(word)
	case doctor.Warn:
		return p.warn(word)
	case doctor.Fail:
		return p.bad(word)
	case doctor.Skip:
		return p.dim(word)
	default:
		return word
	}
}

// words sums up.
func (d doctorDocument) words(p paint) string {
	parts := []string{p.good(counted(d.Passed, "check") + " passed")}
	if d.Warnings > 0 {
		parts = append(parts, p.warn(counted(d.Warnings, "warning")))
	}
	if d.Failures > 0 {
		parts = append(parts, p.bad(counted(d.Failures, "failure")))
	}
	if d.Skipped > 0 {
		parts = append(parts, p.dim(fmt.Sprintf("%d not checked", d.Skipped)))
	}

	return strings.Join(parts, ", ")
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}

	return fmt.Sprintf("%d %ss", n, noun)
}
