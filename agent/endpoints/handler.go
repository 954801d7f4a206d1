package endpoints

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cssc-ha/cssc/levels"
)

// What is answered.
const (
	pathMaster  = "/master"
	pathVice    = "/vice"
	pathReady   = "/ready"
	pathLive    = "/live"
	pathMetrics = "/metrics"
)

const (
	// A bound: liveLimit is how long the loop may take to show that it lives. It is shorter
	// than the watchdog's, and longer than any turn.
	liveLimit = time.Second
	// Slots: so many ask the loop, or for the figures, at once; the next is refused.
	liveSlots    = 8
	metricsSlots = 2
)

// handler answers one question at a time per connection. Safe for concurrent use.
type handler struct {
	source Source
	// live and metrics hold a token for each question under way; never closed.
	live, metrics chan struct{}
	figures       *figures
}

func newHandler(source Source, f *figures) *handler {
	return &handler{
		source: source, live: make(chan struct{}, liveSlots), metrics: make(chan struct{}, metricsSlots), figures: f,
	}
}

// ServeHTTP answers GET and HEAD of the five paths.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case path != pathMaster && path != pathVice && path != pathReady && path != pathLive && path != pathMetrics:
		h.answer(w, r, http.StatusNotFound, "there are /master, /vice, /ready, /live and /metrics")
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		h.answer(w, r, http.StatusMethodNotAllowed, "only GET and HEAD are answered")
	case path == pathMaster:
		h.askMaster(w, r)
	case path == pathLive:
		h.within(w, r, h.live, h.askLive)
	case path == pathMetrics:
		h.within(w, r, h.metrics, h.figures.serve)
	default:
		h.give(w, r, judge(path, h.source.Snapshot(), false))
	}
}

// within lets so many do it at once as there are slots, and refuses the others.
func (h *handler) within(w http.ResponseWriter, r *http.Request, slots chan struct{}, do http.HandlerFunc) {
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
		do(w, r)
	default:
		h.figures.shed.Inc()
		h.answer(w, r, http.StatusServiceUnavailable, "too many ask this at once; ask again")
	}
}

// askMaster looks at the clock when everything else is ready, and lets the connection look
// once more before it sends.
func (h *handler) askMaster(w http.ResponseWriter, r *http.Request) {
	s := h.source.Snapshot()
	term := levels.Term(0)
	if s != nil {
		term = s.Term
	}
	_, held := h.source.Mandate(term)
	v := judge(pathMaster, s, held)
	if v.good {
		w.Header().Set("Cssc-Term", strconv.FormatUint(uint64(term), 10))
		onlyWhile(r.Context(), func() bool { _, still := h.source.Mandate(term); return still })
	}
	h.give(w, r, v)
}

func (h *handler) askLive(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), liveLimit)
	defer cancel()
	begin := time.Now()
	if err := h.source.Pulse(ctx); err != nil {
		h.give(w, r, verdict{why: "the agent's loop does not turn within " + liveLimit.String()})

		return
	}
	h.figures.pulse.Set(time.Since(begin).Seconds())
	h.give(w, r, verdict{good: true, why: "the agent's loop turns"})
}

func (h *handler) give(w http.ResponseWriter, r *http.Request, v verdict) {
	code := http.StatusServiceUnavailable
	if v.good {
		code = http.StatusOK
	}
	h.answer(w, r, code, v.why)
}

// document is the answer for who accepts application/json.
type document struct {
	OK   bool   `json:"ok"`
	Text string `json:"text"`
	Node string `json:"node,omitempty"`
	Role string `json:"role,omitempty"`
	// Master is empty while none is known.
	Master string `json:"master,omitempty"`
	Term   uint64 `json:"term,omitempty"`
}

// answer writes one line of text, or JSON for who asks for that.
func (h *handler) answer(w http.ResponseWriter, r *http.Request, code int, text string) {
	h.figures.count(r.URL.Path, code)
	body, kind := []byte(text+"\n"), "text/plain; charset=utf-8"
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		d := document{OK: code == http.StatusOK, Text: text}
		if s := h.source.Snapshot(); s != nil {
			d.Node, d.Role, d.Master, d.Term = string(s.Node), s.Role.String(), string(s.Master), uint64(s.Term)
		}
		body, _ = json.Marshal(d) // of strings and numbers: cannot fail
		kind, body = "application/json", append(body, '\n')
	}
	header := w.Header()
	header.Set("Content-Type", kind)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(body) // who went away does not hear it
}
