package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/config/origins"
)

// Validate checks every setting and returns all problems joined, or nil. A
// message begins with the variable's name and holds no key and no token.
func (c *Config) Validate() error {
	var problems []error
	check := func(name string, err error) {
		if err != nil {
			problems = append(problems, inVariable(name, err)...)
		}
	}
	check("PORT", between(c.Port, 0, 65535))
	check("FLUXGATE_STORE", oneOf(c.Store, StoreAuto, StoreMemory, StoreFirestore))
	check("GOOGLE_CLOUD_PROJECT", plainName(c.GoogleCloudProject))
	check("FLUXGATE_DATABASE", databaseName(c.Database))
	check("FLUXGATE_COLLECTION", collectionName(c.Collection))
	check("FIRESTORE_EMULATOR_HOST", hostPort(c.FirestoreEmulatorHost))
	check("FLUXGATE_COUNT", oneOf(c.Count, CountAuto, CountExact, CountEstimate))
	check("FLUXGATE_RESOURCES", oneOf(c.Resources, ResourcesOwn, ResourcesShared))
	check("FLUXGATE_SECRETS_TTL", between(c.SecretsTTL, time.Minute, 24*time.Hour))
	check("FLUXGATE_DEMO", oneOf(c.Demo, DemoAuto, DemoOn, DemoOff))
	check("FLUXGATE_SKEW", between(c.Skew, 0, 10*time.Second))
	check("FLUXGATE_HOLD", between(c.Hold, 0, time.Minute))
	if c.MaxWait != nil {
		check("FLUXGATE_MAX_WAIT", between(*c.MaxWait, 0, 25*time.Hour))
	}
	check("FLUXGATE_CHAIN", c.CheckChain(c.Chain))
	check("FLUXGATE_POLICY", oneOf(c.Policy, PolicyAsk, PolicyOff))
	check("GEMINI_MODE", oneOf(c.Mode, ModeBoth, ModeProOnly, ModeFlashOnly, ModeFlashLiteOnly))
	check("FLUXGATE_MAX_BODY", between(c.MaxBody, 1<<10, 1<<30))
	check("FLUXGATE_BODY_BUDGET", c.checkBodyBudget())
	check("FLUXGATE_TIMEOUT", between(c.Timeout, time.Second, time.Hour))
	check("FLUXGATE_IDLE_TIMEOUT", between(c.IdleTimeout, time.Second, 10*time.Minute))
	check("FLUXGATE_LIVE_IDLE_TIMEOUT", between(c.LiveIdleTimeout, time.Second, time.Hour))
	if c.Prefer != "" {
		check("FLUXGATE_PREFER", oneOf(c.Prefer, PreferFree, PreferPaid, PreferAny))
	}
	if c.Auth != "" && c.Auth != AuthIAM {
		check("FLUXGATE_AUTH", fmt.Errorf("%s: want iam, or nothing", quoted(string(c.Auth))))
	}
	check("FLUXGATE_CORS", c.checkCORS())
	problems = append(problems, c.checkTokens(), c.checkJobs())
	check("GOOGLE_GEMINI_BASE_URL", checkBaseURL(c.BaseURL))
	if len(c.Keys) > MaxKeys {
		problems = append(problems, fmt.Errorf("GEMINI_KEY_N: %d keys: want at most %d", len(c.Keys), MaxKeys))
	}
	for _, k := range c.Keys {
		if k.Value.Empty() && k.Project != "" && k.from == "" {
			check(fmt.Sprintf("GEMINI_PROJECT_%d", k.Index), c.checkWithoutKey(k))
		} else if err := CheckKey(k.Value); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", k.where(), err))
		}
		if k.Project != "" {
			check(k.Variable("PROJECT"), CheckProject(k.Project))
		}
		if k.Billing != "" {
			check(k.Variable("BILLING"), CheckBilling(k.Billing))
		}
		if k.Tier != "" {
			check(k.Variable("TIER"), CheckTier(k.Tier))
		}
	}
	return flat(problems...)
}

