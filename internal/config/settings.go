package config

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// A Setting is one variable, and where its value is from.
type Setting struct {
	Name  string
	Value string // as it was written; "(set)" for keys, tokens and projects
	From  string // FromDefault, FromEnvironment or FromDotEnv
}

// Where the value of a [Setting] is from.
const (
	FromDefault     = "default"
	FromEnvironment = "environment"
	FromDotEnv      = ".env"
)

// Settings returns every variable of [Config], in its order, and then those of keys and
// projects that are set. before is the environment before dotenv.Load, environ the one
// after it. Values are shown as they are, so they may only be printed once [Load] has
// found them right: a wrong one may be a key in the wrong place.
func Settings(before, environ []string) []Setting {
	shell, vars := variables(before), variables(environ)
	of := func(name, otherwise string) Setting {
		s := Setting{Name: name, Value: vars[name], From: FromEnvironment}
		if _, set := shell[name]; !set {
			s.From = FromDotEnv
		}
		switch {
		case s.Value == "":
			s.Value, s.From = otherwise, FromDefault
		case len(WithoutKeys([]string{name + "="})) == 0:
			s.Value = "(set)"
		default:
			if u, err := url.Parse(s.Value); err == nil && u.User != nil {
				s.Value = u.Redacted() // of what is nobody's, Load looks at nothing
			}
		}
		return s
	}
	var all []Setting
	for name, field := range fields() {
		_, otherwise, _ := strings.Cut(field.Tag.Get("env"), ",default=")
		all = append(all, of(name, otherwise))
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		if vars[name] != "" && (keyName.MatchString(name) || slices.Contains(listNames, name)) {
			all = append(all, of(name, ""))
		}
	}
	return all
}
