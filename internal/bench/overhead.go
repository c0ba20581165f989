package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"
	"time"
)

// targetRatio is how much CPU a request may take, in requests of the bare proxy.
const targetRatio = 1.5

// OverheadOptions say what [Overhead] measures. All are required but Profiles.
type OverheadOptions struct {
	Launch      Launcher
	Connections int
	Rounds      int
	Requests    int    // of each party in each round
	Profiles    string // directory for the parties' profiles; empty: none
}

// An OverheadReport is what [Overhead] found.
type OverheadReport struct {
	Options OverheadOptions
	Parties []Party // the proxy first
}

// A Party is one side of the comparison.
type Party struct {
	Name     string
	Requests int64
	Elapsed  time.Duration
	CPU      time.Duration // of its process, for these requests alone
	// Ratio is its CPU per request to that of the proxy in the same round.
	Ratio Range
	// Where is where its CPU went, nil if there are no profiles.
	Where Breakdown

	profile  string    // what the files of its profiles begin with; empty: none
	perRound []float64 // CPU seconds per request
	child    *child
	target   *target
}

// Overhead measures the CPU that a request takes in Fluxgate and in a bare
// reverse proxy in front of the same simulator: small prompts, one process a
// party, rounds that alternate. Each party has a round to get warm that doesn't
// count.
func Overhead(ctx context.Context, o OverheadOptions) (*OverheadReport, error) {
	a := &processGroup{launch: o.Launch}
	r := &OverheadReport{Options: o}
	// The profiles are there when the parties have ended.
	if err := errors.Join(r.measure(ctx, a), a.stop()); err != nil {
		return nil, err
	}
	r.compare()
	return r, r.explain()
}

// measure has the parties serve round after round.
func (r *OverheadReport) measure(ctx context.Context, a *processGroup) error {
	o := r.Options
	if err := r.assemble(ctx, a); err != nil {
		return err
	}
	for round := range 1 + o.Rounds {
		for i := range r.Parties {
			// Nobody is always the first after the pause between rounds.
			p := &r.Parties[(i+round)%len(r.Parties)]
			if err := p.run(ctx, o, round > 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// explain reads the profiles.
func (r *OverheadReport) explain() error {
	for i := range r.Parties {
		p := &r.Parties[i]
		if p.profile == "" {
			continue
		}
		where, err := breakdown(p.profile + cpuProfile)
		if err != nil {
			return err
		}
		p.Where = where
	}
	return nil
}

// assemble starts the parties.
func (r *OverheadReport) assemble(ctx context.Context, a *processGroup) error {
	simulator, err := a.add(ctx, "simulator", Process{Role: Simulator})
	if err != nil {
		return err
	}
	native := "/v1beta/models/auto:generateContent"
	for _, p := range []struct {
		name, file string
		part       Process
		path, key  string
		body       func(int64) []byte
	}{
		{"bare proxy", "proxy", Process{Role: Proxy},
			"/v1beta/models/" + model + ":generateContent", keyValue(1), nativeBody},
		{"fluxgate, native", "fluxgate-native", Process{Role: Fluxgate, Settings: []string{"GEMINI_LOG=false"}}, native, callerToken, nativeBody},
		{"fluxgate, native, logging", "fluxgate-native-logging", Process{Role: Fluxgate}, native, callerToken, nativeBody},
		{"fluxgate, /generate", "fluxgate-generate", Process{Role: Fluxgate, Settings: []string{"GEMINI_LOG=false"}}, "/generate", callerToken, generateBody},
	} {
		p.part.Upstream = simulator.url
		if r.Options.Profiles != "" {
			p.part.Profile = filepath.Join(r.Options.Profiles, p.file)
		}
		c, err := a.add(ctx, p.name, p.part)
		if err != nil {
			return err
		}
		r.Parties = append(r.Parties, Party{Name: p.name, profile: p.part.Profile, child: c, target: &target{
			url: c.url + p.path, key: p.key, body: p.body, client: newClient(r.Options.Connections),
		}})
	}
	return nil
}

// run has a party serve one round.
func (p *Party) run(ctx context.Context, o OverheadOptions, counts bool) error {
	before, err := p.child.usage(ctx)
	if err != nil {
		return err
	}
	took, err := p.target.load(ctx, o.Requests, o.Connections)
	if err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	after, err := p.child.usage(ctx)
	if err != nil || !counts {
		return err
	}
	cpu := after.CPU - before.CPU
	p.Requests += int64(o.Requests)
	p.Elapsed += took
	p.CPU += cpu
	p.perRound = append(p.perRound, cpu.Seconds()/float64(o.Requests))
	return nil
}

// compare computes the ratios.
func (r *OverheadReport) compare() {
	for i := range r.Parties {
		p := &r.Parties[i]
		ratios := make([]float64, 0, len(p.perRound))
		for round, cpu := range p.perRound {
			if proxy := r.Parties[0].perRound[round]; proxy > 0 {
				ratios = append(ratios, cpu/proxy)
			}
		}
		p.Ratio = rangeOf(ratios)
	}
}

// Print writes the report as a table.
func (r *OverheadReport) Print(w io.Writer) error {
	o := r.Options
	fmt.Fprintf(w, "%d connections, small prompts, memory store, %d projects without limits, simulator without latency.\n"+
		"%d rounds of %d requests each, alternating; a process a party, CPU in user and system mode.\n\n",
		o.Connections, projects, o.Rounds, o.Requests)
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "party\trequests\treq/s\tCPU µs/request\tratio to proxy\tmin..max\t")
	for _, p := range r.Parties {
		fmt.Fprintf(t, "%s\t%d\t%.0f\t%.1f\t%.2f\t%.2f..%.2f\t\n", p.Name, p.Requests,
			float64(p.Requests)/p.Elapsed.Seconds(), p.perRequest(), p.Ratio.Median, p.Ratio.Min, p.Ratio.Max)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	fmt.Fprintf(w, "\nThe ratio is the median of the rounds; the target is %.1f.\n", targetRatio)
	if r.Options.Profiles == "" {
		return nil
	}
	return r.printWhere(w)
}

// printWhere writes where the CPU went.
func (r *OverheadReport) printWhere(w io.Writer) error {
	fmt.Fprint(w, "\nWhere it goes, in CPU µs per request, by the profiles (what an area calls is its own, but for other areas):\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "area\t")
	for _, p := range r.Parties {
		fmt.Fprintf(t, "%s\t", p.Name)
	}
	fmt.Fprintln(t)
	for _, a := range areas {
		fmt.Fprintf(t, "%s\t", a.name)
		for _, p := range r.Parties {
			fmt.Fprintf(t, "%.1f\t", p.Where[a.name]*p.perRequest())
		}
		fmt.Fprintln(t)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// perRequest is the CPU that a request took, in microseconds.
func (p *Party) perRequest() float64 { return p.CPU.Seconds() * 1e6 / float64(p.Requests) }
