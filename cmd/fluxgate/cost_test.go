//go:build unix

package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCost(t *testing.T) {
	t.Parallel()
	exit, out, stderr := run(t, nil, "cost")
	require.Zero(t, exit, stderr)
	for _, row := range []string{"1,000", "10,800", "100,000", "1,000,000"} {
		assert.Regexp(t, `(?m)^ *`+row+` +\d+\.\d\d +`, out)
	}
	// Flags have their effect: a request that is under way twice as long.
	exit, out, stderr = run(t, nil, "cost", "--requests", "11998,11999", "--concurrency", "10")
	require.Zero(t, exit, stderr)
	assert.Regexp(t, `11,998 +0\.00 `, out)
	assert.Contains(t, out, "11,998   requests a day: Cloud Run, CPU")
	_, out, _ = run(t, nil, "cost", "--requests", "12000", "--concurrency", "10", "--latency", "10s")
	assert.Regexp(t, `12,000 +4\.32 `, out, "180,000 vCPU-seconds beyond what is free")
	_, out, _ = run(t, nil, "cost", "--requests", "30000", "--writes", "1", "--write-price", "0.18", "--concurrency", "1000")
	assert.Regexp(t, `30,000 +0\.00 +0\.54 `, out, "300,000 writes beyond what is free, at another price")

	exit, out, stderr = run(t, nil, "cost", "--markdown")
	require.Zero(t, exit, stderr)
	page, err := os.ReadFile("../../.github/cost.md")
	require.NoError(t, err)
	assert.Equal(t, string(page), out)

	for _, args := range [][]string{{"--requests", "many"}, {"--requests", "-1"}, {"--latency", "0s"}, {"--write-price", "-1"}, {"--vcpu", "NaN"}} {
		exit, out, stderr = run(t, nil, append([]string{"cost"}, args...)...)
		assert.Equal(t, exitUsage, exit, args)
		assert.Empty(t, out)
		assert.NotEmpty(t, stderr)
	}
}
