package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"fluxgate.dev/fluxgate/internal/remote"
	"fluxgate.dev/fluxgate/internal/wait"
)

// frontOptions say whether serve serves a second address, where requests wait.
type frontOptions struct {
	wait    bool
	port    string
	longest time.Duration
}

// listen takes the second address: on loopback, one port above the first. Nil: none is wanted.
func (f frontOptions) listen(first net.Addr) (net.Listener, error) {
	if !f.wait {
		return nil, nil
	}
	port := cmp.Or(f.port, strconv.Itoa(first.(*net.TCPAddr).Port+1))
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return nil, fmt.Errorf("port %s for --wait can't be had: %w", port, err)
	}
	return listener, nil
}

// frontDrain is how long what is under way at the second address may take once a stop was asked for.
const frontDrain = drainTimeout / 2

// serve serves the second address until stop is called, which breaks off what isn't answered within frontDrain.
func (f frontOptions) serve(ctx context.Context, listener net.Listener, first net.Addr) (stop func(), err error) {
	if listener == nil {
		return func() {}, nil
	}
	proxy, err := wait.New(wait.Options{
		Access:         remote.Access{URL: "http://" + reachable(first)},
		KeepCredential: true, // it is this server that the client's token opens
		Longest:        f.longest, Output: os.Stderr,
	})
	if err != nil {
		_ = listener.Close()
		return nil, err
	}
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	abort := make(chan struct{})
	ended := make(chan error, 1)
	go func() { ended <- proxy.Serve(serving, listener, abort) }()
	fmt.Printf("waiting on http://%[1]s for programs that can't, for instance:\n"+
		"  GOOGLE_GEMINI_BASE_URL=http://%[1]s GEMINI_API_KEY=any python app.py\n", listener.Addr())
	return func() {
		cancel()
		timer := time.AfterFunc(frontDrain, func() { close(abort) })
		defer timer.Stop()
		if err := <-ended; err != nil {
			fmt.Fprintln(os.Stderr, "fluxgate:", err)
		}
	}, nil
}

// reachable is where this process reaches a listener of its own.
func reachable(addr net.Addr) string {
	tcp := addr.(*net.TCPAddr)
	host := "127.0.0.1"
	if tcp.IP.IsLoopback() {
		host = tcp.IP.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(tcp.Port))
}
