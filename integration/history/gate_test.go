package history

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// steps reads lines whose times are milliseconds.
func steps(t *testing.T, text string) []Step {
	t.Helper()
	all, err := ReadSteps(strings.NewReader(strings.TrimSpace(strings.ReplaceAll(text, "\n\n", "\n")) + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		all[i].At *= 1000
	}

	return all
}

// gated is an init of two nodes as it should be, of the levels 0, 1 and last: a unit beside
// the callback at level 1.
const gated = `
100 n1 begin init:0 tag=1 term=1 role=master state=initializing master=n1
101 n2 begin init:0 tag=1 term=1 role=spare state=initializing master=n1
102 n2 end init:0 tag=1 status=0
102 n2 answered init:0 tag=1 status=0
110 n1 end init:0 tag=1 status=0
111 n1 begin init:1 tag=2 term=1 role=master
112 n1 begin init:1 unit=u1
112 n2 begin init:1 tag=2 term=1 role=spare master=n1
113 n2 end init:1 tag=2 status=0
120 n1 end init:1 tag=2 status=0
130 n1 end init:1 unit=u1
131 n1 begin init:last tag=3 term=1 role=master
131 n2 begin init:last tag=3 term=1 role=spare
135 n2 end init:last tag=3 status=0
140 n1 end init:last tag=3 status=0
`

// TestGatesThatHold: nothing is found where nothing is, and every gated level was judged.
func TestGatesThatHold(t *testing.T) {
	t.Parallel()
	lateJoiner := `
200 n3 begin init:0 tag=1 term=1 role=spare master=n1
201 n3 end init:0 status=0
202 n3 begin init:1 role=spare
203 n3 end init:1 status=0
204 n3 begin init:last role=spare
205 n3 end init:last status=0`
	free := `
90 n1 begin init:0 term=1 role=master master=n1
100 n2 begin init:0 term=1 role=vice master=n1
101 n2 end init:0 status=0
102 n2 begin init:1 role=vice
103 n2 end init:1 status=0`
	promoted := gated + lateJoiner + `
300 n3 begin promote:0 term=2 role=master master=n3
310 n1 begin init:0 term=2 role=spare master=n3
311 n1 end init:0 status=0
312 n1 begin init:1 role=spare
313 n1 end init:1 status=0`
	// The vice is elected in the middle of everybody's init and begins again; what the other
	// has reached stays reached.
	elected := `
100 n1 begin init:0 term=1 role=master master=n1
101 n2 begin init:0 term=1 role=vice master=n1
101 n3 begin init:0 term=1 role=spare master=n1
102 n2 end init:0 status=0
102 n3 end init:0 status=0
103 n1 end init:0 status=0
104 n2 begin init:1 role=vice
104 n3 begin init:1 role=spare
105 n3 end init:1 status=0
110 n2 canceled init 1
111 n2 begin init:0 term=2 role=master master=n2
112 n2 end init:0 status=0
113 n2 begin init:1 role=master
114 n2 end init:1 status=0
115 n3 begin init:last role=spare`
	for name, story := range map[string]struct {
		text  string
		gates Gates
		gated int
	}{
		"together":      {gated, Gates{Top: 1, Vice: true}, 2},
		"late joiner":   {gated + lateJoiner, Gates{Top: 1, Vice: true}, 4},
		"free vice":     {free, Gates{Top: 1}, 0},
		"promoted":      {promoted, Gates{Top: 1}, 5},
		"elected in it": {elected, Gates{Top: 1, Vice: true}, 3},
		"news on its way": {gated + "\n150 n3 begin promote:0 term=2 role=master master=n3\n150 n4 begin init:0 role=spare master=n1\n" +
			"151 n4 end init:0 status=0\n152 n4 begin init:1 role=spare", Gates{Top: 1, News: 5 * time.Millisecond}, 3},
	} {
		if report := CheckGates(steps(t, story.text), story.gates); len(report.Violations) > 0 || report.Gated != story.gated {
			t.Errorf("%s: got %+v, want no violation and %d gated levels", name, report, story.gated)
		}
	}
}

// TestPlantedGateViolationsAreFound: each story breaks one rule, and the report says which.
func TestPlantedGateViolationsAreFound(t *testing.T) {
	t.Parallel()
	without := func(line string) string { return strings.Replace(gated, line+"\n", "", 1) }
	instead := func(line, other string) string { return strings.Replace(gated, line, other, 1) }
	for name, planted := range map[string]struct{ story, want string }{
		"ahead of the master":               {instead("112 n2 begin init:1", "109 n2 begin init:1"), `n2 begins "" of init:1 at 0.1090, and no master has reached init:0`},
		"ahead of a unit of the master":     {instead("131 n2 begin init:last", "125 n2 begin init:last"), "no master has reached init:1"},
		"the master is held":                {without("130 n1 end init:1 unit=u1"), "no master has reached init:1"},
		"the master goes on while held":     {without("130 n1 end init:1 unit=u1"), `n1 begins "" of init:last at 0.1310, and has not reached init:1`},
		"ahead of itself":                   {instead("113 n2 end init:1", "133 n2 end init:1"), `n2 begins "" of init:last at 0.1310, and has not reached init:1`},
		"its callback failed":               {instead("113 n2 end init:1 tag=2 status=0", "113 n2 end init:1 tag=2 status=-1"), "n2 begins"},
		"a unit before its own level":       {gated + "110 n2 begin init:last unit=u", `n2 begins "u" of init:last`},
		"a level is left out":               {without("112 n2 begin init:1 tag=2 term=1 role=spare master=n1"), "has not reached init:1"},
		"no level 0":                        {"100 n1 begin init:1 unit=u", "before any init:0"},
		"no role":                           {"100 n1 begin init:0 role=unknown master=n1", "without a role"},
		"no master":                         {"100 n1 begin init:0 role=spare master=", "or a master"},
		"no master at all":                  {"100 n2 begin init:0 role=spare master=n1\n101 n2 end init:0 status=0\n102 n2 begin init:1 role=spare", "no master has reached"},
		"the vice is not free when gated":   {strings.ReplaceAll(instead("112 n2 begin init:1", "109 n2 begin init:1"), "role=spare", "role=vice"), "no master has reached init:0"},
		"by the word of a master long gone": {gated + fmt.Sprintf(goesByOld, 190), "n4 begins"},
		"the new master begins again":       {gated + "200 n1 begin init:0 term=3 role=master master=n1\n201 n2 begin init:0 role=spare master=n1\n202 n2 end init:0 status=0\n203 n2 begin init:1 role=spare", "203"},
	} {
		report := CheckGates(steps(t, planted.story), Gates{Top: 1, Vice: true, News: 5 * time.Millisecond})
		if !strings.Contains(strings.Join(report.Violations, "\n"), planted.want) {
			t.Errorf("%s: got %q, want one that has %q", name, report.Violations, planted.want)
		}
	}
}

const goesByOld = `
150 n3 begin promote:0 term=2 role=master master=n3
180 n4 begin init:0 role=spare master=n1
181 n4 end init:0 status=0
%d n4 begin init:1 role=spare`

// TestStepsThatMakeNoSense are refused.
func TestStepsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"", "1 n1", "soon n1 begin init:0", "1 n1 begin", "1 n1 begin init:x"} {
		if _, err := ReadSteps(strings.NewReader(line + "\n")); err == nil {
			t.Errorf("read %q: got no error", line)
		}
	}
}
