package lab

import (
	"slices"
	"strings"
	"testing"
)

// TestPartitionsCutTheWaysTheyName writes each way as two letters. That a way in the set is
// cut for real is TestCutIsOneWayAndHeals.
func TestPartitionsCutTheWaysTheyName(t *testing.T) {
	t.Parallel()
	nodes := func(number int) []*Node {
		var all []*Node
		for name := range strings.SplitSeq("abcde"[:number], "") {
			all = append(all, &Node{Name: name})
		}

		return all
	}
	three, five := nodes(3), nodes(5)
	for name, cut := range map[string]struct {
		ways []way
		want string
	}{
		"one of three":      {splitWays(three, three[1:2]), "ab ba bc cb"},
		"two of five":       {splitWays(five, five[:2]), "ac ad ae bc bd be ca cb da db ea eb"},
		"all":               {splitWays(three, three), ""},
		"a ring of three":   {ringWays(three), ""},
		"a ring of five":    {ringWays(five), "ac ad bd be ca ce da db eb ec"},
		"one to the others": {ways(three, func(from, _ int) bool { return from == 0 }), "ab ac"},
	} {
		var got []string
		for _, w := range cut.ways {
			got = append(got, w.from.Name+w.to.Name)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != cut.want {
			t.Errorf("%s: got %v, want %s", name, got, cut.want)
		}
	}
}
