package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxSecrets bounds the round trips that loading the keys takes.
const maxSecrets = 32

var (
	// Google's rule for the IDs of secrets; versions are numbers, "latest" or an
	// alias of the same characters.
	secretID   = rule(`^[A-Za-z0-9_-]{1,255}$`)
	fullSecret = rule(`^projects/([a-z0-9.:-]+)/secrets/([A-Za-z0-9_-]{1,255})(?:/versions/([A-Za-z0-9_-]{1,63}))?$`)
	// What Google's older API keys look like; newer ones have a dot, which the
	// ID of a secret can't have.
	looksLikeKey = regexp.MustCompile(`^AIza[A-Za-z0-9_-]{35}$`)
	regional     = regexp.MustCompile(`^projects/[^/]+/locations/[^/]+/secrets/`)
)

// SecretNames resolves a comma separated list of secrets to full version names,
// "projects/P/secrets/S/versions/V". The version is "latest" where none is
// given; project stands in for a bare "S". The error lists every problem.
func SecretNames(list, project string) ([]string, error) {
	if strings.TrimSpace(list) == "" {
		return nil, nil
	}
	var names []string
	var problems []error
	for part := range strings.SplitSeq(list, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		name, err := secretName(part, project)
		switch {
		case err != nil:
			problems = append(problems, err)
		case slices.Contains(names, name):
			problems = append(problems, fmt.Errorf("%s is named twice: want it once", name))
		default:
			names = append(names, name)
		}
	}
	if len(names) == 0 && len(problems) == 0 {
		problems = append(problems, errors.New("it names no secret: want projects/P/secrets/S, comma separated"))
	}
	if len(names) > maxSecrets {
		problems = append(problems, fmt.Errorf("%d secrets: want at most %d", len(names), maxSecrets))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return names, nil
}

// secretName resolves one name. What isn't a name at all is not repeated in
// the error: it may be a key, put where the name of its secret belongs.
func secretName(name, project string) (string, error) {
	if m := fullSecret().FindStringSubmatch(name); m != nil {
		version := m[3]
		if version == "" {
			version = "latest"
		}
		return fmt.Sprintf("projects/%s/secrets/%s/versions/%s", m[1], m[2], version), nil
	}
	switch {
	case looksLikeKey.MatchString(name):
		return "", errors.New("this looks like a key: want the name of the secret that holds it")
	case secretID().MatchString(name) && project == "":
		return "", errors.New("a secret without its project needs GOOGLE_CLOUD_PROJECT (or name it projects/P/secrets/S)")
	case secretID().MatchString(name):
		return fmt.Sprintf("projects/%s/secrets/%s/versions/latest", project, name), nil
	case regional.MatchString(name):
		return "", errors.New("regional secrets (projects/P/locations/L/secrets/S) are not supported: use a global one")
	}
	return "", errors.New("want projects/P/secrets/S, projects/P/secrets/S/versions/V or S, comma separated")
}
