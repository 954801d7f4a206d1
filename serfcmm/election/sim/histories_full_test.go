//go:build integration

package sim_test

// histories is how many the full run plays, as CI does.
const histories = 100_000
