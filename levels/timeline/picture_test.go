package timeline

import (
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// TestPicturesOfAnySize: from one participant to three hundred on each of several nodes the
// picture is well-formed, grows in height only, and no two texts cover each other.
func TestPicturesOfAnySize(t *testing.T) {
	t.Parallel()
	for _, count := range []int{0, 1, 2, 30, 300} {
		for nodes := range 3 {
			checkPicture(t, fmt.Sprintf("%d nodes of %d", nodes+1, count), crowd(nodes+1, count))
		}
	}
}

// crowd is an init of several nodes with so many participants each, ten a level.
func crowd(nodes, count int) Transition {
	var transition Transition
	for node := range nodes {
		run := Run{Begin: epoch().Add(time.Duration(node) * time.Millisecond)}
		run.Node, run.Run, run.Sequence, run.Term = levels.NodeID(fmt.Sprintf("n%d", node+1)), 1, levels.Init, 1
		run.Role, run.To, run.Outcome, run.Cause, run.Started = levels.RoleSpare, levels.RoleSpare, "completed", "joined as spare", 1000
		run.Ended = run.Started.Add(3 * time.Second)
		run.End = run.Begin.Add(3 * time.Second)
		step := 3 * time.Second / time.Duration(count+1)
		for i := range count {
			begin := run.Started.Add(time.Duration(i) * step)
			position := levels.Position{Sequence: levels.Init, Level: levels.Level(i / 10)}
			if i%10 == 0 {
				run.Levels = append(run.Levels, levels.LevelRecord{Level: position.Level, Entered: begin, Reached: begin.Add(10 * step)})
			}
			last := &run.Levels[len(run.Levels)-1]
			last.Participants = append(last.Participants, levels.Participant{
				Kind: levels.KindMember, Name: fmt.Sprintf("unit-number-%d.service", i), Position: position,
				Outcome: levels.OutcomeDone, Started: begin, Ended: begin.Add(step * time.Duration(1+i%7)),
			})
		}
		transition.Runs = append(transition.Runs, run)
	}

	return transition
}

// TestPicturesOfNonsense draws records of which nothing is right: the picture is well-formed
// all the same, no text covers another, and linking is mutual.
func TestPicturesOfNonsense(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		runs := nonsense(random)
		transition := Of(runs[0], runs)
		checkMutual(t, transition, runs)
		checkPicture(t, fmt.Sprintf("seed %d", seed), transition)
		if text := Lay(transition, nil).Text(80, nil); !strings.HasSuffix(text, "\n") {
			t.Errorf("seed %d: %s", seed, text)
		}
	}
}

func nonsense(random *rand.Rand) []Run {
	words := []string{"", "a", "naming", "<&>\"'", "\x00\x1b[31m\n\u202e", "many words that go on and on and on, as a reason may do\xff", strings.Repeat("W", 200)}
	word := func() string { return words[random.IntN(len(words))] }
	instant := func() levels.Instant {
		return levels.Instant(random.Int64N(int64(20*time.Second))) - levels.Instant(5*time.Second)
	}
	if random.IntN(4) == 0 {
		instant = func() levels.Instant { return levels.Instant(random.Uint64()) }
	}
	runs := make([]Run, 1+random.IntN(6))
	for i := range runs {
		run := &runs[i]
		run.Node, run.Run = levels.NodeID(fmt.Sprintf("n%d", random.IntN(3))), levels.RunNumber(random.IntN(3))
		run.Sequence = levels.Sequences()[random.IntN(len(levels.Sequences()))]
		run.Role, run.To, run.From = levels.Role(random.IntN(6)), levels.Role(random.IntN(6)), levels.Role(random.IntN(6))
		run.Term, run.Operation = levels.Term(random.IntN(3)), levels.OperationID(random.IntN(3))
		run.OperationKind = levels.OperationKind(random.IntN(6))
		run.Outcome, run.Cause, run.Reason = []string{"completed", "failed", "canceled", word()}[random.IntN(4)], word(), word()
		run.Started, run.Ended = instant(), instant()
		run.Begin = epoch().Add(time.Duration(random.IntN(20_000)) * time.Millisecond)
		run.End = epoch().Add(time.Duration(random.IntN(20_000)) * time.Millisecond)
		if random.IntN(10) == 0 {
			run.End = time.Time{}.AddDate(random.IntN(20000), 0, 0)
		}
		for range random.IntN(4) {
			level := levels.LevelRecord{Level: levels.Level(random.IntN(100)) - 1, Entered: instant(), Reached: instant()}
			for range random.IntN(3) {
				level.Waits = append(level.Waits, levels.Wait{Phase: levels.Phase(random.IntN(7)), Reason: word(), Since: instant(), Until: instant()})
			}
			for range random.IntN(5) {
				level.Participants = append(level.Participants, levels.Participant{
					Kind: levels.Kind(random.IntN(3)), Name: word(), Outcome: levels.Outcome(random.IntN(7)), Reason: word(),
					Stop: random.IntN(2) == 0, Started: instant(), Ended: instant(), Deadline: instant(),
				})
			}
			run.Levels = append(run.Levels, level)
		}
	}

	return runs
}

