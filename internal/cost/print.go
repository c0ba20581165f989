package cost

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/scheduler"
)

// Rows are the requests a day of the repository's page. 10,800 is what eight
// projects of the free tier have: 100, 250 and 1,000 of three models each.
func Rows() []float64 { return []float64{1_000, 10_800, 100_000, 1_000_000} }

// Print writes what a month costs with so many requests a day, and where what is
// free ends.
func Print(w io.Writer, p Prices, l Load, perDay []float64) error {
	var b bytes.Buffer
	concurrency := "as many as come at random all day long"
	if l.Concurrency > 0 {
		concurrency = number(l.Concurrency) + " on average"
	}
	fmt.Fprintf(&b, "USD a month of %d days in us-central1, at the prices of %s.\n", Days, Surveyed)
	fmt.Fprintf(&b, "A request is under way for %s and takes %s writes, %s reads and %s bytes of log.\n",
		l.Latency, number(l.Writes), number(l.Reads), number(l.LogBytes))
	if l.PerInstance == 1 {
		concurrency = "one"
	}
	fmt.Fprintf(&b, "An instance has %s vCPU, %s GiB, and of requests at a time %s.\n", number(l.VCPU), number(l.GiB), concurrency)
	fmt.Fprintf(&b, "There are %d secrets, read every %s, %d jobs and %d alert conditions. Gemini, container images and\nnetwork traffic aren't in it.\n\n",
		l.Secrets, brief(l.SecretsTTL), l.Jobs, l.Conditions)
	t := tabwriter.NewWriter(&b, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "requests a day\tCloud Run\tFirestore\tSecret Manager\tCloud Logging\tCloud Scheduler\tCloud Monitoring\ttotal\t")
	rush, differs := l.inOneGo()
	if differs {
		fmt.Fprint(t, "in one go\t")
	}
	fmt.Fprintln(t, "instances\t")
	for _, n := range perDay {
		e := estimate(p, l, n)
		fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t", number(n), e.Run, e.Firestore, e.Secrets, e.Logs, e.Schedule, e.Monitoring, e.total())
		if differs {
			fmt.Fprintf(t, "%.2f\t", estimate(p, rush, n).total())
		}
		fmt.Fprintf(t, "%.0f\t\n", e.Instances)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if differs {
		fmt.Fprintf(&b, "\nThe total is of requests that come all day long. In one go, half of them with bookings, they take %s writes\nand %s reads each, as measured: then what is free ends at %s requests a day. The profile batch is for that.\n",
			number(rush.Writes), number(rush.Reads), number(min(freeUntil(p, rush, firestoreWrites), freeUntil(p, rush, firestoreReads))))
	}
	b.WriteString("\nThe free tier ends, if nothing else uses it, at\n")
	t = tabwriter.NewWriter(&b, 0, 0, 3, ' ', tabwriter.AlignRight)
	for i, price := range p.all() {
		until := freeUntil(p, l, i)
		per := "a month"
		if price.Daily {
			per = "a day"
		}
		of := fmt.Sprintf("%s %s %s", number(price.Free), price.Unit, per)
		if !math.IsInf(until, 1) { // else requests have no part in it
			fmt.Fprintf(t, "%s\trequests a day:\t %s, %s\n", number(until), price.Name, of)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	profile, err := ProfileOf(l.Profile)
	if err != nil {
		return err
	}
	fmt.Fprintf(&b, "\nThe profile %s is for %s.\n", profile.Name, profile.For)
	for _, text := range profile.constraints() {
		fmt.Fprintf(&b, "- %s\n", text)
	}
	_, err = io.WriteString(w, trimRight(b.String()))
	return err
}

// brief writes a duration without the units that it has none of.
func brief(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	return strings.TrimSuffix(text, "h0m") + map[bool]string{true: "h"}[strings.HasSuffix(text, "h0m")]
}

// trimRight drops the blanks before line breaks that aligned columns leave.
func trimRight(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// number writes a number with commas, and no more digits than it has.
func number(f float64) string {
	text := strconv.FormatFloat(f, 'f', -1, 64)
	whole, fraction, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		return whole + "." + fraction
	}
	return whole
}

// Document writes the page of the repository, in Markdown.
func Document(w io.Writer) error {
	p, l := List(), NewLoad()
	var b bytes.Buffer
	b.WriteString(`# What it costs

<!-- Written by: go run ./cmd/fluxgate cost --markdown >.github/cost.md -->

` + "`fluxgate cost`" + ` computes this from what a request was measured to take and from list prices; ` + "`fluxgate cost --help`" + `
says what can be set. With nothing set:

` + "```\n$ fluxgate cost\n")
	if err := Print(&b, p, l, Rows()); err != nil {
		return err
	}
	for _, profile := range Profiles()[1:] {
		fmt.Fprintf(&b, "```\n\nWith `profile = \"%[1]s\"` in Terraform:\n\n```\n$ fluxgate cost --profile %[1]s\n", profile.Name)
		if err := Print(&b, p, profile.Load(), Rows()); err != nil {
			return err
		}
	}
	b.WriteString("```\n\nA batch of 10,800 requests, ten at a time:\n\n```\n$ fluxgate cost --requests 10800 --concurrency 10\n")
	l.Concurrency = 10
	if err := Print(&b, p, l, Rows()[1:2]); err != nil {
		return err
	}
	booked := NewLoad()
	booked.Writes, booked.Reads = 2, 0.1
	raced, _ := Profiles()[1].Load().inOneGo()
	b.WriteString("```\n" + `
## What it is computed from

**Firestore.** An admission takes 0.885 writes and 0.013 reads where there is room and 0.225 and 0.016 where many wait, for
then one commit admits several. Both are measured, on the emulator, by ` + "`TestFirestoreOperations`" + `. By design it is
one write at most, two for a request that was booked, and 0.1 reads; where callers have limits of their own it is one write
more. Where ten instances write to the same projects they read what they write to: 1.1 writes and 1.1 reads, and 1.4 and 2.2
where many wait. A busy instance also reads the control document every 10 s, and once a minute at most reads and writes what was
used: up to 1,440 a day of each, which the tables have in them. By these bounds, with every request booked, the free day of 20,000
writes ends at ` + number(freeUntil(p, booked, firestoreWrites)) + ` requests. Only one database of a project has it.

**Cloud Run** bills an instance while it has a request, however many it has. What counts is therefore how many are under way
at a time: one request of 5 s alone is billed as 5 s, ten at a time as half a second each. ` + "`--latency`" + ` and
` + "`--concurrency`" + ` are for what you see in your own deployment. Requests that are answered with 429 take milliseconds.

**Cloud Logging** gets three lines of 0.6 kB together for a request, which is measured, and the platform adds the resource
and a line of its own. That both take 4 kB is an assumption. ` + "`GEMINI_LOG=false`" + ` leaves the platform's.

**Secret Manager** is asked for each secret by each instance when it starts, and then every ` + "`FLUXGATE_SECRETS_TTL`" + ` while
requests come. Starts are those of arrivals at random, with instances that are kept for 15 minutes.

**Cloud Monitoring** charges for every condition of an alert policy and for what it looks at. The free profile has none, and
` + "`alerts = false`" + ` has none in any; the dashboard and log-based metrics cost nothing at this size.

**The free profile** has as many instances as requests at a time, each with calendars of its own, so a request takes more of
Firestore: ` + number(aloneWrites) + ` writes and ` + number(aloneReads) + ` reads, which is what ten
instances were measured to take where many wait, as above, without bookings: more than requests take that come all day long. The free day of 20,000 writes allows ` + number(math.Round(100*20000/10800)/100) + `
a request at 10,800 requests, and that of 50,000 reads ` + number(math.Round(100*50000/10800)/100) + `, what was used and the control document among them.

A day that is used up in one go takes more, which the column "in one go" has. ` + "`fluxgate bench free`" + ` ran the 10,800 requests of eight projects through ten processes
with 8% of a processor each, forty callers at a time, half of them with bookings, on a machine that was busy with other work:
240 a minute while all three models had requests left, 120 in the end, 70 minutes in all. Gemini refused none. An answer took
9 ms longer at the median and 227 ms at the 99th percentile; an instance gave its first after 0.4 s at the median, 5 s at the
most. An admission took 2.38 writes, of which 6% lost a race, 6.82 reads, and 0.33 of the control document and records. 14,057
waits were told: before one is, the instance reads every project that another has written to since it last looked, which with ten
at work is most of the eight. And a slot that one instance told of another gives away, so most requests are booked in the end, and a
booking is a write beside the admission's. What is free then ends at ` + number(freeUntil(p, raced, firestoreReads)) + ` requests a day; 10,800 a
day cost ` + fmt.Sprintf("%.2f", estimate(p, raced, 10_800).total()) + ` USD a month. Fewer instances are the way out, and less than one vCPU takes one request each: hence the profile batch.

**The profile batch** is one instance, which has no others to read after and whose commits admit several requests. ` + "`fluxgate bench free --instances 1 --concurrency 80 --share 1 --requests 700`" + `, with the same forty callers, took 0.58 writes and 0.02 reads an
admission, of which none lost a race, and 212 waits were told; Gemini refused none.

| price | USD | for | free | published |
| --- | --- | --- | --- | --- |
`)
	doubts := ""
	for _, price := range p.all() {
		mark, per := "", "a month"
		if price.Doubt != "" {
			mark = " *"
			if doubt := "\n* " + price.Name + ": " + price.Doubt + "."; !strings.HasSuffix(doubts, price.Doubt+".") {
				doubts += doubt
			}
		}
		if price.Daily {
			per = "a day"
		}
		fmt.Fprintf(&b, "| %s | %s%s | %s %s | %s %s | %s |\n",
			price.Name, number(price.USD), mark, number(price.Per), price.Unit, number(price.Free), per, price.Page)
	}
	fmt.Fprintf(&b, "\nLooked up on %s; they are in `internal/cost/prices.go`; `--write-price` and `--read-price` replace two.\n\n"+
		"Not certain:\n%s\n", Surveyed, doubts)
	fmt.Fprintf(&b, `
## Where one deployment ends

- **Gemini's own quota** ends first. Eight projects of the free tier have 10,800 requests a day. A deployment takes up to
  %d keys. With as many projects a decision takes milliseconds where all are used up, and whoever is refused may have every
  document read that others wrote, once a second at most: a pool of hundreds that is used up costs reads.
- **A document of Firestore** takes few commits a second. An instance paces itself to 5 a second for each project, and a
  commit admits whatever has gathered meanwhile, so many callers at a time are admitted far more often than that, and one
  that sends request after request isn't. Every further instance commits for itself, and the slower of two begins again: many
  instances on few projects spend their time on that.
- **Bookings**: %d for each project, at most 10 minutes ahead; where callers have tokens a minute ahead, and one more for
  each of them. Whoever comes after that is told when to come back, and nothing is kept for them.
- **One region**: the database is in one place, and every admission is a commit there. An instance elsewhere adds the round
  trip to each request.

What to do next, in this order:

1. **Paid tiers.** One project of a paid tier has the requests a minute of many free ones, and a deployment works the same
   with it. Its limits are learned, or set in `+"`FLUXGATE_LIMITS`"+`.
2. **Fewer and fuller instances**: a higher concurrency and a lower maximum, before more instances.
3. **Shards**: several deployments, each with projects, secrets and collection of its own (`+"`FLUXGATE_COLLECTION`"+`), and each
   caller at one of them. Two that share a project would each believe that all of its quota is theirs.
4. **Regions**: one shard where the callers are, with its database there.
`, config.MaxKeys, scheduler.MaxBookings)
	_, err := w.Write(b.Bytes())
	return err
}
