package emulator

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	loopback     = "127.0.0.1"
	checkTimeout = 5 * time.Second
)

// checkClient never keeps a connection, so that nothing of it outlives a check, and uses no proxy.
var checkClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// Check returns nil if an emulator answers at host ("address:port"), which it does to `GET /` with "Ok". It waits at
// most 5 s.
func Check(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/", nil)
	if err != nil {
		return fmt.Errorf("checking the emulator at %q: %w", host, err)
	}
	resp, err := checkClient.Do(req)
	if err != nil {
		return fmt.Errorf("checking the emulator: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64))
	if err != nil {
		return fmt.Errorf("checking the emulator at %s: %w", host, err)
	}
	if resp.StatusCode != http.StatusOK || strings.TrimSpace(string(body)) != "Ok" {
		return fmt.Errorf("what answers at %s is no Firestore emulator (status %d)", host, resp.StatusCode)
	}
	return nil
}

// choosePort returns port, or a free one for zero, after making sure that it can be bound.
func choosePort(port int) (int, error) {
	l, err := net.Listen("tcp4", hostPort(port))
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func hostPort(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }
