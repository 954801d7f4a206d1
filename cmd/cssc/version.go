package main

import (
	"context"
	"runtime"
	"time"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "devel"

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of cssc and of the agent",
		Example: "  cssc version",
		Args:    arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			agentVersion := a.agentVersion(cmd.Context())
			if a.asJSON {
				return a.printJSON(versionDocument{CSSC: version, Agent: agentVersion, Go: runtime.Version()})
			}
			a.printf("cssc %s\n", version)
			if agentVersion == "" {
				agentVersion = "not running"
			}
			a.printf("agent %s\n", printable(agentVersion))

			return nil
		},
	}
}

// agentVersion asks briefly; no agent is no error here.
func (a *app) agentVersion(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	status, err := a.status(ctx)
	if err != nil {
		return ""
	}

	return status.Version
}
