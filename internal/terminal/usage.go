package terminal

import (
	"fmt"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/remote"
)

// Usage shows what was used.
func Usage(u *remote.Usage, style Style) string {
	var b strings.Builder
	b.WriteString(style.field("from", style.clock(u.From, "2006-01-02 15:04:05")))
	b.WriteString(style.field("to", style.clock(u.To, "2006-01-02 15:04:05")))
	g := style.grid(column{name: "DAY"}, column{name: "PROJECT", least: 8}, modelColumn, column{name: "CALLER", least: 6},
		column{name: "REQUESTS", right: true}, column{name: "REFUSED", right: true}, column{name: "FAILED", right: true},
		column{name: "INPUT", right: true}, column{name: "CACHED", right: true}, column{name: "OUTPUT", right: true}, column{name: "THOUGHT", right: true},
		column{name: "USD", right: true}, column{name: "WAIT P95", right: true}, column{name: "ANSWER P95", right: true})
	total := u.Total
	total.Day = "total"
	for _, r := range append(u.Rows, total) {
		g.row(r.Day, r.Project, r.Model, r.Caller, some(r.Requests), some(r.Refused), some(r.Failed), some(r.Input), some(r.Cached),
			some(r.Output), some(r.Thoughts), usd(r), lasted(r.WaitP95), lasted(r.TookP95))
	}
	b.WriteString("\n" + g.String())
	if len(u.Budgets) > 0 {
		g := style.grid(column{name: "BUDGET"}, column{name: "LIMIT", right: true}, column{name: "LEFT", right: true}, column{name: "UNTIL"})
		for _, x := range u.Budgets {
			g.row(source(x.Name), amount(x, x.Limit), amount(x, x.Left), style.clock(x.Resets, "2006-01-02 15:04:05"))
		}
		b.WriteString("\n" + g.String())
	}
	if u.Total.Unpriced > 0 {
		fmt.Fprintf(&b, "\nThe price of %s answers isn't known; FLUXGATE_PRICES can name it.\n", exact(u.Total.Unpriced))
	}
	if u.Total.Unmetered > 0 {
		fmt.Fprintf(&b, "\n%s answers said nothing of their tokens; their input is what was reckoned with.\n", exact(u.Total.Unmetered))
	}
	return b.String()
}

// some is a number, and nothing for 0.
func some(n int64) string {
	if n == 0 {
		return ""
	}
	return exact(n)
}

// usd is what a row cost at list price, as far as that is known.
func usd(r remote.UsageRow) string {
	if r.Dollars == 0 {
		return ""
	}
	return fmt.Sprintf("%.4f", r.Dollars)
}

// lasted is a duration in seconds, and nothing for 0.
func lasted(seconds float64) string {
	if seconds == 0 {
		return ""
	}
	return time.Duration(seconds * float64(time.Second)).Round(100 * time.Millisecond).String()
}
