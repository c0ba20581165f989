package cost

// Surveyed is when the prices were looked up.
const Surveyed = "2026-11-25"

// Days is how many days a month is taken for.
const Days = 30

// Where prices are published.
const (
	pageRun        = "https://cloud.google.com/run/pricing"
	pageFirestore  = "https://cloud.google.com/firestore/pricing"
	pageSecrets    = "https://cloud.google.com/secret-manager/pricing"
	pageLogging    = "https://cloud.google.com/stackdriver/pricing"
	pageMonitoring = "https://cloud.google.com/products/observability/pricing"
	pageScheduler  = "https://cloud.google.com/scheduler/pricing"
)

// A Price is what one thing costs beyond what is free of it.
type Price struct {
	Name string
	USD  float64 // for Per of it
	Per  float64
	Unit string
	Free float64 // of it, a month or a day
	// Daily says that Free is for a day: what isn't used of it is lost.
	Daily bool
	Page  string
	// Doubt says what wasn't found on Google's own page; empty: nothing.
	Doubt string
}

// cost returns what so much of it costs a month, in USD.
func (p Price) cost(month float64) float64 { return max(0, month-p.freeMonth()) / p.Per * p.USD }

// freeMonth is what is free of it in a month whose days are alike.
func (p Price) freeMonth() float64 {
	if p.Daily {
		return p.Free * Days
	}
	return p.Free
}

// Prices are list prices in USD in us-central1, billed by request.
type Prices struct {
	Requests, CPU, Memory Price // Cloud Run
	Idle                  Price // an instance that is kept without a request
	Writes, Reads         Price // Firestore
	Versions, Accesses    Price // Secret Manager
	Logs                  Price // Cloud Logging
	Jobs                  Price // Cloud Scheduler
	Conditions, Looks     Price // alert policies of Cloud Monitoring
}

// kinds is how many prices there are, firestoreWrites the place of that of writes, and
// firestoreReads of that of reads.
const (
	kinds           = 12
	firestoreWrites = 4
	firestoreReads  = 5
)

// What of prices wasn't found on Google's own page.
const (
	alertsDoubt = "Google's page of alerting costs (docs.cloud.google.com/monitoring/alerts/cost-control) says that every condition and every point that it looks at are charged; its price list could not be read, and an older copy of the page says 1.50 a condition, 0.35 a million series, from April 2025 at the earliest: 0.10 is second-hand (taourl.com)"
	idleDoubt   = "the price list could not be read again"
)

const secondHand = "free amounts from Google's page; its table of prices by location could not be read, so this is second-hand (airbyte.com)"

// List returns the list prices.
func List() Prices {
	return Prices{
		Requests: Price{Name: "Cloud Run, requests", USD: 0.40, Per: 1e6, Unit: "requests", Free: 2e6, Page: pageRun},
		CPU:      Price{Name: "Cloud Run, CPU", USD: 0.000024, Per: 1, Unit: "vCPU-seconds", Free: 180_000, Page: pageRun},
		Memory:   Price{Name: "Cloud Run, memory", USD: 0.0000025, Per: 1, Unit: "GiB-seconds", Free: 360_000, Page: pageRun},
		Idle:     Price{Name: "Cloud Run, idle instances", USD: 0.0000025, Per: 1, Unit: "vCPU- and GiB-seconds", Page: pageRun, Doubt: idleDoubt},
		Writes: Price{Name: "Firestore, writes", USD: 0.09, Per: 100_000, Unit: "documents", Free: 20_000, Daily: true,
			Page: pageFirestore, Doubt: secondHand},
		Reads: Price{Name: "Firestore, reads", USD: 0.03, Per: 100_000, Unit: "documents", Free: 50_000, Daily: true,
			Page: pageFirestore, Doubt: secondHand},
		Versions:   Price{Name: "Secret Manager, active versions", USD: 0.06, Per: 1, Unit: "versions", Free: 6, Page: pageSecrets},
		Accesses:   Price{Name: "Secret Manager, accesses", USD: 0.03, Per: 10_000, Unit: "accesses", Free: 10_000, Page: pageSecrets},
		Logs:       Price{Name: "Cloud Logging, storage", USD: 0.50, Per: 1, Unit: "GiB", Free: 50, Page: pageLogging},
		Jobs:       Price{Name: "Cloud Scheduler, jobs", USD: 0.10, Per: 1, Unit: "jobs", Free: 3, Page: pageScheduler},
		Conditions: Price{Name: "Cloud Monitoring, alert conditions", USD: 0.10, Per: 1, Unit: "conditions", Page: pageMonitoring, Doubt: alertsDoubt},
		Looks:      Price{Name: "Cloud Monitoring, what conditions look at", USD: 0.35, Per: 1e6, Unit: "points", Page: pageMonitoring, Doubt: alertsDoubt},
	}
}

// all returns the prices in the order of the table.
func (p Prices) all() []Price {
	return []Price{
		p.Requests, p.CPU, p.Memory, p.Idle, p.Writes, p.Reads, p.Versions, p.Accesses, p.Logs, p.Jobs, p.Conditions, p.Looks,
	}
}
