package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Bounds of the key pool. A pool is written out in status answers (24 kB compressed of 1,000
// projects, 2 kB of a page of 50), every project is one document of the store, and a decision
// looks at all of them where all are used up: 5 ms of 1,000.
const (
	MaxKeys       = 1000 // keys in one pool
	maxKeyLength  = 4096 // characters of one key
	maxProjectLen = 128  // characters of a project ID
)

// derivedPrefix begins the project ID of a key that declares none (package
// keys makes it from the fingerprint), so no declared one may begin with it.
const derivedPrefix = "key-"

// A KeyEntry is one configured key, or a project that is called without one.
type KeyEntry struct {
	// Index is the key's public ID: the N of GEMINI_KEY_N. Removing a key
	// doesn't renumber the others.
	Index int
	// Value is the key. Empty: the project is called by the program's own identity.
	Value Secret
	// Project is the declared project, or empty.
	Project string
	// Billing is the declared billing account of the project, or empty.
	Billing string
	// Tier is the declared usage tier of the project: free, 1, 2, 3 or empty.
	Tier string
	// Provider names whom the key is for; empty: Gemini.
	Provider string

	// from says where it was found, if not in its Variable alone.
	from string
}

// Variable names the variable that holds the key, or what is meant by "KEY" of it.
func (k KeyEntry) Variable(what string) string {
	if k.Provider == "" {
		return fmt.Sprintf("GEMINI_%s_%d", what, k.Index)
	}
	return fmt.Sprintf("%s%s_%d", Provider{Name: k.Provider}.variables(), what, k.Index%numbersEach)
}

// where returns where the key was found, for messages.
func (k KeyEntry) where() string { return cmp.Or(k.from, k.Variable("KEY")) }

var (
	keyName     = regexp.MustCompile(`^GEMINI_(KEY|PROJECT|BILLING|TIER)_(.*)$`)
	indexDigits = regexp.MustCompile(`^[1-9][0-9]{0,4}$`)
)

// numbered finds what NAME_KEY_N and the like hold among vars, by what that is and by number; begin
// is how their names begin. Those of Gemini's are this program's; of other providers' names other
// programs have OPENAI_PROJECT_ID, AZURE_KEY_VAULT_NAME and their like.
func numbered(vars map[string]string, begin string, whats ...string) (found map[string]map[int]string, problems []error) {
	found = make(map[string]map[int]string)
	for _, what := range whats {
		found[what] = make(map[int]string)
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		rest, ours := strings.CutPrefix(name, begin)
		what, number, cut := strings.Cut(rest, "_")
		switch values := found[what]; {
		case !ours || !cut || values == nil || vars[name] == "":
		case indexDigits.MatchString(number):
			n, _ := strconv.Atoi(number) // at most five digits
			values[n] = vars[name]
		case begin == "GEMINI_" || number != "" && asciiDigit(rune(number[0])):
			problems = append(problems, fmt.Errorf("%s: want %s%s_ and a number from 1, without leading zeros", quoted(name), begin, what))
		}
	}
	return found, problems
}

// readKeys finds the numbered keys and projects among vars. Values aren't
// checked here but in Validate.
func (c *Config) readKeys(vars map[string]string) []error {
	found, problems := numbered(vars, "GEMINI_", "KEY", "PROJECT", "BILLING", "TIER")
	keys, projects, accounts, tiers := found["KEY"], found["PROJECT"], found["BILLING"], found["TIER"]
	from := map[int]string{}
	problems = append(problems, c.spread(keys, projects, from)...)
	c.unnumbered(vars, keys, from)
	without := c.withoutKeys(vars, keys, projects, from)
	for _, n := range without {
		keys[n] = ""
	}
	for _, n := range slices.Sorted(maps.Keys(keys)) {
		c.Keys = append(c.Keys, KeyEntry{Index: n, Value: NewSecret(keys[n]), Project: projects[n], Billing: accounts[n], Tier: tiers[n], from: from[n]})
	}
	c.warnGap()
	problems = append(problems, c.checkNames(vars)...)
	for _, what := range []string{"PROJECT", "BILLING", "TIER"} {
		problems = append(problems, declared("GEMINI_", what, found[what], keys)...)
	}
	return problems
}

// declared checks what is declared of keys by number.
func declared(begin, what string, values, keys map[int]string) (problems []error) {
	for _, n := range slices.Sorted(maps.Keys(values)) {
		if _, ok := keys[n]; !ok {
			problems = append(problems, fmt.Errorf("%s%s_%d: there is no %sKEY_%d: set that, or leave this out", begin, what, n, begin, n))
		}
		for m, key := range keys {
			if key != "" && values[n] == key {
				// A project's name is shown in public.
				problems = append(problems, fmt.Errorf("%s%s_%d: it holds the key of %sKEY_%d: want a name that is no secret", begin, what, n, begin, m))
			}
		}
	}
	return problems
}

// withoutKeys returns the numbers of the projects that are called without a key: those
// whose GEMINI_KEY_N isn't set at all. An empty one is a key that got lost, and keys of a
// variable without numbers have projects of theirs.
func (c *Config) withoutKeys(vars map[string]string, keys, projects map[int]string, from map[int]string) (numbers []int) {
	if c.KeysSecret != "" || len(from) > 0 {
		return nil
	}
	for _, n := range slices.Sorted(maps.Keys(projects)) {
		_, has := keys[n]
		if _, set := vars[fmt.Sprintf("GEMINI_KEY_%d", n)]; has || set {
			continue
		}
		c.warn(fmt.Sprintf("GEMINI_PROJECT_%d has no GEMINI_KEY_%d: %s is called without a key, by the identity that this program has at Google", n, n, quoted(projects[n])))
		numbers = append(numbers, n)
	}
	return numbers
}

// projectID is what Google calls a project: "my-project-1", or "example.com:my-project".
var projectID = regexp.MustCompile(`^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$`)

// checkWithoutKey reports what keeps a project from being called without a key.
func (c *Config) checkWithoutKey(k KeyEntry) error {
	switch {
	case !projectID.MatchString(k.Project):
		return fmt.Errorf("there is no GEMINI_KEY_%d, and without a key want the ID of a Google Cloud project, such as my-project-1", k.Index)
	case c.BaseURL != "":
		return fmt.Errorf("there is no GEMINI_KEY_%d, and without a key nothing goes to another endpoint than Google's: want no GOOGLE_GEMINI_BASE_URL", k.Index)
	}
	return nil
}

func (c *Config) warnGap() {
	var missing []string
	next := 1
	for _, k := range c.Keys {
		if k.Index-next > 3 {
			missing = append(missing, fmt.Sprintf("GEMINI_KEY_%d to GEMINI_KEY_%d", next, k.Index-1))
		} else {
			for ; next < k.Index; next++ {
				missing = append(missing, fmt.Sprintf("GEMINI_KEY_%d", next))
			}
		}
		next = k.Index + 1
	}
	if len(missing) > 0 {
		c.warn("not set or empty: " + strings.Join(missing, ", ") + " (the keys after it keep their numbers)")
	}
}

// preferSecrets drops the keys of the environment when there are secrets, so
// that a key left over in a developer's shell doesn't join the pool.
func (c *Config) preferSecrets() {
	if c.KeysSecret == "" || len(c.Keys) == 0 {
		return
	}
	c.Keys = nil
	c.warn("the keys of the environment are ignored because FLUXGATE_KEYS_SECRET is set")
}

// CheckKey reports what makes a key useless as the value of an HTTP header. It
// knows nothing of prefixes: Google has changed them before. The error names a
// position, counted in characters from 1, and never the value.
func CheckKey(key Secret) error {
	if key.Empty() {
		return errors.New("the key is empty: want its value")
	}
	position := 0
	for _, r := range key.Reveal() {
		position++
		switch {
		case r == unicode.ReplacementChar:
			return fmt.Errorf("character %d of the key isn't valid UTF-8: want it as its provider shows it", position)
		case unicode.IsControl(r):
			return fmt.Errorf("character %d of the key is a control character: want it as its provider shows it", position)
		case r == ',' || r == ';':
			return fmt.Errorf("character %d of the key is %q: want one key on a line", position, r)
		case unicode.IsSpace(r):
			return fmt.Errorf("character %d of the key is a blank: want one key on a line", position)
		case r > '~':
			return fmt.Errorf("character %d of the key is outside ASCII: want it as its provider shows it", position)
		}
	}
	if position > maxKeyLength {
		return fmt.Errorf("the key has %d characters: want at most %d", position, maxKeyLength)
	}
	return nil
}

// CheckProject reports what keeps a declared project from being the ID of a
// document in the store: it is 1 to 128 letters, digits, '-', '_', '.' and ':'
// and doesn't begin with "key-", which is how undeclared projects are called.
// The error doesn't repeat the value, in case somebody put a key there.
func CheckProject(project string) error {
	switch n := len(project); {
	case n == 0:
		return errors.New("the project is empty: want its ID")
	case n > maxProjectLen:
		return fmt.Errorf("the project has %d characters: want at most %d", n, maxProjectLen)
	case strings.HasPrefix(project, derivedPrefix):
		return fmt.Errorf("the project begins with %q, which is kept for keys that declare none: want another name", derivedPrefix)
	case reservedID(project):
		return errors.New(`the project is ".", ".." or like "__this__", which Firestore refuses: want another name`)
	}
	return plainCharacters("project", project)
}

// CheckBilling reports what keeps a declared billing account from being one: it is 1 to
// 128 letters, digits, '-', '_', '.' and ':'. The error doesn't repeat the value.
func CheckBilling(account string) error {
	if n := len(account); n == 0 || n > maxProjectLen {
		return fmt.Errorf("the billing account has %d characters: want 1 to %d", n, maxProjectLen)
	}
	return plainCharacters("billing account", account)
}

// CheckTier reports what keeps a declared usage tier from being one. The error doesn't repeat
// the value.
func CheckTier(tier string) error {
	if !slices.Contains([]string{"free", "1", "2", "3"}, tier) {
		return errors.New("want the usage tier of the project: free, 1, 2 or 3")
	}
	return nil
}

func plainCharacters(what, value string) error {
	position := 0
	for _, r := range value {
		position++
		if !asciiLetter(r) && !asciiDigit(r) && !strings.ContainsRune("-_.:", r) {
			return fmt.Errorf("character %d of the %s: want letters, digits, '-', '_', '.' and ':' only", position, what)
		}
	}
	return nil
}
