package endpoints

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// fake is an agent.
type fake struct {
	snapshot atomic.Pointer[Snapshot]
	// looks counts the questions for the mandate; after is the one from which on it is denied.
	looks, after atomic.Int64
	remains      time.Duration
	stuck        chan struct{} // Pulse waits for it to be closed
}

func (f *fake) Snapshot() *Snapshot { return f.snapshot.Load() }

func (f *fake) Mandate(term levels.Term) (time.Duration, bool) {
	look := f.looks.Add(1)

	return f.remains, term == 5 && look <= f.after.Load()
}

func (f *fake) Pulse(ctx context.Context) error {
	select {
	case <-f.stuck:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *fake) Traffic() Traffic { return Traffic{Sent: 7} }

// master is the source of a master in term 5 with a lease that does not end.
func master() *fake {
	f := &fake{remains: 1500 * time.Millisecond, stuck: make(chan struct{})}
	f.snapshot.Store(&Snapshot{View: levels.View{
		Node: "n1", Cluster: "lab", State: levels.StateUp, Role: levels.RoleMaster, Term: 5, Master: "n1", Ready: true, MasterReady: true,
	}, Version: "test"})
	f.after.Store(1 << 60)
	close(f.stuck)

	return f
}

// serving runs a server on a free port of the loopback until the test ends, and returns it and
// where it listens.
func serving(t *testing.T, source Source) (*Server, string) {
	t.Helper()
	s := New(Options{Source: source, Log: slog.New(slog.DiscardHandler)})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
	s.Listen("127.0.0.1:0")

	return s, listening(t, s)
}

// listening waits until the server listens.
func listening(t *testing.T, s *Server) string {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for limit := time.After(10 * time.Second); ; {
		if bound := s.bound.Load(); bound != nil {
			return *bound
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("it does not listen: %s", s.Problem())
		}
	}
}

// asked is the answer to one question, its body included.
type asked struct {
	*http.Response

	body string
}

func ask(t *testing.T, method, url string, header ...string) asked {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}

	return asked{response, string(body)}
}

// Goal: what each endpoint answers over a real connection, with its headers; HEAD is GET
// without the text, and everything else is refused. Method: a master.
func TestAnswers(t *testing.T) {
	t.Parallel()
	_, address := serving(t, master())
	cases := []struct {
		method, path string
		code         int
		body         string
	}{
		{"GET", "/master", 200, "n1 is master of term 5\n"},
		{"HEAD", "/master", 200, ""},
		{"GET", "/master?x=1", 200, "n1 is master of term 5\n"},
		{"GET", "/vice", 503, "n1 is master: the master is n1, term 5\n"},
		{"GET", "/ready", 200, "n1 is up, master: the master is n1, term 5\n"},
		{"GET", "/live", 200, "the agent's loop turns\n"},
		{"POST", "/master", 405, "only GET and HEAD are answered\n"},
		{"GET", "/", 404, "there are /master, /vice, /ready, /live and /metrics\n"},
		{"GET", "/master/", 404, "there are /master, /vice, /ready, /live and /metrics\n"},
	}
	for _, c := range cases {
		got := ask(t, c.method, "http://"+address+c.path)
		if got.StatusCode != c.code || got.body != c.body || !got.Close || got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: %d %q, close %v, %v; want %d %q, not to be kept", c.method, c.path, got.StatusCode, got.body, got.Close, got.Header, c.code, c.body)
		}
		term := got.Header.Get("Cssc-Term")
		if good := strings.HasPrefix(c.path, "/master") && c.code == 200; good != (term == "5") || good != (term != "") {
			t.Errorf("%s %s: term %q; want 5 with a 200 of /master alone", c.method, c.path, term)
		}
	}
	got := ask(t, "GET", "http://"+address+"/vice", "Accept", "application/json")
	var d document
	if err := json.Unmarshal([]byte(got.body), &d); err != nil || d != (document{Text: "n1 is master: the master is n1, term 5", Node: "n1", Role: "master", Master: "n1", Term: 5}) {
		t.Errorf("as JSON: %v, %s", err, got.body)
	}
}

