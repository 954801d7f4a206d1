package serfcmm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/serf/serf"

	"github.com/cssc-ha/cssc/levels"
	"github.com/cssc-ha/cssc/serfcmm/keyring"
)

// The verbs of Keys.
const (
	// KeysList asks every node for its keys.
	KeysList = "list"
	// KeysInstall adds a key (base64) to every keyring; nothing is encrypted with it yet.
	KeysInstall = "install"
	// KeysUse makes every node encrypt with a key, named by fingerprint, that all listed
	// nodes have.
	KeysUse = "use"
	// KeysRemove takes a key, named by fingerprint, out of every keyring; refused while any
	// listed node encrypts with it.
	KeysRemove = "remove"
	// KeysRotate replaces every key by a new one in these three steps. Each needs every
	// listed node; when one is missing nothing is lost, and another rotation begins anew.
	KeysRotate = "rotate"
)

// KeyHolder is one node's answer.
type KeyHolder struct {
	Node levels.NodeID
	// Answered: the node was reached. Problem says why it has not done what was asked.
	Answered bool
	Problem  string
	// Keys are the fingerprints of its keyring, the encrypting key first.
	Keys []string
}

// KeyReport says what became of a verb on every node of the table, in its order.
type KeyReport struct {
	// Key is the fingerprint of the key in question; empty for a list.
	Key   string
	Nodes []KeyHolder
	// Complete: all of them have done it.
	Complete bool
}

const (
	keyAttempts = 5
	// One step of a verb together with its repetitions takes no longer than keyTimeout.
	keyTimeout     = 10 * time.Second
	longestProblem = 120
)

// ErrIncomplete says that not every listed node has confirmed; the report says who has not.
// The former key stays in use and in place everywhere, so nobody is cut off. Bring the
// missing nodes back, or take them out of the node table, and do it again.
var ErrIncomplete = errors.New("not every node of the node table has confirmed")

// keyOrder is a query to every node.
type keyOrder struct {
	Verb string `json:"verb"`
	// Key is base64 for install, a fingerprint otherwise.
	Key string `json:"key,omitempty"`
}

// keyReply is a node's answer.
type keyReply struct {
	Keys    []string `json:"keys"`
	Problem string   `json:"problem,omitempty"`
}

// keyQuery is an order that has reached this node.
type keyQuery struct {
	query *serf.Query
	data  []byte
}

// Keys carries out a verb on all nodes and waits for their answers, half a minute at most.
// The report is valid with ErrIncomplete, too. Other errors: ErrAway, keyring.ErrKeyring for a key that
// is none, the cause of ctx. It is safe to repeat.
func (n *Node) Keys(ctx context.Context, verb, key string) (KeyReport, error) {
	s := n.session.Load()
	switch {
	case s == nil:
		return KeyReport{}, ErrAway
	case s.ring == nil:
		return KeyReport{}, fmt.Errorf("%w: this cluster runs without encryption", keyring.ErrKeyring)
	}
	switch verb {
	case KeysList:
		return n.order(ctx, s, keyOrder{Verb: verb})
	case KeysInstall:
		if _, err := keyring.ParseKey(key); err != nil {
			return KeyReport{}, err
		}

		return n.order(ctx, s, keyOrder{Verb: verb, Key: key})
	case KeysUse, KeysRemove:
		report, err := n.order(ctx, s, keyOrder{Verb: KeysList})
		if err == nil {
			err = allows(report, verb, key)
		}
		if err != nil {
			return report, err
		}

		return n.order(ctx, s, keyOrder{Verb: verb, Key: key})
	case KeysRotate:
		return n.rotate(ctx, s)
	}

	return KeyReport{}, fmt.Errorf("keys %s: no such verb", printable(verb))
}

// allows says whether every node has the key that is to be used, and none encrypts with the
// key that is to go.
func allows(list KeyReport, verb, key string) error {
	for _, node := range list.Nodes {
		at := slices.Index(node.Keys, key)
		switch {
		case verb == KeysUse && at < 0:
			return fmt.Errorf("%w: node %s does not have key %s; install it first", keyring.ErrKeyring, node.Node, printable(key))
		case verb == KeysRemove && at == 0:
			return fmt.Errorf("%w: node %s encrypts with key %s; use another one first", keyring.ErrKeyring, node.Node, key)
		}
	}

	return nil
}

