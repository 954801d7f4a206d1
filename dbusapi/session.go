package dbusapi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/godbus/dbus/v5"

	"github.com/cssc-ha/cssc/levels"
)

// session is one connection of the server and the goroutines that serve it. The
// connection's reader puts calls into the inbox in the order of the wire; the
// workers carry them out; the sender empties the outbox.
type session struct {
	server    *Server
	conn      *dbus.Conn
	inbox     *inbox
	outbox    *outbox
	authority authority
	cancel    context.CancelFunc
	group     sync.WaitGroup
}

// newSession connects and starts to serve, without the name.
func newSession(ctx context.Context, server *Server) (*session, error) {
	s := &session{server: server, inbox: newInbox(), outbox: newOutbox()}
	conn, transport, err := connectBus(ctx, server.address,
		dbus.WithIncomingInterceptor(s.intercept),
		dbus.WithSignalHandler(s),
		dbus.WithHandler(nobody{}),
	)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoBus, err)
	}
	s.conn = conn
	s.authority = &busAuthority{conn: conn}
	// One rule for all clients: names that vanish. It must be there before anybody is served.
	err = conn.AddMatchSignalContext(ctx,
		dbus.WithMatchSender(driverName), dbus.WithMatchInterface(driverName),
		dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(2, ""))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("watch for vanishing clients: %w", err), conn.Close())
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.group.Go(func() { s.outbox.run(running, transport, server.log) })
	for range workers {
		s.group.Go(func() { s.work(running) })
	}

	return s, nil
}

// stop ends the connection and returns when every goroutine has.
func (s *session) stop() {
	s.inbox.close()
	s.cancel()
	_ = s.conn.Close()
	s.group.Wait()
}

func (s *session) requestName(ctx context.Context) error {
	var reply uint32
	err := s.conn.BusObject().CallWithContext(ctx, driverName+".RequestName", 0,
		BusName, uint32(dbus.NameFlagDoNotQueue)).Store(&reply)
	switch {
	case err != nil:
		return fmt.Errorf("request bus name %s: %w", BusName, err)
	case dbus.RequestNameReply(reply) != dbus.RequestNameReplyPrimaryOwner:
		return fmt.Errorf("request bus name %s: %w: stop it first", BusName, ErrNameTaken)
	default:
		return nil
	}
}

// names are all names on the bus now.
func (s *session) names(ctx context.Context) (map[string]bool, error) {
	var list []string
	if err := s.conn.BusObject().CallWithContext(ctx, driverName+".ListNames", 0).Store(&list); err != nil {
		return nil, err
	}
	names := make(map[string]bool, len(list))
	for _, name := range list {
		names[name] = true
	}

	return names, nil
}

// intercept takes every call out of godbus's hands, which would start a goroutine
// for each and lose their order. It runs in the connection's reader and never blocks.
func (s *session) intercept(message *dbus.Message) {
	if message.Type != dbus.TypeMethodCall {
		return
	}
	c := newCall(message)
	message.Type = 0 // godbus passes over what has no type
	if c.sender == "" {
		return
	}
	if err := s.inbox.put(c); err != nil && c.wantsReply() {
		s.outbox.refuse(c.failure(err))
	}
}

// DeliverSignal implements dbus.SignalHandler. It runs in the connection's reader.
func (s *session) DeliverSignal(iface, name string, signal *dbus.Signal) {
	if signal.Sender != driverName || iface != driverName || name != "NameOwnerChanged" || len(signal.Body) != 3 {
		return
	}
	vanished, isText := signal.Body[0].(string)
	owner, alsoText := signal.Body[2].(string)
	if isText && alsoText && owner == "" && strings.HasPrefix(vanished, ":") {
		s.inbox.vanish(vanished)
	}
}

// nobody is the handler that godbus asks for objects; it never gets a call.
type nobody struct{}

// LookupObject implements dbus.Handler.
func (nobody) LookupObject(dbus.ObjectPath) (dbus.ServerObject, bool) { return nil, false }

// work carries out jobs until the inbox is closed.
func (s *session) work(ctx context.Context) {
	for {
		p, next, open := s.inbox.next()
		if !open {
			return
		}
		s.turn(ctx, p, next)
		s.inbox.done(p, next)
	}
}

// turn carries out one job. A panic is a bug of ours that a client may know how
// to cause: the call fails, the agent lives.
func (s *session) turn(ctx context.Context, p *peer, next job) {
	defer func() {
		if problem := recover(); problem != nil {
			s.server.log.ErrorContext(ctx, "panic in a bus call", "panic", problem)
			if next.call != nil {
				s.answer(ctx, next.call, nil, fmt.Errorf("internal error: %v", problem))
			}
		}
	}()
	switch {
	case next.vanished:
		if client := levels.ClientID(p.name); s.server.forget(client) && s.outlives(ctx) {
			s.server.backend.ClientVanished(client)
		}
	case next.granted != nil:
		s.execute(ctx, p, next.call, next.granted)
	default:
		s.begin(ctx, p, next.call)
	}
}

