package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/keyring"
)

func (a *app) keysCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "keys",
		Short: "Make, list, rotate and remove the keys that the nodes talk under",
		Args:  a.groupArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return failed(exitUsage, fmt.Errorf("%s: which command?", cmd.CommandPath()),
				"one of: generate, list, rotate, remove")
		},
	}
	group.AddCommand(a.keysGenerateCommand(), a.keysListCommand(), a.keysRotateCommand(), a.keysRemoveCommand())

	return group
}

func (a *app) keysGenerateCommand() *cobra.Command {
	var file string
	var force bool
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Write a new key into a file, for a cluster that has none yet",
		Long: "Write a new random key into a file that only root may read. Copy it to every node.\n" +
			"A cluster that has a key already gets its next one by: cssc keys rotate",
		Example: "  cssc keys generate\n  cssc keys generate --file ./keyring",
		Args:    arguments(0),
		RunE: func(*cobra.Command, []string) error {
			if err := writeKeyring(file, force); err != nil {
				return err
			}
			if a.asJSON {
				return a.printJSON(keyFileDocument{File: file})
			}
			a.printf("%s has a new key. Copy the file to every node, readable by root alone, and set there\n"+
				"[security] keyring = %q\n", printable(file), file)

			return nil
		},
	}
	cmd.Flags().StringVar(&file, "file", "/etc/cssc/keyring", "the `FILE` to write")
	cmd.Flags().BoolVar(&force, "force", false, "replace the file; a node with the old key is locked out")
	completes(cmd, "file", files)

	return cmd
}

// writeKeyring makes the file at once or not at all, synced. Without force one that exists
// is left alone.
func writeKeyring(path string, force bool) error {
	if _, err := os.Lstat(path); err == nil && !force {
		return failed(exitRefused, fmt.Errorf("generate a key: %s exists already", path),
			"the next key of a cluster:   cssc keys rotate",
			"replace it nevertheless:     cssc keys generate --force; a node with the old key is then locked out")
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".keyring-*") // mode 0600
	if err != nil {
		return fmt.Errorf("generate a key: %w", err)
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	_, err = temporary.WriteString(keyring.Ring{keyring.NewKey()}.Text())
	err = errors.Join(err, temporary.Sync(), temporary.Close())
	switch {
	case err != nil:
	case force:
		err = os.Rename(temporary.Name(), path)
	default:
		err = os.Link(temporary.Name(), path) // never over another file
	}
	if errors.Is(err, fs.ErrExist) {
		return failed(exitRefused, fmt.Errorf("generate a key: %s exists already", path))
	}
	if err != nil {
		return fmt.Errorf("generate a key: %w", err)
	}

	return nil
}

func (a *app) keysListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the keys and the nodes that have them",
		Example: "  cssc keys list",
		Args:    arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			keys, err := a.keys(cmd.Context(), levels.KeyRequest{Verb: levels.KeysList})
			if err != nil {
				return err
			}

			return a.showKeys(keys)
		},
	}
}

func (a *app) keysRotateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rotate",
		Short: "Replace the keys of every node by a new one",
		Long: "Make a new key, give it to every node, then use it, then forget the old ones. When a\n" +
			"node does not answer, the former key stays in use: bring the node back, or take it\n" +
			"out of the node table, and rotate again.",
		Example: "  cssc keys rotate",
		Args:    arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.changeKeys(cmd.Context(), levels.KeyRequest{Verb: levels.KeysRotate})
		},
	}
}

func (a *app) keysRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "remove KEY",
		Short:   "Make every node forget a key that is not in use",
		Example: "  cssc keys remove 3f9c0a77be12",
		Args:    arguments(1, "KEY"),

		ValidArgsFunction: onlyArgument(a.completeKey),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeKeys(cmd.Context(), levels.KeyRequest{Verb: levels.KeysRemove, Key: args[0]})
		},
	}
}

// changeKeys asks for a change and shows what the keys are then.
func (a *app) changeKeys(ctx context.Context, request levels.KeyRequest) error {
	keys, err := a.keys(ctx, request)
	if err != nil {
		return err
	}

	return a.showKeys(keys)
}

// keys asks the agent, which asks every node.
func (a *app) keys(ctx context.Context, request levels.KeyRequest) ([]levels.KeyView, error) {
	var keys []levels.KeyView
	err := a.withAgent(ctx, limitKeys, func(ctx context.Context, agent agentPort) error {
		var err error
		keys, err = agent.Keys(ctx, request)

		return err
	})
	if err != nil {
		return nil, prefixed("keys "+request.Verb.String(), err)
	}

	return keys, nil
}

func (a *app) showKeys(keys []levels.KeyView) error {
	if a.asJSON {
		return a.printJSON(list(keys))
	}
	g := &grid{header: []string{"KEY", "USE", "NODES", "MISSING"}}
	for _, key := range keys {
		use := "accepted"
		if key.Primary {
			use = a.paint().good("encrypts")
		}
		g.add(printable(key.Key), use, printable(joinNodes(key.Nodes)), a.paint().bad(printable(joinNodes(key.Missing))))
	}
	a.print(g, "no keys: the cluster talks in the clear")

	return nil
}

func joinNodes(nodes []levels.NodeID) string {
	names := make([]string, len(nodes))
	for i, node := range nodes {
		names[i] = string(node)
	}

	return strings.Join(names, " ")
}
