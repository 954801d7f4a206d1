package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

const (
	askEvery = 20 * time.Millisecond
	// A question waits for longer than any fault of a test lasts: an answer that comes after
	// its node was stopped for a while is the one that matters.
	askLimit = 30 * time.Second
	// Questions under way to one address, so that a silent one does not cost without end.
	askAtOnce = 200
)

// answer says the node's name to whoever connects, until ctx ends.
func answer(ctx context.Context, address string) error {
	node, err := os.Hostname()
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	if _, err = daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		return err
	}
	for {
		c, err := listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return err
		}
		_, _ = fmt.Fprintln(c, node)
		_ = c.Close()
	}
}

// ask asks every address again and again until ctx ends, and writes down each answer when it
// comes, as package history reads it. An address is host:port, whose first line is the name of
// a node, or node=URL, whose header Cssc-Term counts when the status is 200.
func ask(ctx context.Context, file string, addresses []string) error {
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	var asking sync.WaitGroup
	defer asking.Wait()
	for _, address := range addresses {
		asking.Go(func() { askAgain(ctx, out, address) })
	}

	return nil
}

func askAgain(ctx context.Context, out *os.File, address string) {
	var open sync.WaitGroup
	defer open.Wait()
	slots := make(chan struct{}, askAtOnce)
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		select {
		case slots <- struct{}{}:
			open.Go(func() {
				askOnce(ctx, out, address)
				<-slots
			})
		default:
		}
	}
}

// askOnce writes down who answered; one that does not is left out.
func askOnce(ctx context.Context, out *os.File, address string) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	sent := monotonic()
	node, url, byHTTP := strings.Cut(address, "=")
	term := "0"
	var err error
	if byHTTP {
		term, err = askHTTP(ctx, url)
	} else {
		node, err = askTCP(ctx, address)
	}
	if err == nil && node != "" && term != "" {
		_, _ = fmt.Fprintf(out, "%d %d %s %s\n", sent, monotonic(), node, term)
	}
}

// askHTTP returns the term of a yes, nothing for a no.
func askHTTP(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	_, _ = io.Copy(io.Discard, response.Body)
	if response.StatusCode != http.StatusOK {
		return "", response.Body.Close()
	}

	return response.Header.Get("Cssc-Term"), response.Body.Close()
}

// get prints the status of the answer, and on the next lines its text.
func get(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	fmt.Println(response.StatusCode)
	_, err = io.Copy(os.Stdout, response.Body)

	return err
}

// askTCP returns the first line.
func askTCP(ctx context.Context, address string) (string, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(askLimit))
	line, err := bufio.NewReader(c).ReadString('\n')

	return strings.TrimSpace(line), err
}

// monotonic is the kernel's clock, which all nodes of a lab share, in microseconds.
func monotonic() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0
	}

	return now.Nano() / 1000
}
