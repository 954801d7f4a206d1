package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/jedib0t/go-pretty/v6/table"
)

// addColumns measures size after size and adds a row for each name, with a column for each
// size. One that fails is left out, and told by the error with its unit.
func addColumns(writer table.Writer, names []string, unit string, sizes []int, measure func(size int) ([]string, error)) error {
	var columns [][]string
	var failed error
	for _, size := range sizes {
		column, err := measure(size)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%d %s: %w", size, unit, err))

			continue
		}
		columns = append(columns, append([]string{strconv.Itoa(size)}, column...))
	}
	for i, name := range names {
		row := table.Row{name}
		for _, column := range columns {
			row = append(row, column[i])
		}
		writer.AppendRow(row)
	}

	return failed
}
