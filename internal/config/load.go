package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sethvargo/go-envconfig"

	"fluxgate.dev/fluxgate/internal/nearest"
)

// Load reads a Config from environ, a list of NAME=value as os.Environ returns
// it; of two entries with one name the later wins. The error lists every
// problem of every variable, one per line, and holds no key and no token.
func Load(ctx context.Context, environ []string) (*Config, error) {
	vars := variables(environ)
	var c Config
	problems := c.decode(ctx, vars)
	c.cutVersion()
	problems = append(problems, c.readKeys(vars)...)
	problems = append(problems, c.readProviderKeys(vars)...)
	names, err := SecretNames(c.KeysSecret, c.GoogleCloudProject)
	if err != nil {
		problems = append(problems, inVariable("FLUXGATE_KEYS_SECRET", err)...)
	}
	c.SecretNames = names
	c.preferSecrets()
	problems = append(problems, c.readTokens()...)
	c.warnCallers()
	c.warnJobs()
	problems = append(problems, c.checkUnknown(vars), c.Validate())
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return &c, nil
}

// decode fills c from vars. go-envconfig stops at the first variable that it
// can't read; to hear of all of them the bad one is recorded and hidden, and
// decoding begins again with its default. The bad one is the last that was
// looked up, since fields are decoded one after another.
func (c *Config) decode(ctx context.Context, vars map[string]string) []error {
	var problems []error
	hidden := map[string]bool{}
	for {
		var decoded Config
		var last string
		err := envconfig.ProcessWith(ctx, &envconfig.Config{
			Target: &decoded,
			Lookuper: envconfig.LookuperFunc(func(name string) (string, bool) {
				last = name
				if hidden[name] || vars[name] == "" {
					return "", false // a text beside false would be decoded all the same
				}
				return vars[name], true
			}),
		})
		if err == nil {
			*c = decoded
			return problems
		}
		if last == "" || hidden[last] {
			// Not a value but a tag of Config itself is wrong.
			return append(problems, fmt.Errorf("read the configuration: %w", err))
		}
		hidden[last] = true
		problems = append(problems, inVariable(last, explain(last, vars[last], err))...)
	}
}

// wanted says what the variables must look like whose types are decoded by Go's
// own functions: their errors name functions and steps, not what is wanted.
var wanted = map[reflect.Type]string{
	reflect.TypeFor[int]():            "a whole number",
	reflect.TypeFor[bool]():           "true or false",
	reflect.TypeFor[time.Duration]():  "a duration with its unit, such as 500ms, 5s or 2m",
	reflect.TypeFor[*time.Duration](): "a duration with its unit, such as 500ms, 5s or 2m",
	reflect.TypeFor[slog.Level]():     "debug, info, warn or error",
}

func explain(name, value string, err error) error {
	for variable, field := range fields() {
		if want := wanted[field.Type]; variable == name && want != "" {
			return fmt.Errorf("%s: want %s", quoted(value), want)
		}
	}
	if inner := errors.Unwrap(err); inner != nil {
		return inner // without the name of the field
	}
	return err
}

// versionPath is what clients' base URLs, and the address of the models list, end in, and ours must not.
var versionPath = regexp.MustCompile(`(?:/+(?:v1|v1beta|v1alpha|openai))+(?:/+models)?/*$`)

// cutVersion takes the API's version off the base URL: paths are put together here,
// with the version, and with two of them nothing would be found. The clients that
// want it are told their base URL with it, and so people have it at hand.
func (c *Config) cutVersion() {
	u, err := url.Parse(c.BaseURL)
	if err != nil || u.RawPath != "" {
		return // Validate says what is wrong, or nobody knows what it means
	}
	version := versionPath.FindString(u.Path)
	if version == "" {
		return
	}
	u.Path = strings.TrimSuffix(u.Path, version)
	c.BaseURL = u.String()
	c.warn("GOOGLE_GEMINI_BASE_URL ends in " + quoted(version) + ", which is left out: want the URL without a version")
}

const (
	prefix = "FLUXGATE_" // is before the names that are ours alone
	// clientURL and clientToken are read by the commands that ask a server, from the same shell.
	clientURL   = prefix + "URL"
	clientToken = prefix + "TOKEN"
)

// checkUnknown points at misspelt variables, and refuses a token that commands send where there is no
// server to send it to and none that is let in: it was meant to be one of FLUXGATE_TOKENS, without
// which nobody is asked for a token.
func (c *Config) checkUnknown(vars map[string]string) error {
	known := variableNames()
	var endings []string // of our own
	for _, name := range known {
		if ending, ours := strings.CutPrefix(name, prefix); ours {
			endings = append(endings, ending)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		ending, ours := strings.CutPrefix(name, prefix)
		if !ours || name == clientURL || name == clientToken || slices.Contains(known, name) {
			continue
		}
		text := quoted(name) + " is not a variable of Fluxgate"
		if meant := nearest.Word(ending, endings); meant != "" {
			text += ": did you mean " + prefix + meant + "?"
		}
		c.warn(text)
	}
	if vars[clientToken] != "" && vars[clientURL] == "" && !c.HasTokens() {
		return errors.New(clientToken + " is what commands send to the server of " + clientURL + ", and lets nobody in here: want FLUXGATE_TOKENS=NAME:TOKEN")
	}
	return nil
}