// Goal: a lease that ends while the answer is made is never told as held: before the answer is
// written it is a 503, after that the connection ends without one. Method: a source that denies
// the mandate from the first, the second look on.
func TestLeaseThatEndsMeanwhile(t *testing.T) {
	t.Parallel()
	f := master()
	_, address := serving(t, f)
	f.after.Store(0)
	if got := ask(t, "GET", "http://"+address+"/master"); got.StatusCode != http.StatusServiceUnavailable || got.body != "n1 was master of term 5, and its lease has run out\n" {
		t.Errorf("without a lease: %d %q, want 503 and why", got.StatusCode, got.body)
	}
	f.looks.Store(0)
	f.after.Store(1)
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = fmt.Fprint(c, "GET /master HTTP/1.1\r\nHost: x\r\n\r\n")
	if answer, _ := io.ReadAll(c); len(answer) != 0 {
		t.Errorf("the lease ended before the answer was sent, and it was sent all the same:\n%s", answer)
	}
}

// Goal: a loop that does not turn is not live, and says so in time; more who ask the same are
// refused at once, and /master is answered meanwhile. Method: a pulse that does not come.
func TestLoopThatHangs(t *testing.T) {
	t.Parallel()
	f := master()
	f.stuck = make(chan struct{})
	_, address := serving(t, f)
	codes := make(chan int, 2*liveSlots)
	for range 2 * liveSlots {
		go func() { codes <- ask(t, "GET", "http://"+address+"/live").StatusCode }()
	}
	if got := ask(t, "GET", "http://"+address+"/master"); got.StatusCode != http.StatusOK {
		t.Errorf("/master while /live waits: %d, want 200", got.StatusCode)
	}
	for range 2 * liveSlots {
		if code := <-codes; code != 503 {
			t.Errorf("/live of a loop that hangs: %d, want 503", code)
		}
	}
	if text := ask(t, "GET", "http://"+address+"/metrics").body; !strings.Contains(text, fmt.Sprintf("cssc_endpoint_shed_total %d\n", liveSlots)) {
		t.Errorf("want %d counted as shed, of %d who asked", liveSlots, 2*liveSlots)
	}
}

// Goal: what is larger, slower or more than allowed ends, and others are answered all the
// same. Method: a header beyond the limit, a question that is never finished, and connections
// beyond their number.
func TestLimits(t *testing.T) {
	t.Parallel()
	_, address := serving(t, master())
	dial := func() net.Conn {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))

		return c
	}
	large := dial()
	_, _ = fmt.Fprintf(large, "GET /master HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", strings.Repeat("x", 3*maxHeader))
	if line, _ := bufio.NewReader(large).ReadString('\n'); !strings.Contains(line, "431") {
		t.Errorf("a header of %d bytes: %q, want status 431", 3*maxHeader, line)
	}
	var idle []net.Conn
	for range maxConnections + 10 {
		c := dial()
		_, _ = fmt.Fprint(c, "GET /master HT")
		idle = append(idle, c)
	}
	for i, c := range idle {
		if answer, err := io.ReadAll(c); strings.Contains(string(answer), "200 OK") || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("connection %d that asks nothing: %q, %v; want it closed", i, answer, err)
		}
	}
	if got := ask(t, "GET", "http://"+address+"/master"); got.StatusCode != http.StatusOK {
		t.Errorf("/master after the flood: %d, want 200", got.StatusCode)
	}
	if text := ask(t, "GET", "http://"+address+"/metrics").body; strings.Contains(text, "cssc_endpoint_shed_total 0\n") {
		t.Error("connections beyond the limit were not counted")
	}
}

// Goal: it listens where it is told, and elsewhere or nowhere when told so; an address that
// cannot be had is a problem with what to do, and is tried again. Method: an address that
// another has for a while.
func TestListensWhereItIsTold(t *testing.T) {
	t.Parallel()
	s, first := serving(t, master())
	other, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Listen(other.Addr().String())
	until := func(what string, holds func() bool) {
		t.Helper()
		tick, limit := time.NewTicker(time.Millisecond), time.After(10*time.Second)
		defer tick.Stop()
		for !holds() {
			select {
			case <-tick.C:
			case <-limit:
				t.Fatalf("never came: %s", what)
			}
		}
	}
	until("a problem", func() bool {
		return strings.Contains(s.Problem(), "address already in use; free the address, or choose another one")
	})
	if _, err := new(net.Dialer).DialContext(t.Context(), "tcp", first); err == nil {
		t.Errorf("it listens on %s still", first)
	}
	_ = other.Close()
	until("no problem", func() bool { return s.Problem() == "" })
	if got := ask(t, "GET", "http://"+listening(t, s)+"/ready"); got.StatusCode != http.StatusOK {
		t.Errorf("at the address that became free: %d, want 200", got.StatusCode)
	}
	s.Listen("")
	until("silence", func() bool { return s.bound.Load() == nil })
}
