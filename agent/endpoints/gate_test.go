package endpoints

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// crowd is a listener with connections without end.
type crowd struct{ net.Listener }

func (crowd) Accept() (net.Conn, error) {
	one, other := net.Pipe()
	_ = other.Close()

	return one, nil
}

func (crowd) Close() error { return nil }

// Goal: a flood is taken at the pace that is documented, connections beyond their number are
// closed and counted, and one that ends makes room. Method: a crowd in fake time.
func TestGateKeepsPaceAndNumber(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := 0
		g := newGate(crowd{}, func() { refused++ })
		begin := time.Now()
		var open []net.Conn
		for range maxConnections {
			c, err := g.Accept()
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, c)
		}
		if took, want := time.Since(begin), (maxConnections-1)/paceConnections*paceWindow; took != want {
			t.Errorf("%d connections were taken in %v, want %v", maxConnections, took, want)
		}
		time.AfterFunc(time.Second, func() { _ = open[0].Close() })
		begin = time.Now()
		if _, err := g.Accept(); err != nil {
			t.Fatal(err)
		}
		full := int(time.Since(begin) / paceWindow * paceConnections)
		if refused < full-paceConnections || refused > full+2*paceConnections || refused == 0 {
			t.Errorf("%d were refused in %v, want the pace of %d in %v", refused, time.Since(begin), paceConnections, paceWindow)
		}
		go func() { _ = g.Close() }()
	})
}