// LeastBodyBudget returns what one body of MaxBody takes, with what goes with it.
func (c *Config) LeastBodyBudget() Bytes { return c.MaxBody + 1<<20 }

func (c *Config) checkBodyBudget() error {
	switch least := c.LeastBodyBudget(); {
	case c.BodyBudget == 0: // it is computed
		return nil
	case c.BodyBudget < least:
		return fmt.Errorf("%s: want at least %s, for one body of FLUXGATE_MAX_BODY (%s); or make that smaller", c.BodyBudget, least, c.MaxBody)
	case c.BodyBudget > 1<<40:
		return fmt.Errorf("%s: want at most 1TiB", c.BodyBudget)
	}
	return nil
}

type ordered interface{ ~int | ~int64 }

func between[T ordered](v, least, most T) error {
	if v < least || v > most {
		return fmt.Errorf("%v: want %v to %v", v, least, most)
	}
	return nil
}

func oneOf[T ~string](v T, allowed ...T) error {
	if slices.Contains(allowed, v) {
		return nil
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	last := len(names) - 1
	return fmt.Errorf("%s: want %s or %s", quoted(string(v)), strings.Join(names[:last], ", "), names[last])
}

// plainName refuses what can't be a segment of a resource name. Project IDs
// aren't checked further: emulators take any, and old ones hold a domain.
func plainName(s string) error {
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' }) {
		return fmt.Errorf("%s: want no blanks, slashes or characters outside ASCII", quoted(s))
	}
	return nil
}

// Firestore's rule for database IDs: 4 to 63 lower case letters, digits and
// hyphens, a letter first and no hyphen last.
var databaseRule = regexp.MustCompile(`^[a-z][a-z0-9-]{2,61}[a-z0-9]$`)

func databaseName(s string) error {
	if s == "(default)" || databaseRule.MatchString(s) {
		return nil
	}
	return fmt.Errorf("%s: want (default), or 4 to 63 lower case letters, digits and hyphens", quoted(s))
}

var collectionRule = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func collectionName(s string) error {
	if len(s) > 128 || !collectionRule.MatchString(s) {
		return fmt.Errorf("%s: want 1 to 128 letters, digits, '-' and '_'", quoted(s))
	}
	if reservedID(s) {
		return fmt.Errorf("%s: Firestore keeps names like __this__ for itself: want another", quoted(s))
	}
	return nil
}

func hostPort(s string) error {
	if s == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || strings.Contains(s, "/") {
		return fmt.Errorf("%s: want host:port without a scheme, such as localhost:8200", quoted(s))
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("%s: want a port from 1 to 65535", quoted(s))
	}
	return nil
}

// checkBaseURL reports what is wrong with an upstream base URL; the empty one
// is right. Plain http is for loopback hosts only, because every request
// carries a key. The error doesn't repeat the URL: it may hold a password.
func checkBaseURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.Opaque != "" {
		return errors.New("want an absolute URL such as https://generativelanguage.googleapis.com")
	}
	if origins.LinkLocal(u.Hostname()) {
		return errors.New("it is link-local, where a cloud has its metadata: want another host")
	}
	var problems []error
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && origins.Loopback(u.Hostname()):
	case u.Scheme == "http":
		problems = append(problems, errors.New("want https: over plain http anybody on the way reads the keys (only a loopback host may use it)"))
	default:
		problems = append(problems, errors.New("want an https URL"))
	}
	if u.User != nil {
		problems = append(problems, errors.New("want no user or password in the URL"))
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		problems = append(problems, errors.New("want no query and no fragment"))
	}
	return errors.Join(problems...)
}

// checkCORS refuses a Fluxgate that is open to every page of every site.
func (c *Config) checkCORS() error {
	if slices.Contains(c.CORS, origins.Any) && !c.HasTokens() && (c.Auth != AuthIAM || !c.OnCloud()) {
		return errors.New(`"*" needs FLUXGATE_TOKENS: without, every page that anybody here visits could use up the quota`)
	}
	return nil
}
