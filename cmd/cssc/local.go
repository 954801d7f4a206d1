package main

import (
	"context"
	"errors"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// systemLimits are the time limits of the operating system; zero = not known.
type systemLimits struct {
	window, stopTimeout time.Duration
	// unknown says in words what could not be read.
	unknown []string
}

func attachUnit(_ context.Context, _ string, _ []levels.Target) ([]string, error) {
	return nil, errors.ErrUnsupported
}

func detachUnit(_ context.Context, _ string) error { return errors.ErrUnsupported }

func readLimits(_ context.Context) systemLimits { return systemLimits{} }

func checkGraph(_ map[levels.Sequence]levels.Ladder) []finding { return nil }
