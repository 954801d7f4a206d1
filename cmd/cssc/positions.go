package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cssc-ha/cssc/levels"
)

// positionFlags are --init, --shut and so on, each with the levels of that sequence.
type positionFlags struct {
	levels map[levels.Sequence]*[]string
}

// add adds them; complete completes their levels.
func (f *positionFlags) add(cmd *cobra.Command, what string, complete func(...levels.Sequence) cobra.CompletionFunc) {
	f.levels = map[levels.Sequence]*[]string{}
	for _, sequence := range levels.Sequences() {
		f.levels[sequence] = cmd.Flags().StringSlice(sequence.String(), nil,
			fmt.Sprintf("%s at this `LEVEL` of %s: 0, 1, … or last; may be given again", what, sequence))
		completes(cmd, sequence.String(), complete(sequence))
	}
}

// positions lists what was asked for, in the order of the sequences.
func (f *positionFlags) positions() ([]levels.Position, error) {
	var list []levels.Position
	for _, sequence := range levels.Sequences() {
		for _, text := range *f.levels[sequence] {
			level, err := levels.ParseLevel(strings.TrimSpace(text))
			if err != nil {
				return nil, failed(exitUsage, fmt.Errorf("--%s %s: no such level", sequence, text),
					fmt.Sprintf("levels are 0, 1, … up to %d as configured, then last", levels.MaxLevel))
			}
			list = append(list, levels.Position{Sequence: sequence, Level: level})
		}
	}

	return list, nil
}
