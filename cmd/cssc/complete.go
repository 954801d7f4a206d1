package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cssc-ha/cssc/levels"
)

// limitComplete bounds what one press of the key asks of the agent. Without an answer by then
// nothing is offered and nothing is said: a shell must not hang, nor print over its line.
const limitComplete = time.Second

// offer is one word for the shell, and what a person should know of it.
type offer struct{ word, about string }

// offers ends a completion: those of the words that go on what was begun, in their order. No
// file is offered beside them.
func offers(list []offer, begun string) ([]string, cobra.ShellCompDirective) {
	var words []string
	for _, one := range list {
		switch {
		case !strings.HasPrefix(one.word, begun):
		case one.about == "":
			words = append(words, printable(one.word))
		default:
			words = append(words, cobra.CompletionWithDesc(printable(one.word), printable(one.about)))
		}
	}

	return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// unlike leaves out what was given already.
func unlike(list []offer, given []string) []offer {
	return slices.DeleteFunc(list, func(one offer) bool { return slices.Contains(given, one.word) })
}

// wordsOnly offers a fixed set.
func wordsOnly(words ...string) cobra.CompletionFunc {
	list := make([]offer, len(words))
	for i, word := range words {
		list[i].word = word
	}

	return func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		return offers(list, begun)
	}
}

// onlyArgument completes the first argument, and offers nothing for further ones.
func onlyArgument(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(given) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}

		return complete(cmd, given, begun)
	}
}

// freely completes a flag whose value nobody can guess.
func freely(cmd *cobra.Command, flags ...string) {
	for _, flag := range flags {
		completes(cmd, flag, cobra.NoFileCompletions)
	}
}

// files lets the shell offer its own: files, and for it to say which.
func files(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// needsFlag offers the flag without which a command does nothing, until it is given.
func needsFlag(name string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		if cmd.Flags().Changed(name) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}

		return offers([]offer{{"--" + name, cmd.Flag(name).Usage}}, begun)
	}
}

// completes says how the value of a flag is completed; the flag must exist.
func completes(cmd *cobra.Command, flag string, complete cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err)
	}
}

// quickly asks the agent one question for the shell; the zero value without an answer.
func quickly[T any](ctx context.Context, a *app, question func(context.Context, agentPort) (T, error)) T {
	ctx, cancel := context.WithTimeout(ctx, limitComplete)
	defer cancel()
	var nothing T
	agent, err := a.dial(ctx, a.address)
	if err != nil {
		return nothing
	}
	defer func() { _ = agent.Close() }()
	answer, err := question(ctx, agent)
	if err != nil {
		return nothing
	}

	return answer
}

// fromStatus completes with what is made of the agent's status; words that were given are not
// offered again.
func (a *app) fromStatus(list func(*report) []offer) cobra.CompletionFunc {
	return func(cmd *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
		status := quickly(cmd.Context(), a, func(ctx context.Context, agent agentPort) (*report, error) { return agent.Status(ctx) })
		if status == nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}

		return offers(unlike(list(status), given), begun)
	}
}

// nodesThat completes names of nodes, in the order of the node table.
func (a *app) nodesThat(fit func(status *report, node levels.NodeView) bool) cobra.CompletionFunc {
	return a.fromStatus(nodeOffers(fit))
}

func nodeOffers(fit func(status *report, node levels.NodeView) bool) func(*report) []offer {
	return func(status *report) []offer {
		var list []offer
		for _, node := range status.Nodes {
			if fit(status, node) {
				list = append(list, offer{string(node.Node), nodeWords(status, node)})
			}
		}

		return list
	}
}

// nodeWords says of a node what helps to choose it.
func nodeWords(status *report, node levels.NodeView) string {
	words := []string{node.Role.String(), node.State.String()}
	if !node.Self && !node.Alive {
		words = []string{"not heard"}
	}
	if node.Self && len(status.Nodes) > 1 {
		words = append(words, "this node")
	}

	return strings.Join(words, ", ")
}

func anyNode(*report, levels.NodeView) bool { return true }

// lockable nodes may hold a role now; lockedOrBarred ones may not, by a person's word or
// because promote failed there.
func lockable(_ *report, node levels.NodeView) bool { return node.Eligible && node.Qualified }

func lockedOrBarred(_ *report, node levels.NodeView) bool {
	return node.Eligible && !node.Qualified || barredWords(node) != ""
}

// successor nodes could be named as the target of a switchover.
func successor(status *report, node levels.NodeView) bool {
	return lockable(status, node) && node.Node != status.Master && (node.Self || node.Alive)
}

// silentVoter nodes could have to be declared off.
func silentVoter(_ *report, node levels.NodeView) bool { return node.Vote && !node.Self && !node.Alive }
