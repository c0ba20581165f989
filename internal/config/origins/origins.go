package origins

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Any in a [List] stands for every origin.
const Any = "*"

// A List has origins of web pages, each exactly as a browser sends it:
// "https://app.example", "http://localhost:3000". Or it is [Any] alone.
type List []string

// EnvDecode reads a comma separated list; blank entries are skipped.
func (l *List) EnvDecode(text string) error {
	var list List
	var problems []error
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		if err := check(part); err != nil {
			problems = append(problems, err)
		} else if slices.Contains(list, part) {
			problems = append(problems, fmt.Errorf("%s is named twice: want it once", part))
		}
		list = append(list, part)
	}
	if slices.Contains(list, Any) && len(list) > 1 {
		problems = append(problems, errors.New(`"*" is every origin already: want it alone, or not at all`))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	*l = list
	return nil
}

// check checks one origin. Browsers send origins in one form only, and
// they are compared as texts: one in another form would never match. Plain http
// is for loopback hosts: anybody on the way could put code into such a page.
func check(s string) error {
	if s == Any {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Opaque != "" || u.User != nil {
		return errors.New("want origins such as https://app.example, comma separated") // it may hold a password
	}
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !Loopback(u.Hostname())):
		return fmt.Errorf("%.60q: want https, or http on a loopback host", s)
	case strings.Contains(u.Host, "*"):
		return fmt.Errorf("%.60q: want every origin named in full", s)
	case s != u.Scheme+"://"+u.Host:
		return fmt.Errorf("%.60q: want scheme://host or scheme://host:port, with nothing after it", s)
	case s != strings.ToLower(s) || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Errorf("%.60q: want it in lower case ASCII, as browsers send it", s)
	case strings.HasSuffix(u.Host, ":") || u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80":
		return fmt.Errorf("%.60q: want it without the port that goes without saying, as browsers send it", s)
	}
	return nil
}

// Loopback reports whether a host is this machine.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// metadata is where AWS has its metadata over IPv6, which is no link-local address.
var metadata = netip.MustParseAddr("fd00:ec2::254")

// LinkLocal reports whether a host is a link-local address, or another at which a cloud has its metadata. What a name leads to
// is seen when it is called.
func LinkLocal(host string) bool {
	if strings.EqualFold(strings.TrimSuffix(host, "."), "metadata.google.internal") {
		return true
	}
	addr, err := netip.ParseAddr(strings.TrimSuffix(host, "."))
	if err != nil {
		return false
	}
	addr = addr.Unmap().WithZone("")
	return addr.IsLinkLocalUnicast() || addr == metadata
}

// Hosts are names of hosts, in lower case and without a port.
type Hosts []string

// EnvDecode reads a comma separated list; blank entries are skipped.
func (l *Hosts) EnvDecode(text string) error {
	var list Hosts
	var problems []error
	for part := range strings.SplitSeq(text, ",") {
		part = strings.ToLower(strings.TrimSpace(part))
		switch {
		case part == "":
			continue
		case strings.ContainsAny(part, "/:*@ "):
			problems = append(problems, fmt.Errorf("%.60q: want names of hosts, without a scheme or a port", part))
		case slices.Contains(list, part):
			problems = append(problems, fmt.Errorf("%s is named twice: want it once", part))
		}
		list = append(list, part)
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	*l = list
	return nil
}