// rotate gives every node a new key, and takes the old ones away only when everybody uses it.
func (n *Node) rotate(ctx context.Context, s *session) (KeyReport, error) {
	key := keyring.NewKey()
	report, err := n.order(ctx, s, keyOrder{Verb: KeysInstall, Key: key.Text()})
	if err != nil {
		return report, err
	}
	if report, err = n.order(ctx, s, keyOrder{Verb: KeysUse, Key: key.String()}); err != nil {
		return report, err
	}
	old := map[string]bool{}
	for _, node := range report.Nodes {
		for _, fingerprint := range node.Keys {
			old[fingerprint] = fingerprint != key.String()
		}
	}
	for fingerprint, is := range old {
		if !is {
			continue
		}
		if report, err = n.order(ctx, s, keyOrder{Verb: KeysRemove, Key: fingerprint}); err != nil {
			break
		}
	}
	report.Key = key.String()

	return report, err
}

// order asks all nodes, and those again that did not answer: a query may get lost.
func (n *Node) order(ctx context.Context, s *session, order keyOrder) (KeyReport, error) {
	payload, err := json.Marshal(order)
	if err != nil {
		return KeyReport{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, keyTimeout, ErrIncomplete)
	defer cancel()
	replies := map[levels.NodeID]keyReply{}
	for range keyAttempts {
		missing := n.unanswered(replies)
		if len(missing) == 0 || ctx.Err() != nil {
			break
		}
		param := &serf.QueryParam{FilterNodes: missing, Timeout: queryTimeout}
		response, err := s.serf.Query(keysName, n.seal(payload), param)
		if errors.Is(err, context.Canceled) || err != nil {
			return KeyReport{}, fmt.Errorf("ask for keys: %w", err)
		}
		n.collect(ctx, response, replies, len(missing))
	}
	report := n.keyReport(order, replies)
	n.rotationProblem(order.Verb, report)
	if !report.Complete {
		return report, fmt.Errorf("keys %s: %w: %s", order.Verb, ErrIncomplete, report.lacking())
	}

	return report, nil
}

func (n *Node) unanswered(replies map[levels.NodeID]keyReply) []string {
	var missing []string
	for _, peer := range n.table.Load().peers {
		if _, answered := replies[peer.Name]; !answered {
			missing = append(missing, string(peer.Name))
		}
	}

	return missing
}

// collect takes answers until as many are there as are wanted, or the query ends.
func (n *Node) collect(ctx context.Context, response *serf.QueryResponse, replies map[levels.NodeID]keyReply, wanted int) {
	defer response.Close()
	for wanted > 0 {
		select {
		case answer, open := <-response.ResponseCh():
			if !open {
				return
			}
			var reply keyReply
			name := levels.NodeID(answer.From)
			if len(answer.Payload) > gossipLimit || json.Unmarshal(answer.Payload, &reply) != nil || !n.table.Load().lists(name) {
				n.counters.malformed.Add(1)

				continue
			}
			replies[name] = reply
			wanted--
		case <-ctx.Done():
			return
		}
	}
}

func (n *Node) keyReport(order keyOrder, replies map[levels.NodeID]keyReply) KeyReport {
	report := KeyReport{Key: order.Key, Complete: true}
	if key, err := keyring.ParseKey(order.Key); err == nil {
		report.Key = key.String()
	}
	for _, peer := range n.table.Load().peers {
		reply, answered := replies[peer.Name]
		holder := KeyHolder{Node: peer.Name, Answered: answered, Keys: reply.Keys, Problem: printable(reply.Problem)}
		if !answered {
			holder.Problem = "did not answer"
		}
		report.Nodes = append(report.Nodes, holder)
		report.Complete = report.Complete && holder.Problem == ""
	}

	return report
}

// lacking names the nodes that have not confirmed, with why.
func (r *KeyReport) lacking() string {
	var texts []string
	for _, node := range r.Nodes {
		if node.Problem != "" {
			texts = append(texts, fmt.Sprintf("%s %s", node.Node, node.Problem))
		}
	}

	return strings.Join(texts, ", ")
}

func (n *Node) rotationProblem(verb string, report KeyReport) {
	switch {
	case verb == KeysList:
	case report.Complete:
		n.problems.stand("rotation", "")
	default:
		n.problems.stand("rotation", fmt.Sprintf("keys %s is incomplete: %s; the former key stays in use, repeat it when all nodes are there", verb, report.lacking()))
	}
}

// keep carries out the orders that reach this node, one at a time.
func (n *Node) keep(ctx context.Context, s *session) {
	for {
		select {
		case query := <-s.keyQueries:
			reply := n.obey(s, query.data)
			text, err := json.Marshal(reply)
			if err == nil {
				err = query.query.Respond(text)
			}
			if err != nil {
				n.log.to.WarnContext(ctx, "an answer about keys was not sent", "cause", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (n *Node) obey(s *session, data []byte) keyReply {
	order, err := readOrder(data)
	if err != nil {
		return keyReply{Problem: "cannot read the order"}
	}
	if s.ring == nil {
		return keyReply{Problem: "runs without encryption"}
	}
	next, err := changed(s.file, order)
	if err == nil && !slices.EqualFunc(next, s.file, func(a, b keyring.Key) bool { return slices.Equal(a, b) }) {
		// On disk first: a node that confirms a key still has it after a crash.
		if err = next.Save(n.options.KeyringFile); err == nil {
			err = s.install(next)
		}
		if err == nil {
			n.log.to.Info("the keyring was changed", "verb", order.Verb, "keys", strings.Join(s.file.Fingerprints(), " "))
		}
	}
	reply := keyReply{Keys: s.file.Fingerprints()}
	if err != nil {
		reply.Problem = err.Error()[:min(len(err.Error()), longestProblem)]
	}

	return reply
}

func readOrder(data []byte) (keyOrder, error) {
	var order keyOrder
	err := json.Unmarshal(data, &order)

	return order, err
}

// changed is the keyring after an order, or why it cannot be obeyed. Obeying twice changes
// nothing more.
func changed(r keyring.Ring, order keyOrder) (keyring.Ring, error) {
	at := slices.Index(r.Fingerprints(), order.Key)
	switch order.Verb {
	case KeysList:
		return r, nil
	case KeysInstall:
		key, err := keyring.ParseKey(order.Key)
		switch {
		case err != nil:
			return nil, err
		case r.Has(key):
			return r, nil
		case len(r) >= keyring.MaxKeys:
			return nil, fmt.Errorf("has %d keys already; remove some", len(r))
		}

		return append(slices.Clone(r), key), nil
	case KeysUse:
		if at < 0 {
			return nil, errors.New("does not have that key")
		}

		return append(keyring.Ring{r[at]}, r.Without(r[at])...), nil
	case KeysRemove:
		switch at {
		case -1:
			return r, nil
		case 0:
			return nil, errors.New("encrypts with that key")
		}

		return r.Without(r[at]), nil
	}

	return nil, errors.New("does not know the verb")
}

// install makes memberlist's ring what the file has. Its owner hands the list of keys out
// without a copy and removes in place, which moves keys under a reader; the last one can
// be removed without moving any, so they go from the end.
func (s *session) install(next keyring.Ring) error {
	for _, key := range next {
		if err := s.ring.AddKey(key); err != nil {
			return err
		}
	}
	if err := s.ring.UseKey(next[0]); err != nil {
		return err
	}
	present := s.ring.GetKeys()
	gone := slices.IndexFunc(present, func(key []byte) bool { return !next.Has(key) })
	if gone > 0 {
		for i := len(present) - 1; i >= gone; i-- {
			if err := s.ring.RemoveKey(present[i]); err != nil {
				return err
			}
		}
		for _, key := range next {
			if err := s.ring.AddKey(key); err != nil { // a no-op for those that stayed
				return err
			}
		}
	}
	s.file = next

	return s.reseal()
}
