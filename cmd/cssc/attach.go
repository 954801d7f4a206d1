package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cssc-ha/cssc/levels"
)

func (a *app) attachCommand() *cobra.Command {
	var places positionFlags
	var role string
	var roleLevels []string
	var ready bool
	cmd := &cobra.Command{
		Use:   "attach UNIT",
		Short: "Let a systemd unit take part in levels on this node",
		Long: "Let a systemd unit take part in levels on this node: write a drop-in with WantedBy=\n" +
			"for the targets of those levels, and enable it. A unit of your own needs nothing\n" +
			"but WantedBy=cssc-init-3.target in its [Install] section and systemctl enable.",
		Example: "  cssc attach postgresql.service --role master --level 3\n" +
			"  cssc attach chrony.service --init 0\n" +
			"  cssc attach backup.timer --ready",
		Args:              arguments(1, "UNIT"),
		ValidArgsFunction: onlyArgument(a.completeUnit),
		RunE: func(cmd *cobra.Command, args []string) error {
			targets, err := places.targets()
			if err != nil {
				return err
			}
			roleTargets, err := roleTargets(role, roleLevels)
			if err != nil {
				return err
			}
			targets = append(targets, roleTargets...)
			if ready {
				targets = append(targets, levels.ReadyTarget())
			}
			if len(targets) == 0 {
				return failed(exitUsage, fmt.Errorf("attach %s: to which level?", args[0]),
					"for instance: cssc attach "+args[0]+" --init 3")
			}

			return a.attachUnit(cmd.Context(), args[0], targets)
		},
	}
	places.add(cmd, "take part", a.completeLevel)
	cmd.Flags().StringVar(&role, "role", "", "take part while the node has this `ROLE`: master or vice with --level; master, vice, spare or offline without")
	cmd.Flags().StringSliceVar(&roleLevels, "level", nil, "the `LEVEL` at which --role starts it")
	cmd.Flags().BoolVar(&ready, "ready", false, "start it when init is complete")
	completes(cmd, "role", wordsOnly(attachRoles()...))
	completes(cmd, "level", a.completeLevel(levels.Init, levels.Promote))

	return cmd
}

func (f *positionFlags) targets() ([]levels.Target, error) {
	positions, err := f.positions()
	if err != nil {
		return nil, err
	}
	targets := make([]levels.Target, 0, len(positions))
	for _, position := range positions {
		targets = append(targets, levels.SequenceTarget(position))
	}

	return targets, nil
}

// attachRoles are those that have targets.
func attachRoles() []string {
	return []string{levels.RoleMaster.String(), levels.RoleVice.String(), levels.RoleSpare.String(), levels.RoleOffline.String()}
}

// roleTargets reads --role and --level.
func roleTargets(word string, at []string) ([]levels.Target, error) {
	if word == "" {
		if len(at) > 0 {
			return nil, failed(exitUsage, fmt.Errorf("--level %s: of which role?", strings.Join(at, ",")),
				"a level of a role: --role master --level 3", "a level of a sequence: --init 3")
		}

		return nil, nil
	}
	role, err := levels.ParseRole(word)
	if err != nil || role == levels.RoleNone {
		return nil, failed(exitUsage, fmt.Errorf("--role %s: no such role", word),
			"the roles are: "+strings.Join(attachRoles(), ", "))
	}
	if len(at) == 0 {
		return []levels.Target{levels.PlainTarget(role.String())}, nil
	}
	if !role.Leads() {
		return nil, failed(exitUsage, fmt.Errorf("--role %s --level %s: %s has no levels", role, strings.Join(at, ","), role),
			"leave --level out")
	}
	targets := make([]levels.Target, 0, len(at))
	for _, text := range at {
		level, err := levels.ParseLevel(strings.TrimSpace(text))
		if err != nil {
			return nil, usage("--level %s: no such level; levels are 0, 1, … up to %d, then last", text, levels.MaxLevel)
		}
		targets = append(targets, levels.RoleTarget(role, level))
	}

	return targets, nil
}

func (a *app) attachUnit(ctx context.Context, unit string, targets []levels.Target) error {
	ctx, cancel := a.limited(ctx, limitCall)
	defer cancel()
	warnings, err := a.attach(ctx, unit, targets)
	if err != nil {
		return prefixed("attach "+unit, err)
	}
	if a.asJSON {
		return a.printJSON(attachDocument{Unit: unit, Targets: targets, Warnings: list(warnings)})
	}
	names := make([]string, len(targets))
	for i, target := range targets {
		names[i] = target.String()
	}
	a.printf("%s takes part in %s\n", printable(unit), strings.Join(names, ", "))
	for _, warning := range warnings {
		a.complainf("%s %s\n", a.errorPaint().warn("warning:"), printable(warning))
	}
	a.printf("levels that are reached already get it at the next quiet moment; at once with: cssc sync\n")

	return nil
}

func (a *app) detachCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "detach UNIT",
		Short:   "Undo cssc attach; the unit goes on as it runs now",
		Example: "  cssc detach chrony.service",
		Args:    arguments(1, "UNIT"),

		ValidArgsFunction: onlyArgument(a.completeAttached),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := a.limited(cmd.Context(), limitCall)
			defer cancel()
			if err := a.detach(ctx, args[0]); err != nil {
				return prefixed("detach "+args[0], err)
			}
			if a.asJSON {
				return a.printJSON(actionDocument{Action: "detach", Unit: args[0]})
			}
			a.printf("%s takes part in no level any more; it was not stopped\n", printable(args[0]))

			return nil
		},
	}
}
