package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cssc-ha/cssc/levels"
)

// completeRun offers the numbers of the runs of this node, or of the one that --node names.
func (a *app) completeRun(cmd *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(given) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	node := ""
	if flag := cmd.Flags().Lookup("node"); flag != nil {
		node = flag.Value.String()
	}

	return offers(a.runsOf(cmd.Context(), node), begun)
}

// completeNodeOrRun completes [NODE] [RUN].
func (a *app) completeNodeOrRun(cmd *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
	switch {
	case len(given) == 0:
		nodes, _ := a.nodesThat(anyNode)(cmd, nil, begun)
		runs, directive := offers(a.runsOf(cmd.Context(), ""), begun)

		return append(nodes, runs...), directive
	case len(given) == 1 && strings.Trim(given[0], "0123456789") != "":
		return offers(a.runsOf(cmd.Context(), given[0]), begun)
	default:
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

func (a *app) runsOf(ctx context.Context, node string) []offer {
	records := quickly(ctx, a, func(ctx context.Context, agent agentPort) ([]record, error) {
		return agent.NodeHistory(ctx, node, recentRuns)
	})
	list := make([]offer, len(records))
	for i, r := range records {
		list[i] = offer{
			strconv.FormatUint(uint64(r.Run), 10), fmt.Sprintf("%s %s %s", r.Sequence, r.Outcome, clockWords(r.StartedAt)),
		}
	}

	return list
}

// completeKey offers the keys that could be removed: those that nothing is encrypted with.
func (a *app) completeKey(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	keys := quickly(cmd.Context(), a, func(ctx context.Context, agent agentPort) ([]levels.KeyView, error) {
		return agent.Keys(ctx, levels.KeyRequest{Verb: levels.KeysList})
	})
	var list []offer
	for _, key := range keys {
		if !key.Primary {
			list = append(list, offer{key.Key, "accepted by " + joinNodes(key.Nodes)})
		}
	}

	return offers(list, begun)
}

// completeHeld offers the sequence that is held; without an agent, or a held run, all.
func (a *app) completeHeld(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	status := quickly(cmd.Context(), a, func(ctx context.Context, agent agentPort) (*report, error) { return agent.Status(ctx) })
	if status != nil && status.Run != nil && status.Run.Phase == levels.PhaseHeld {
		return offers([]offer{{status.Run.Sequence.String(), fmt.Sprintf("held at level %s", status.Run.Level)}}, begun)
	}

	return wordsOnly(sequenceWords()...)(cmd, nil, begun)
}

func componentOffers(status *report) []offer {
	var list []offer
	for _, known := range status.Registrations {
		if !slices.ContainsFunc(list, func(one offer) bool { return one.word == known.Component }) {
			list = append(list, offer{known.Component, known.Unit})
		}
	}

	return list
}

func memberOffers(status *report) []offer {
	var list []offer
	for _, member := range status.Members {
		list = append(list, offer{member.Unit, member.Target.String() + " " + member.Outcome.String()})
	}

	return list
}

func operationOffers(status *report) []offer {
	var list []offer
	for _, operation := range status.Operations {
		list = append(list, offer{
			strconv.FormatUint(uint64(operation.ID), 10),
			fmt.Sprintf("%s of %s, %s", operation.Kind, operation.Node, operation.Result),
		})
	}

	return list
}

// completeComponent offers the components that the configuration of this node has settings
// for, and those that have registered.
func (a *app) completeComponent(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	configured := a.levels().Components
	var list []offer
	for name, settings := range configured {
		list = append(list, offer{name, fmt.Sprintf("configured, required at %d levels", len(settings.Required))})
	}
	slices.SortFunc(list, func(x, y offer) int { return strings.Compare(x.word, y.word) })
	status := quickly(cmd.Context(), a, func(ctx context.Context, agent agentPort) (*report, error) { return agent.Status(ctx) })
	if status != nil {
		list = append(list, unlike(componentOffers(status), slices.Collect(func(yield func(string) bool) {
			for name := range configured {
				if !yield(name) {
					return
				}
			}
		}))...)
	}

	return offers(list, begun)
}

// completeLevel offers the levels of the longest of these sequences, as this node is
// configured; after a comma those that were not named yet.
func (a *app) completeLevel(sequences ...levels.Sequence) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		before := begun[:strings.LastIndexByte(begun, ',')+1]
		configured, top := a.levels().Sequences, levels.Level(0)
		for _, sequence := range sequences {
			top = max(top, configured[sequence].Ladder.Top)
		}
		var list []offer
		for level := levels.Level(0); level <= top; level++ {
			list = append(list, offer{word: before + level.String()})
		}
		list = append(list, offer{word: before + levels.Last.String()})
		for named := range strings.SplitSeq(before, ",") {
			list = unlike(list, []string{before + named})
		}

		return offers(list, begun)
	}
}

// completeUnit offers the units that could be attached; completeAttached those that are.
func (a *app) completeUnit(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	return wordsOnly(a.attachable()...)(nil, nil, begun)
}

func (a *app) completeAttached(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	return wordsOnly(a.attached()...)(nil, nil, begun)
}
