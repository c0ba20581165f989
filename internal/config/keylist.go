package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// googleKey is what Google's own clients read first. Other services of Google's have
// their keys in it too, so it is only taken when nothing else is there, and otherwise
// it is nobody's business.
const googleKey = "GOOGLE_API_KEY"

// geminiKey is what Google's documentation calls the variable of one key: nothing is to be
// said of that.
const geminiKey = "GEMINI_API_KEY"

// listNames are the variables that hold one key or several, without numbers, the
// first that is set before the others. GEMINI_KEY_N goes before all of them.
var listNames = []string{"GEMINI_API_KEYS", "GEMINI_KEYS", geminiKey, googleKey}

// splitKeys returns the keys in a value: one, or several between commas, semicolons,
// blanks or line breaks, none of which a key has.
func splitKeys(value string) []string {
	parts := strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(",; \t\r\n", r) })
	if len(parts) > 1 {
		for i, part := range parts {
			parts[i] = strings.Trim(part, `"'[]`) // as a list in quotes or in JSON has them
		}
	}
	return slices.DeleteFunc(parts, func(part string) bool { return part == "" })
}

// spread gives each of the keys that one GEMINI_KEY_N holds a number of its own, from
// N, and notes where each was found. That is plain as long as no other variable has
// numbers too, and none of the keys has a project or all of them have.
func (c *Config) spread(keys, projects, from map[int]string) []error {
	if c.KeysSecret != "" {
		return nil // they are ignored
	}
	var problems []error
	numbered := len(keys)
	for _, n := range slices.Sorted(maps.Keys(keys)) {
		list := splitKeys(keys[n])
		if len(list) == 0 {
			continue // Validate says what is there instead
		}
		keys[n] = list[0]
		if len(list) == 1 {
			continue
		}
		if numbered > 1 {
			problems = append(problems, fmt.Errorf("GEMINI_KEY_%d: it holds %d keys, and others are numbered: want one key in each, or all of them in GEMINI_API_KEYS", n, len(list)))
			continue
		}
		declared := 0
		for i := range list {
			if projects[n+i] != "" {
				declared++
			}
		}
		if declared != 0 && declared != len(list) {
			problems = append(problems, fmt.Errorf("GEMINI_KEY_%d: it holds %d keys, of which not all have a project: want each in a variable of its own, with its GEMINI_PROJECT_N", n, len(list)))
			continue
		}
		c.warn(fmt.Sprintf("GEMINI_KEY_%d holds %d keys, which are keys %d to %d: leaving one out renumbers those after it", n, len(list), n, n+len(list)-1))
		for i, key := range list {
			keys[n+i], from[n+i] = key, fmt.Sprintf("GEMINI_KEY_%d (key %d)", n, i+1)
		}
	}
	return problems
}

// unnumbered takes the keys of a variable without a number when no key is numbered.
func (c *Config) unnumbered(vars map[string]string, keys, from map[int]string) {
	taken := ""
	if len(keys) > 0 {
		taken = "GEMINI_KEY_N"
	}
	for _, name := range listNames {
		list := splitKeys(vars[name])
		switch {
		case len(list) == 0:
			continue
		case name == googleKey && (taken != "" || c.KeysSecret != ""):
			continue
		case taken != "":
			c.warn(name + " is ignored because " + taken + " is set")
			continue
		case len(list) == 1:
			if name != geminiKey {
				c.warn(name + " is used as key 1: name it GEMINI_KEY_1")
			}
		default:
			c.warn(fmt.Sprintf("%s is used as keys 1 to %d: leaving one out renumbers those after it", name, len(list)))
		}
		taken = name
		for i, key := range list {
			keys[i+1], from[i+1] = key, fmt.Sprintf("%s (key %d)", name, i+1)
		}
	}
}

// lonely says which variables are nearly called as another provider's key that isn't there. Those
// that the provider's own SDKs read are their business as long as there is any key, and no error:
// programs beside this one have them. Which keys are in secrets isn't known yet, and with them no
// variable is read.
func (c *Config) lonely(vars map[string]string, p Provider) {
	if c.KeysSecret != "" {
		return
	}
	own := p.variables() + "API_KEY"
	for _, name := range []string{own, own + "S", p.variables() + "KEY", p.variables() + "KEYS"} {
		if vars[name] == "" || name == own && len(c.Keys) > 0 {
			continue
		}
		c.warn(fmt.Sprintf("%s is not read, and no key of %s is configured: one that Fluxgate is to use is %sKEY_1", name, p.Name, p.variables()))
	}
}

// nearKey is what a variable is called that was meant to hold a key or a project.
var nearKey = regexp.MustCompile(`(?i)^G(?:EMINI|OOGLE)(?:_GEMINI)?_?(?:API_?KEY|KEY|GEMINI_PROJECT|PROJECT)(S?)_?([0-9]*)$`)

// nearMisses returns the variables that aren't read but nearly are called as one that
// is, and which that would be.
func nearMisses(vars map[string]string) (missed, meant []string) {
	known := append(slices.Clone(listNames), variableNames()...)
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		upper := strings.ToUpper(name)
		m := nearKey.FindStringSubmatch(name)
		project := strings.Contains(upper, "PROJECT")
		if m == nil || vars[name] == "" || keyName.MatchString(name) || slices.Contains(known, name) ||
			project && !strings.HasPrefix(upper, "GEMINI") {
			continue
		}
		want := "GEMINI_KEY_"
		switch number := strings.TrimLeft(m[2], "0"); {
		case project && number == "":
			want = "GEMINI_PROJECT_1"
		case project:
			want = "GEMINI_PROJECT_" + number
		case number != "":
			want += number
		case m[1] != "":
			want = "GEMINI_API_KEYS"
		default:
			want += "1"
		}
		missed, meant = append(missed, name), append(meant, want)
	}
	return missed, meant
}

// checkNames points at variables whose names are nearly right. Where no key is left
// without them that is why, and it must not look as if none had been configured.
func (c *Config) checkNames(vars map[string]string) []error {
	var problems []error
	missed, meant := nearMisses(vars)
	for i, name := range missed {
		if len(c.Keys) == 0 && c.KeysSecret == "" && !strings.Contains(meant[i], "PROJECT") {
			problems = append(problems, fmt.Errorf("%s is not read: want %s", quoted(name), meant[i]))
		} else {
			c.warn(quoted(name) + " is not read: did you mean " + meant[i] + "?")
		}
	}
	return problems
}