// outlives says whether the bus is still there after a client has gone. A bus that ends in order
// closes one connection after the other, and tells those it has not come to yet; it answers
// nothing any more. Then it is the bus that is lost, and no client has failed.
func (s *session) outlives(ctx context.Context) bool {
	asking, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	err := s.conn.BusObject().CallWithContext(asking, driverName+".GetId", 0).Err

	return err == nil || errors.Is(asking.Err(), context.DeadlineExceeded)
}

// begin checks a call and carries it out, or has polkit asked first.
func (s *session) begin(ctx context.Context, p *peer, c *call) {
	if c.reads() {
		fresh, cancel := context.WithTimeout(ctx, backendTimeout)
		s.server.backend.Fresh(fresh)
		cancel()
	}
	todo, err := s.server.surface.plan(c)
	if err != nil {
		s.answer(ctx, c, nil, err)

		return
	}
	if todo.action == "" {
		s.execute(ctx, p, c, &todo)

		return
	}
	if err = s.identify(ctx, p); err != nil {
		s.answer(ctx, c, nil, err)

		return
	}
	if s.server.privileged(p.identity.uid) || todo.action == actionRegister && p.identity.mayRegister {
		s.execute(ctx, p, c, &todo)

		return
	}
	if err = s.inbox.beginAuthorizing(p); err != nil {
		s.answer(ctx, c, nil, err)

		return
	}
	s.group.Go(func() { s.authorize(ctx, p, c, &todo) })
}

// authorize asks polkit, which may take as long as a person does, and queues the
// rest of the call when the answer is yes and the client still there.
func (s *session) authorize(ctx context.Context, p *peer, c *call, todo *plan) {
	defer s.inbox.endAuthorizing(p)
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	s.group.Go(func() {
		select {
		case <-p.gone:
			cancel()
		case <-asking.Done():
		}
	})
	err := s.authority.allowed(asking, question{
		name:        p.name,
		action:      todo.action,
		details:     todo.details,
		interactive: c.interactive(),
		id:          fmt.Sprintf("cssc%s-%d", p.name, c.serial),
	})
	if err != nil {
		s.answer(ctx, c, nil, err)

		return
	}
	s.inbox.grant(p, c, todo)
}

// execute carries out a call that is allowed and answers it.
func (s *session) execute(ctx context.Context, p *peer, c *call, todo *plan) {
	if todo.action == actionRegister && !p.identity.mayRegister {
		p.identity.mayRegister = true
		s.server.remember(c.client())
	}
	running, cancel := context.WithTimeout(withCaller(ctx, s, p), backendTimeout)
	defer cancel()
	values, err := todo.run(running)
	s.answer(ctx, c, values, err)
}

// answer replies, unless nobody waits.
func (s *session) answer(ctx context.Context, c *call, values []any, err error) {
	if !c.wantsReply() {
		return
	}
	message := c.reply(values)
	if err != nil {
		message = c.failure(err)
	}
	s.outbox.reply(ctx, message)
}

// identify finds out who a client is, once.
func (s *session) identify(ctx context.Context, p *peer) error {
	if p.identity.known {
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	uid, pid, err := s.authority.credentials(asking, p.name)
	if err != nil {
		return fmt.Errorf("identify the caller: %w: %v", ErrAccessDenied, err) //nolint:errorlint // the cause is for the reader alone
	}
	p.identity.known, p.identity.uid, p.identity.pid = true, uid, pid

	return nil
}

// caller is whose turn it is; handlers that must know find it in the context.
type caller struct {
	session *session
	peer    *peer
}

type callerKey struct{}

func withCaller(ctx context.Context, s *session, p *peer) context.Context {
	return context.WithValue(ctx, callerKey{}, caller{session: s, peer: p})
}

// callerUnit is the unit the caller runs in, looked up once; empty when unknown.
func callerUnit(ctx context.Context) string {
	who, found := ctx.Value(callerKey{}).(caller)
	if !found {
		return ""
	}
	id := &who.peer.identity
	if !id.unitSeen {
		asking, cancel := context.WithTimeout(ctx, lookupTimeout)
		defer cancel()
		id.unit, id.unitSeen = who.session.authority.unit(asking, id.pid), true
	}

	return id.unit
}

// callerText names the caller for the record.
func callerText(ctx context.Context) string {
	who, found := ctx.Value(callerKey{}).(caller)
	if !found {
		return "unknown"
	}

	return fmt.Sprintf("uid %d", who.peer.identity.uid)
}
