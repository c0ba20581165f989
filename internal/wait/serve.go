package wait

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

const (
	// headerTimeout, idleTimeout and maxHeader bound what a client may do before it has asked for anything.
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10 // bytes
)

// Serve serves a proxy on a listener until ctx ends, and then until what is under way is answered, those that wait
// included, or abort is closed or sent to: then what is under way is broken off, and bookings are given back.
func (p *Proxy) Serve(ctx context.Context, listener net.Listener, abort <-chan struct{}) error {
	server := &http.Server{Handler: p, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader}
	stopDisplay := p.display.start()
	defer stopDisplay()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	drained := make(chan struct{})
	drain, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	go func() {
		_ = server.Shutdown(drain)
		p.requests.Wait() // those whose connections went on in another protocol, too
		close(drained)
	}()
	select {
	case <-drained:
	case <-abort:
		_ = server.Close() // each request's context ends with its connection
		p.breakOff()
		cancel()
		<-drained // those that were broken off find that out at once
	}
	p.releases.Wait()
	return nil
}

// Waiting returns how many requests wait.
func (p *Proxy) Waiting() (n int) {
	for _, g := range p.list.groups() {
		n += g.n
	}
	return n
}
