package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"fluxgate.dev/fluxgate/internal/cost"
)

// newCostCommand is `fluxgate cost`: flags around cost.Print.
func newCostCommand() *cobra.Command {
	load, prices := cost.NewLoad(), cost.List()
	var requests []string
	var profile string
	var markdown bool
	cmd := &cobra.Command{
		Use:   "cost",
		Short: "What a deployment costs a month on Google Cloud",
		Long: `Cost computes what a number of requests a day costs a month in Cloud Run,
Firestore, Secret Manager, Cloud Logging and Cloud Scheduler, and where the free
tier ends, for a profile of the deployment. What a request takes of Firestore is measured; the rest is for you to
set to what you see. Prices are list prices in us-central1 of ` + cost.Surveyed + `.`,
		Example: `  fluxgate cost
  fluxgate cost --profile free --requests 10800
  fluxgate cost --requests 10800 --latency 20s
  fluxgate cost --requests 50000 --writes 2 --reads 0.1   # every request booked: the most by design`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if markdown {
				return cost.Document(cmd.OutOrStdout())
			}
			perDay := cost.Rows()
			if len(requests) > 0 {
				perDay = nil
			}
			for _, text := range requests {
				n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
				if err != nil || !(n >= 0 && n <= 1e9) {
					return usageError{fmt.Errorf("--requests %q: want a number from 0 to 1000000000", text)}
				}
				perDay = append(perDay, n)
			}
			chosen, err := cost.ProfileOf(profile)
			if err != nil {
				return usageError{err}
			}
			// What is said by itself goes before the profile.
			said := load
			load := chosen.Load()
			for name, set := range map[string]func(){
				"latency": func() { load.Latency = said.Latency }, "concurrency": func() { load.Concurrency = said.Concurrency },
				"vcpu": func() { load.VCPU = said.VCPU }, "memory": func() { load.GiB = said.GiB },
				"writes": func() { load.Writes = said.Writes }, "reads": func() { load.Reads = said.Reads },
				"secrets": func() { load.Secrets = said.Secrets }, "secrets-ttl": func() { load.SecretsTTL = said.SecretsTTL },
				"jobs": func() { load.Jobs = said.Jobs }, "conditions": func() { load.Conditions = said.Conditions },
				"log-bytes": func() { load.LogBytes = said.LogBytes },
			} {
				if cmd.Flags().Changed(name) {
					set()
				}
			}
			if err := load.Validate(); err != nil {
				return usageError{err}
			}
			for name, price := range map[string]float64{"write-price": prices.Writes.USD, "read-price": prices.Reads.USD} {
				if !(price >= 0 && price <= 1000) {
					return usageError{fmt.Errorf("--%s %v: want 0 to 1000", name, price)}
				}
			}
			return cost.Print(cmd.OutOrStdout(), prices, load, perDay)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringSliceVar(&requests, "requests", nil, "`numbers` of requests a day (default 1000,10800,100000,1000000)")
	flags.StringVar(&profile, "profile", "default", "`profile` of the deployment: default, free, batch or busy")
	flags.DurationVar(&load.Latency, "latency", load.Latency, "mean `time` that a request is under way")
	flags.Float64Var(&load.Concurrency, "concurrency", 0,
		"mean `number` of requests that share an instance (default: what comes at random all day long)")
	flags.Float64Var(&load.VCPU, "vcpu", load.VCPU, "vCPUs of an instance")
	flags.Float64Var(&load.GiB, "memory", load.GiB, "`GiB` of an instance")
	flags.Float64Var(&load.Writes, "writes", load.Writes, "Firestore `writes` of a request")
	flags.Float64Var(&load.Reads, "reads", load.Reads, "Firestore `reads` of a request")
	flags.IntVar(&load.Secrets, "secrets", load.Secrets, "`number` of secrets")
	flags.DurationVar(&load.SecretsTTL, "secrets-ttl", load.SecretsTTL, "`time` that what was read of a secret is used")
	flags.IntVar(&load.Jobs, "jobs", load.Jobs, "`number` of scheduled jobs")
	flags.IntVar(&load.Conditions, "conditions", load.Conditions, "`number` of alert conditions")
	flags.Float64Var(&load.LogBytes, "log-bytes", load.LogBytes, "`bytes` logged for a request, by Fluxgate and by the platform")
	flags.Float64Var(&prices.Writes.USD, "write-price", prices.Writes.USD, "`USD` for 100,000 writes of Firestore")
	flags.Float64Var(&prices.Reads.USD, "read-price", prices.Reads.USD, "`USD` for 100,000 reads of Firestore")
	flags.BoolVar(&markdown, "markdown", false, "write .github/cost.md, which has the defaults")
	return cmd
}