// box is where a text stands.
type box struct {
	left, right, top, bottom float64
	text                     string
}

func checkPicture(t *testing.T, name string, transition Transition) {
	t.Helper()
	svg := Lay(transition, []string{"n9 did not answer"}).SVG()
	boxes, height := textsOf(t, name, svg)
	for i, a := range boxes {
		if a.left < 0 || a.right > pageWidth || a.top < 0 || a.bottom > height {
			t.Errorf("%s: %q stands outside the picture, %+v", name, a.text, a)
		}
		for _, b := range boxes[max(0, i-40):i] { // written downwards
			if a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom {
				t.Errorf("%s: %q covers %q: %+v %+v", name, a.text, b.text, a, b)
			}
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

// textsOf reads the picture as XML and measures its texts.
func textsOf(t *testing.T, name, svg string) (boxes []box, height float64) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(svg))
	var open *box
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return boxes, height
		}
		if err != nil {
			t.Fatalf("%s: not well-formed: %v\n%s", name, err, svg)
		}
		switch token := token.(type) {
		case xml.StartElement:
			attributes := map[string]string{}
			for _, attribute := range token.Attr {
				attributes[attribute.Name.Local] = attribute.Value
			}
			switch token.Name.Local {
			case "svg":
				height = number(t, attributes["height"])
			case "text":
				size := number(t, attributes["font-size"])
				x, y := number(t, attributes["x"]), number(t, attributes["y"])
				boxes = append(boxes, box{left: x, right: size, top: y - 0.8*size, bottom: y + 0.2*size})
				open = &boxes[len(boxes)-1]
				if strings.HasSuffix(attributes["class"], "end") {
					open.left = -x
				}
			}
		case xml.CharData:
			if open != nil {
				open.text = string(token)
				room := width(open.text, open.right)
				if open.left < 0 {
					open.left = -open.left - room
				}
				open.right = open.left + room
				open = nil
			}
		}
	}
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}

	return value
}

// TestTicks: the axis is marked at round times, never with too many marks.
func TestTicks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		total time.Duration
		want  string
	}{
		{0, "0s"},
		{time.Nanosecond, "0s"},
		{8 * time.Microsecond, "0s 1µs 2µs 3µs 4µs 5µs 6µs 7µs 8µs"},
		{950 * time.Microsecond, "0s 100µs 200µs 300µs 400µs 500µs 600µs 700µs 800µs 900µs"},
		{2140 * time.Millisecond, "0s 500ms 1s 1.5s 2s"},
		{59 * time.Second, "0s 10s 20s 30s 40s 50s"},
		{95 * time.Second, "0s 10s 20s 30s 40s 50s 1m00s 1m10s 1m20s 1m30s"},
		{2 * time.Minute, "0s 15s 30s 45s 1m00s 1m15s 1m30s 1m45s 2m00s"},
		{50 * time.Hour, "0s 6h00m 12h00m 18h00m 1d00h 1d06h 1d12h 1d18h 2d00h"},
	} {
		var words []string
		for _, mark := range ticks(c.total, 9) {
			words = append(words, mark.text)
		}
		if got := strings.Join(words, " "); got != c.want {
			t.Errorf("%v: got %s, want %s", c.total, got, c.want)
		}
	}
	for total := time.Duration(1); total > 0; total = total*3 + 1 {
		if marks := ticks(total, 10); len(marks) > 11 {
			t.Errorf("%v: %d marks", total, len(marks))
		}
	}
	if marks := ticks(1<<63-1, 10); len(marks) > 11 {
		t.Errorf("%d marks for all times", len(marks))
	}
}

// TestSpans: three digits that matter.
func TestSpans(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 1: "1µs", 480 * time.Microsecond: "480µs", 3204 * time.Microsecond: "3.2ms", 85 * time.Millisecond: "85ms",
		1250 * time.Millisecond: "1.25s", 12345 * time.Millisecond: "12.3s", 185 * time.Second: "3m05s",
		130 * time.Minute: "2h10m", 76 * time.Hour: "3d04h",
	} {
		if got := spanText(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}

// TestNamesInOrder: n2 stands before n10, and the order is one.
func TestNamesInOrder(t *testing.T) {
	t.Parallel()
	names := []string{"", "a", "n", "n01", "n1", "n2", "n10", "n10a", "nz"}
	for i, a := range names {
		for j, b := range names {
			if got, want := compareNames(a, b), cmp.Compare(i, j); got != want {
				t.Errorf("%q and %q: got %d, want %d", a, b, got, want)
			}
		}
	}
}

// TestTextsFit: what is cut fits, and what fits is not cut.
func TestTextsFit(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "a", "naming", strings.Repeat("W", 100), "日本語の名前です", "a b c d e f g h i j k l m n o p"} {
		for room := 60.0; room < 300; room += 7 {
			got := fit(text, fontSize, room)
			if width(got, fontSize) > room || width(text, fontSize) <= room && got != text {
				t.Errorf("%q in %v: got %q", text, room, got)
			}
		}
	}
}
