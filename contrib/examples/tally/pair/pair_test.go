package pair

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// nodes are copies on one machine, and what their agents say.
type nodes struct {
	t      *testing.T
	folder string

	mu       sync.Mutex
	standing Standing
	copies   map[string]*Copy
	stops    map[string]func()
}

func newNodes(t *testing.T, names ...string) *nodes {
	t.Helper()
	n := &nodes{
		t: t, folder: t.TempDir(), copies: map[string]*Copy{}, stops: map[string]func(){},
		standing: Standing{MasterFor: time.Hour, Copies: map[string]string{}, Alive: map[string]bool{}},
	}
	for _, name := range names {
		n.start(name)
	}

	return n
}

func (n *nodes) file(name string) string { return filepath.Join(n.folder, name) }

// start runs the copy of a node; stop ends it, as a crash does.
func (n *nodes) start(name string) {
	n.t.Helper()
	c, err := Open(n.file(name), name, func(ctx context.Context) (Standing, error) {
		n.mu.Lock()
		defer n.mu.Unlock()

		return n.standing, ctx.Err()
	})
	if err != nil {
		n.t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(n.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		n.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := c.Run(ctx, listener); err != nil {
			n.t.Errorf("%s: %v", name, err)
		}
	})
	stop := func() { cancel(); running.Wait() }
	n.t.Cleanup(stop)
	n.say(func(s *Standing) {
		s.Copies[name], s.Alive[name] = listener.Addr().String(), true
	})
	n.copies[name], n.stops[name] = c, stop
}

// say changes what the agents say.
func (n *nodes) say(change func(*Standing)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.standing
	s.Copies, s.Alive = map[string]string{}, map[string]bool{}
	for name := range n.standing.Copies {
		s.Copies[name], s.Alive[name] = n.standing.Copies[name], n.standing.Alive[name]
	}
	change(&s)
	n.standing = s
}

// lead makes a node the master and another the vice, as the agent does with levels.
func (n *nodes) lead(master, vice string, term uint64) {
	n.t.Helper()
	n.say(func(s *Standing) { s.Master, s.Vice, s.Term = master, "", term })
	n.must(n.copies[master].TakeOver(n.t.Context(), term, 250*time.Millisecond))
	n.must(n.copies[master].Admit(term))
	if vice != "" {
		n.say(func(s *Standing) { s.Vice = vice })
		n.must(n.copies[vice].Follow(n.t.Context()))
	}
}

func (n *nodes) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// put is one client's number, over a connection of its own.
func (n *nodes) put(node string, term uint64, client string, number uint64) error {
	n.t.Helper()
	k, err := Dial(n.t.Context(), n.standing.Copies[node])
	if err != nil {
		return err
	}
	defer func() { _ = k.Close() }()

	return k.Put(n.t.Context(), term, client, number)
}

// has fails unless the file of a node has exactly these numbers of a client.
func (n *nodes) has(node, client string, want ...uint64) {
	n.t.Helper()
	b, err := openBook(n.file(node))
	n.must(err)
	var got []uint64
	for _, e := range b.entries {
		if e.Client == client {
			got = append(got, e.Number)
		}
	}
	if !slices.Equal(got, want) {
		n.t.Errorf("%s has %v of %s, want %v", node, got, client, want)
	}
}

// What is acknowledged is on both disks; the other goes on with it, in a newer term.
func TestAPlannedChangeLosesNothing(t *testing.T) {
	t.Parallel()
	n := newNodes(t, "n1", "n2", "n3")
	n.lead("n1", "n2", 1)
	for number := range uint64(5) {
		n.must(n.put("n1", 1, "a", number+1))
		n.must(n.put("n1", 1, "b", number+1))
	}
	n.has("n1", "a", 1, 2, 3, 4, 5)
	n.has("n2", "a", 1, 2, 3, 4, 5)
	n.must(n.copies["n1"].HandOver(t.Context()))
	if err := n.put("n1", 1, "a", 6); err == nil {
		t.Error("taken after the hand-over")
	}
	n.copies["n1"].Retire()
	n.lead("n2", "n1", 2)
	n.must(n.put("n2", 2, "a", 6))
	n.has("n1", "a", 1, 2, 3, 4, 5, 6)
	n.has("n1", "b", 1, 2, 3, 4, 5)
}

// A switchover to a node that is neither: it goes on with the furthest copy that answers.
func TestANewPrimaryTakesTheFurthestCopy(t *testing.T) {
	t.Parallel()
	n := newNodes(t, "n1", "n2", "n3")
	n.lead("n1", "n2", 1)
	n.must(n.put("n1", 1, "a", 1))
	n.must(n.copies["n1"].HandOver(t.Context()))
	n.copies["n1"].Retire()
	n.lead("n3", "", 2)
	n.has("n3", "a", 1)
}

