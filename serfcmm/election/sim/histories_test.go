//go:build !integration

package sim_test

// histories is how many a quick run plays; the full run has its own number.
const histories = 8_000
