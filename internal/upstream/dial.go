package upstream

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// ErrLinkLocal means that a provider's name leads to an address that isn't called.
var ErrLinkLocal = errors.New("upstream: its name leads to a link-local address, where a cloud has its metadata: want another host")

// metadata is where AWS has its metadata service over IPv6, which is no link-local address.
var metadata = netip.MustParseAddr("fd00:ec2::254")

// dialer calls no link-local address.
var dialer = &net.Dialer{
	Timeout: 30 * time.Second, KeepAlive: 30 * time.Second,
	Control: func(_, address string, _ syscall.RawConn) error { return checkAddress(address) },
}

// checkAddress fails with ErrLinkLocal for an address that isn't called. It is that which is
// dialled, whatever name it was looked up by.
func checkAddress(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := at.Addr().Unmap().WithZone(""); ip.IsLinkLocalUnicast() || ip == metadata {
		return ErrLinkLocal
	}
	return nil
}