// The primary is gone; what only it had was never acknowledged, and goes when it returns.
func TestAFailoverLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	n := newNodes(t, "n1", "n2", "n3")
	n.lead("n1", "n2", 1)
	n.must(n.put("n1", 1, "a", 1))
	n.stops["n2"]()
	if err := n.put("n1", 1, "a", 2); err == nil {
		t.Error("acknowledged without the vice")
	}
	n.stops["n1"]()
	n.has("n1", "a", 1, 2)
	n.start("n2")
	n.say(func(s *Standing) { s.Alive["n1"] = false })
	n.lead("n2", "n3", 2)
	n.must(n.put("n2", 2, "a", 2))
	n.must(n.put("n2", 2, "a", 3))
	n.start("n1")
	n.say(func(s *Standing) { s.Vice = "n1" })
	n.must(n.copies["n1"].Follow(t.Context()))
	n.must(n.put("n2", 2, "a", 4))
	n.has("n1", "a", 1, 2, 3, 4)
	if b, err := openBook(n.file("n1")); err != nil || b.entries[1].Term != 2 {
		t.Errorf("n1 goes on with what was never acknowledged: %v, %v", b.entries, err)
	}
}

// Nobody who has heard of a term takes anything of an older one.
func TestTheTermFencesTheOldPrimary(t *testing.T) {
	t.Parallel()
	n := newNodes(t, "n1", "n2", "n3")
	n.lead("n1", "n2", 1)
	n.must(n.put("n1", 1, "a", 1))
	n.lead("n2", "", 2) // n1 was told nothing but by n2
	for _, term := range []uint64{1, 2} {
		if err := n.put("n1", term, "a", 2); err == nil {
			t.Errorf("the old primary takes a number of term %d", term)
		}
	}
	if err := n.put("n2", 1, "a", 2); err == nil {
		t.Error("the new primary takes a number of the old term")
	}
	if err := n.copies["n1"].TakeOver(t.Context(), 1, time.Millisecond); !errors.Is(err, errOldTerm) {
		t.Errorf("taking over again in the old term: %v", err)
	}
	n.must(n.put("n2", 2, "a", 2))
	// A client knows more than the primary does.
	if err := n.put("n2", 3, "a", 3); err == nil {
		t.Error("taken in a term that is not the primary's")
	}
	if err := n.put("n2", 2, "a", 3); err == nil {
		t.Error("still primary after a newer term was heard")
	}
}

// Without its secondary the primary waits until the cluster has another vice, or none; alone
// it goes on only as long as it is the master for certain.
func TestAPrimaryAloneNeedsTheMastership(t *testing.T) {
	t.Parallel()
	n := newNodes(t, "n1", "n2")
	n.lead("n1", "n2", 1)
	n.must(n.put("n1", 1, "a", 1))
	n.stops["n2"]()
	if err := n.put("n1", 1, "a", 2); err == nil {
		t.Error("acknowledged while the vice is away")
	}
	n.say(func(s *Standing) { s.Vice, s.MasterFor = "", 0 })
	if err := n.put("n1", 1, "a", 2); err == nil {
		t.Error("acknowledged without a mastership")
	}
	n.say(func(s *Standing) { s.MasterFor = time.Hour })
	n.must(n.put("n1", 1, "a", 2))
	n.must(n.put("n1", 1, "a", 2)) // who got no answer asks again
	n.has("n1", "a", 1, 2)
}

// A vice that is demoted says so: nobody waits for it.
func TestASecondaryThatLeavesIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	n := newNodes(t, "n1", "n2", "n3")
	n.lead("n1", "n2", 1)
	n.copies["n2"].Retire()
	n.must(n.put("n1", 1, "a", 1))
	n.say(func(s *Standing) { s.Vice = "n3" })
	n.must(n.copies["n3"].Follow(t.Context()))
	n.must(n.put("n1", 1, "a", 2))
	n.has("n3", "a", 1, 2)
}

// A hand-over that cannot be completed says why; one without a mastership has nobody to wait for.
func TestHandOverSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	n := newNodes(t, "n1", "n2")
	n.lead("n1", "n2", 1)
	n.must(n.put("n1", 1, "a", 1))
	n.stops["n2"]()
	n.say(func(s *Standing) { s.Vice = "n3" })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := n.copies["n1"].HandOver(ctx); err == nil || !strings.Contains(err.Error(), "n3") {
		t.Errorf("handing over to nobody: %v", err)
	}
	n.say(func(s *Standing) { s.MasterFor = 0 })
	n.must(n.copies["n1"].HandOver(t.Context()))
}

// What a crash leaves in the file: everything that was acknowledged, and no more.
func TestATornLineGoes(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "numbers")
	b, err := openBook(name)
	if err == nil {
		err = b.add(Entry{1, "a", 1}, Entry{1, "a", 2})
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err = b.file.WriteAt([]byte(`{"term":1,"client":"a","nu`), b.size); err != nil {
		t.Fatal(err)
	}
	again, err := openBook(name)
	if err != nil || again.extent() != (extent{1, 2}) {
		t.Fatalf("extent %v, %v", again.extent(), err)
	}
	if err = again.add(Entry{2, "a", 3}); err != nil {
		t.Fatal(err)
	}
	if b, err = openBook(name); err != nil || b.extent() != (extent{2, 3}) {
		t.Fatalf("extent %v, %v", b.extent(), err)
	}
}

func TestAgreementOfCopies(t *testing.T) {
	t.Parallel()
	b := &book{entries: []Entry{{Term: 1}, {Term: 1}, {Term: 3}}}
	for other, want := range map[extent]bool{{0, 0}: true, {1, 1}: true, {1, 2}: true, {3, 3}: true, {2, 3}: false, {3, 4}: false} {
		if got := b.agrees(other); got != want {
			t.Errorf("%v agrees = %t", other, got)
		}
	}
	if !(extent{2, 1}).beyond(extent{1, 9}) || (extent{1, 2}).beyond(extent{1, 2}) {
		t.Error("the term of the last entry comes first, then the number of entries")
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	at := func(seconds float64) time.Time {
		return time.Unix(0, 0).Add(time.Duration(seconds * float64(time.Second)))
	}
	records := []Record{{at(1), "a", 1}, {at(1.5), "b", 1}, {at(4), "a", 2}, {at(4.2), "b", 2}}
	kept := []Entry{{1, "a", 1}, {1, "b", 1}, {1, "a", 2}, {2, "b", 2}, {2, "b", 3}}
	for name, test := range map[string]struct {
		kept  []Entry
		since time.Time
		want  Verdict
	}{
		"all is well":     {kept, at(0), Verdict{Acknowledged: 4, Pause: 2500 * time.Millisecond, Until: at(4)}},
		"only of late":    {kept, at(4.1), Verdict{Acknowledged: 4, Pause: 200 * time.Millisecond, Until: at(4.2)}},
		"one is lost":     {kept[:3], at(5), Verdict{Acknowledged: 4, Lost: 1}},
		"one twice":       {append(slices.Clone(kept), kept[4]), at(5), Verdict{Acknowledged: 4, Disorder: 1}},
		"in wrong order":  {append(slices.Clone(kept), Entry{2, "a", 1}), at(5), Verdict{Acknowledged: 4, Disorder: 1}},
		"nothing is kept": {nil, at(5), Verdict{Acknowledged: 4, Lost: 4}},
	} {
		if got := Judge(records, test.kept, test.since); got != test.want {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
}

// A client's file is read as it was written, but for remarks and what a power cut has torn.
func TestRecordsAreReadAsWritten(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "written")
	want := []Record{{time.Unix(7, 5).UTC(), "n1", 1}, {time.Unix(8, 0).UTC(), "n1", 2}}
	j, err := OpenJournal(name)
	for _, r := range want {
		err = errors.Join(err, j.Add(r))
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err = j.file.WriteString("2026-11-26T20:00:00Z n1 3"); err != nil {
		t.Fatal(err)
	}
	if again, err := OpenJournal(name); err != nil || again.Last != want[1] {
		t.Errorf("opened again the last is %v, %v", again.Last, err)
	}
	if text, err := os.ReadFile(name); err != nil || !strings.Contains(string(text), "\n# 1.00 s without an acknowledgement\n") {
		t.Errorf("the gap is not written down: %s, %v", text, err)
	}
	if got, err := ReadRecords(name); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

// A copy of more than one message is taken over whole, and one that stalls does not hold the
// new primary up for long.
func TestALongCopyIsTakenOverWhole(t *testing.T) {
	t.Parallel()
	n := newNodes(t, "n1", "n2")
	entries := make([]Entry, 3*batch+7)
	for i := range entries {
		entries[i] = Entry{1, "a", uint64(i + 1)}
	}
	n.must(n.copies["n1"].book.add(entries...))
	n.lead("n2", "", 2)
	if got := len(n.copies["n2"].book.entries); got != len(entries) {
		t.Errorf("took over %d entries of %d", got, len(entries))
	}
	n.say(func(s *Standing) { s.Vice = "n1" })
	n.must(n.copies["n1"].Follow(t.Context()))
	n.must(n.put("n2", 2, "b", 1))
	n.has("n1", "b", 1)
}
