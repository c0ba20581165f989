package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// AnyOrigin in [OriginList] stands for every origin.
const AnyOrigin = "*"

// OriginList are origins of web pages, each exactly as a browser sends it:
// "https://app.example", "http://localhost:3000". Or it is [AnyOrigin] alone.
type OriginList []string

// EnvDecode reads a comma separated list; blank entries are skipped.
func (l *OriginList) EnvDecode(text string) error {
	var list OriginList
	var problems []error
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		if err := checkOrigin(part); err != nil {
			problems = append(problems, err)
		} else if slices.Contains(list, part) {
			problems = append(problems, fmt.Errorf("%s is named twice", part))
		}
		list = append(list, part)
	}
	if slices.Contains(list, AnyOrigin) && len(list) > 1 {
		problems = append(problems, errors.New(`"*" is every origin already: want it alone, or not at all`))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	*l = list
	return nil
}

// checkOrigin checks one origin. Browsers send origins in one form only, and
// they are compared as texts: one in another form would never match. Plain http
// is for loopback hosts: anybody on the way could put code into such a page.
func checkOrigin(s string) error {
	if s == AnyOrigin {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Opaque != "" || u.User != nil {
		return errors.New("want origins such as https://app.example, comma separated") // it may hold a password
	}
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return fmt.Errorf("%s: want https, or http on a loopback host", quoted(s))
	case strings.Contains(u.Host, "*"):
		return fmt.Errorf("%s: want every origin named in full", quoted(s))
	case s != u.Scheme+"://"+u.Host:
		return fmt.Errorf("%s: want scheme://host or scheme://host:port, with nothing after it", quoted(s))
	case s != strings.ToLower(s) || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Errorf("%s: want it in lower case ASCII, as browsers send it", quoted(s))
	case strings.HasSuffix(u.Host, ":") || u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80":
		return fmt.Errorf("%s: want it without the port that goes without saying, as browsers send it", quoted(s))
	}
	return nil
}

// checkCORS refuses a Fluxgate that is open to every page of every site.
func (c *Config) checkCORS() error {
	if slices.Contains(c.CORS, AnyOrigin) && !c.HasTokens() && (c.Auth != AuthIAM || !c.OnCloud()) {
		return errors.New(`"*" needs FLUXGATE_TOKENS: without, every page that anybody here visits could use up the quota`)
	}
	return nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// HostList are host names, in lower case and without a port.
type HostList []string

// EnvDecode reads a comma separated list; blank entries are skipped.
func (l *HostList) EnvDecode(text string) error {
	var list HostList
	var problems []error
	for part := range strings.SplitSeq(text, ",") {
		part = strings.ToLower(strings.TrimSpace(part))
		switch {
		case part == "":
			continue
		case strings.ContainsAny(part, "/:*@ "):
			problems = append(problems, fmt.Errorf("%s: want names of hosts, without a scheme or a port", quoted(part)))
		case slices.Contains(list, part):
			problems = append(problems, fmt.Errorf("%s is named twice", part))
		}
		list = append(list, part)
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	*l = list
	return nil
}
