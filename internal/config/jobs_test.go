package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestJobsRefused(t *testing.T) {
	const account, audience = "FLUXGATE_JOBS_ACCOUNT=j@p.iam.gserviceaccount.com", "FLUXGATE_JOBS_AUDIENCE=https://gate.example"
	for _, tt := range []struct {
		name    string
		environ []string
		want    string
	}{
		// What was made for another service would do, or nothing would.
		{"no audience", []string{account}, "FLUXGATE_JOBS_ACCOUNT: it needs FLUXGATE_JOBS_AUDIENCE"},
		{"no account", []string{audience}, "FLUXGATE_JOBS_AUDIENCE: it needs FLUXGATE_JOBS_ACCOUNT"},
		{"a name that isn't an address", []string{"FLUXGATE_JOBS_ACCOUNT=jobs", audience}, `FLUXGATE_JOBS_ACCOUNT: "jobs": want the email address`},
		{"a member as IAM writes it", []string{"FLUXGATE_JOBS_ACCOUNT=serviceAccount:j@p.example", audience}, "want the email address"},
		{"nothing but commas", []string{account, "FLUXGATE_JOBS_AUDIENCE=, ,"}, "FLUXGATE_JOBS_ACCOUNT: it needs FLUXGATE_JOBS_AUDIENCE"},
		{"a blank", []string{account, "FLUXGATE_JOBS_AUDIENCE=https://a b"}, `FLUXGATE_JOBS_AUDIENCE: "https://a b": want visible ASCII`},
		{"twice", []string{account, "FLUXGATE_JOBS_AUDIENCE=a,b,a"}, `FLUXGATE_JOBS_AUDIENCE: "a" is named twice`},
		{"endless", []string{account, "FLUXGATE_JOBS_AUDIENCE=" + strings.Repeat("a", 2049)}, "want at most 2048 characters"},
		{"a caller by the jobs' name", []string{"FLUXGATE_ADMIN_TOKENS=scheduler:" + tokenA}, `the name "scheduler" is kept`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.environ...)
			require.ErrorContains(t, err, tt.want)
			assert.Len(t, strings.Split(err.Error(), "\n"), 1, "said once: %v", err)
		})
	}
}

func TestJobs(t *testing.T) {
	jobs := []string{"FLUXGATE_JOBS_ACCOUNT=j@p.example", "FLUXGATE_JOBS_AUDIENCE=a", `FLUXGATE_CALLERS={"scheduler":{"rpm":1}}`}
	c, err := load(t, jobs...)
	require.NoError(t, err)
	assert.True(t, c.HasJobs())
	assert.Empty(t, c.Warnings)
	assert.Contains(t, c.LogValue().String(), "j@p.example")

	// Deployed, they need somebody who guards the door.
	deployed := append(jobs, "K_SERVICE=gate")
	c, err = load(t, deployed...)
	require.NoError(t, err)
	assert.Equal(t, []string{"FLUXGATE_JOBS_ACCOUNT is ignored: without tokens or FLUXGATE_AUTH=iam nobody is let in"}, c.Warnings)
	for _, guard := range []string{"FLUXGATE_AUTH=iam", "FLUXGATE_TOKENS=a:" + tokenA} {
		c, err = load(t, append(deployed, guard)...)
		require.NoError(t, err)
		assert.Empty(t, c.Warnings, guard)
	}

	c, err = load(t, `FLUXGATE_CALLERS={"scheduler":{"rpm":1}}`)
	require.NoError(t, err)
	assert.False(t, c.HasJobs())
	assert.Len(t, c.Warnings, 1, "there is no such caller")
}
