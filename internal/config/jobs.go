package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxAudience is the longest audience, in characters. It is a URL.
const maxAudience = 2048

// AudienceList are audiences of identity tokens, each exactly as it stands in
// the token: the URL that the token was made for, or any other text.
type AudienceList []string

// EnvDecode reads a comma separated list; blank entries are skipped. What is in
// it is checked by [Config.Validate].
func (l *AudienceList) EnvDecode(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			*l = append(*l, part)
		}
	}
	return nil
}

func (l AudienceList) check() error {
	var problems []error
	for i, audience := range l {
		switch {
		case strings.ContainsFunc(audience, func(r rune) bool { return r <= ' ' || r > '~' }):
			problems = append(problems, fmt.Errorf("%s: want visible ASCII characters only", quoted(audience)))
		case len(audience) > maxAudience:
			problems = append(problems, fmt.Errorf("%s: want at most %d characters", quoted(audience), maxAudience))
		case slices.Contains(l[:i], audience):
			problems = append(problems, fmt.Errorf("%s is named twice: want it once", quoted(audience)))
		}
	}
	return errors.Join(problems...)
}

// checkJobs checks that what identifies scheduled jobs is complete: an account
// without an audience would let in what was made for another service.
func (c *Config) checkJobs() error {
	var problems []error
	switch {
	case c.JobsAccount == "" && len(c.JobsAudience) > 0:
		problems = append(problems, errors.New("FLUXGATE_JOBS_AUDIENCE: it needs FLUXGATE_JOBS_ACCOUNT: set both, or neither"))
	case c.JobsAccount != "" && len(c.JobsAudience) == 0:
		problems = append(problems, errors.New("FLUXGATE_JOBS_ACCOUNT: it needs FLUXGATE_JOBS_AUDIENCE: set both, or neither"))
	}
	if _, ok := CallerEmail(c.JobsAccount); c.JobsAccount != "" && !ok {
		problems = append(problems, fmt.Errorf("FLUXGATE_JOBS_ACCOUNT: %s: want the email address of a service account", quoted(c.JobsAccount)))
	}
	if err := c.JobsAudience.check(); err != nil {
		problems = append(problems, inVariable("FLUXGATE_JOBS_AUDIENCE", err)...)
	}
	return errors.Join(problems...)
}

// warnJobs points at jobs that nothing would let in.
func (c *Config) warnJobs() {
	if c.HasJobs() && c.OnCloud() && !c.HasTokens() && c.Auth != AuthIAM {
		c.warn("FLUXGATE_JOBS_ACCOUNT is ignored: without tokens or FLUXGATE_AUTH=iam nobody is let in")
	}
}
