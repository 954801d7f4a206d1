package pair

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"sync"
	"time"
)

const (
	answerLimit = time.Second
	askAgain    = 50 * time.Millisecond
	batch       = 1000 // entries in one message
)

// message is all that is said: one JSON object a line.
//
//	put     term, who, number   of a client; answered when the number is safe
//	state   term                answered with the extent
//	copy    term, extent        answered with the entries beyond the extent
//	follow  term, who, extent   the same, and then each entry as it comes. Every message of
//	                            entries is answered with the extent that is on the disk.
//	leave   term                the end of follow: do not wait for me
type message struct {
	Do     string  `json:"do,omitempty"`
	Term   uint64  `json:"term,omitempty"`
	Who    string  `json:"who,omitempty"`
	Number uint64  `json:"number,omitempty"`
	Extent extent  `json:"extent,omitzero"`
	Add    []Entry `json:"add,omitempty"`
	Anew   bool    `json:"anew,omitempty"` // Add begins at the beginning
	No     string  `json:"no,omitempty"`   // why not
}

// Conn is a connection to a copy. One goroutine at a time may ask.
type Conn struct {
	net.Conn

	in  *json.Decoder
	out *json.Encoder
}

func newConn(conn net.Conn) *Conn {
	return &Conn{Conn: conn, in: json.NewDecoder(bufio.NewReader(conn)), out: json.NewEncoder(conn)}
}

// Dial connects within a second.
func Dial(ctx context.Context, address string) (*Conn, error) {
	dialer := net.Dialer{Timeout: answerLimit}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}

	return newConn(conn), nil
}

// interrupt ends what waits for an answer, now and from now on.
func (k *Conn) interrupt() { _ = k.SetReadDeadline(time.Now()) }

// question waits for the answer for a second, or until ctx ends.
func (k *Conn) question(ctx context.Context, m message) (answer message, err error) {
	if err = k.SetDeadline(time.Now().Add(answerLimit)); err != nil {
		return answer, err
	}
	defer context.AfterFunc(ctx, k.interrupt)()
	if err = k.out.Encode(m); err == nil {
		err = k.in.Decode(&answer)
	}
	if err == nil && answer.No != "" {
		err = errors.New(answer.No)
	}

	return answer, err
}

// Put gives a number to the primary of a term; nil says that it is safe. After an error it
// may be there or not: ask again, over another connection.
func (k *Conn) Put(ctx context.Context, term uint64, client string, number uint64) error {
	_, err := k.question(ctx, message{Do: "put", Term: term, Who: client, Number: number})

	return err
}

// Entries reads the whole copy.
func (k *Conn) Entries(ctx context.Context) ([]Entry, error) {
	answer, err := k.question(ctx, message{Do: "copy"})
	entries := answer.Add
	for err == nil && len(entries) < answer.Extent.Count {
		answer = message{}
		err = k.in.Decode(&answer)
		entries = append(entries, answer.Add...)
	}

	return entries, err
}

// survey tells the copies of all nodes that are heard of a term, and asks how far they go. It
// asks again until each has answered, or the limit is over.
func survey(ctx context.Context, self string, term uint64, now Standing, limit time.Duration) (best extent, node string) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var mu sync.Mutex
	var asking sync.WaitGroup
	for name, address := range now.Copies {
		if name == self || !now.Alive[name] {
			continue
		}
		asking.Go(func() {
			answer, err := askLong(ctx, address, message{Do: "state", Term: term})
			mu.Lock()
			defer mu.Unlock()
			if err == nil && (node == "" || answer.Extent.beyond(best)) {
				best, node = answer.Extent, name
			}
		})
	}
	asking.Wait()

	return best, node
}

// askLong asks again until there is an answer, or ctx ends.
func askLong(ctx context.Context, address string, m message) (answer message, err error) {
	for {
		if answer, err = askOnce(ctx, address, m); err == nil {
			return answer, nil
		}
		select {
		case <-ctx.Done():
			return answer, err
		case <-time.After(askAgain):
		}
	}
}

func askOnce(ctx context.Context, address string, m message) (message, error) {
	k, err := Dial(ctx, address)
	if err != nil {
		return message{}, err
	}
	defer func() { _ = k.Close() }()

	return k.question(ctx, m)
}
