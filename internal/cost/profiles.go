package cost

import (
	"fmt"
	"strings"
	"time"
)

// A Profile is what an instance has, by the name that terraform/profiles.tf gives it.
type Profile struct {
	Name string
	VCPU float64
	MiB  float64
	// Concurrency is the most requests that an instance takes at a time.
	Concurrency int
	// Least and Most are how many instances there are.
	Least, Most int
	// SecretsTTL is how long what was read of a secret is used.
	SecretsTTL time.Duration
	// Conditions are those of alert policies, the uptime check's among them.
	Conditions int
	// For says what it is better at than the others.
	For string
}

// Profiles returns the profiles, the default first.
func Profiles() []Profile {
	const conditions = 10 // of terraform/alerts.tf, without that on the reading of secrets, and the uptime check's
	return []Profile{
		{Name: "default", VCPU: 1, MiB: 512, Concurrency: 80, Most: 3, SecretsTTL: 15 * time.Minute, Conditions: conditions,
			For: "a few requests at a time, alerts, and an answer that waits for no processor"},
		{Name: "free", VCPU: 0.08, MiB: 192, Concurrency: 1, Most: 40, SecretsTTL: 6 * time.Hour,
			For: "what the free tier covers, as above; a request may wait seconds for an instance to start, nobody is alerted, and a revoked token is good for up to six hours"},
		{Name: "batch", VCPU: 1, MiB: 512, Concurrency: 80, Most: 1, SecretsTTL: 15 * time.Minute,
			For: "a day's requests in one go, ten at a time or more, for nothing: one instance, which has no others to read after; nobody is alerted"},
		{Name: "busy", VCPU: 2, MiB: 2048, Concurrency: 200, Least: 1, Most: 10, SecretsTTL: 15 * time.Minute, Conditions: conditions,
			For: "many requests at a time and no cold start: an instance is always there, and paid for"},
	}
}

// ProfileOf returns the profile of a name.
func ProfileOf(name string) (Profile, error) {
	var names []string
	for _, p := range Profiles() {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Profile{}, fmt.Errorf("profile %q: want %s", name, strings.Join(names, ", "))
}

// NewLoad returns the load of the default profile.
func NewLoad() Load { return Profiles()[0].Load() }

// Load returns what is asked of a deployment of the profile, with the measurements as
// its other defaults.
func (p Profile) Load() Load {
	l := Load{
		Profile: p.Name, Latency: 5 * time.Second, VCPU: p.VCPU, GiB: p.MiB / 1024, PerInstance: float64(p.Concurrency+1) / 2, Least: float64(p.Least),
		Writes: measuredWrites, Reads: measuredReads, SecretsTTL: p.SecretsTTL, Secrets: 3, Jobs: 2, LogBytes: 4096, Conditions: p.Conditions,
		Start: time.Second,
	}
	if p.Concurrency == 1 {
		// Each instance has the calendars of its own last commit, and reads what others have
		// committed since.
		l.PerInstance, l.Writes, l.Reads, l.Start = 1, aloneWrites, aloneReads, aloneStart
	}
	if p.Name == "batch" {
		l.Concurrency = 10 // at least, or one instance isn't needed
	}
	return l
}

// inOneGo returns the load of the same requests a day when all of them come at once, and
// whether that makes a difference.
func (l Load) inOneGo() (Load, bool) {
	if l.PerInstance != 1 || l.Writes != aloneWrites || l.Reads != aloneReads {
		return l, false
	}
	l.Writes, l.Reads = rushWrites, rushReads
	return l, true
}

// constraints are what Google asks of the profile, each with where it says so.
func (p Profile) constraints() []string {
	var all []string
	if p.VCPU < 1 {
		const page = "https://docs.cloud.google.com/run/docs/configuring/services/cpu"
		all = append(all,
			"0.08 vCPU is the least there is, and goes with up to 512 MiB: "+page,
			"less than 1 vCPU takes a concurrency of 1 and request-based billing: "+page,
			"an instance that has no request is kept for up to 15 minutes and not billed: https://docs.cloud.google.com/run/docs/about-instance-autoscaling")
	}
	if p.Least > 0 {
		all = append(all, "an instance that is kept is billed while it is idle, at a lower price: "+pageRun)
	}
	return append(all,
		"time is billed in steps of 100 ms: "+pageRun,
		"only one database of a project has free reads and writes: "+pageFirestore,
		"free amounts are those of a billing account (Cloud Run, Secret Manager, Cloud Scheduler) or of a project (Firestore, Cloud Logging): https://docs.cloud.google.com/free/docs/free-cloud-features")
}
