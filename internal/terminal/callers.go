package terminal

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/remote"
)

// callers shows what callers sent today, who sent most first, and what is left of their own limits
// and budgets.
func (v statusView) callers(b *strings.Builder) {
	all := slices.SortedFunc(slices.Values(v.Callers), func(a, b remote.Caller) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Caller, b.Caller))
	})
	g := v.style.grid(column{name: "CALLER", least: 12}, column{name: "REQUESTS", right: true}, column{name: "TOKENS", right: true}, column{name: "LEFT OF ITS OWN", least: 16})
	for _, c := range all {
		g.row(c.Caller, exact(c.Requests), exact(c.Tokens), leftOf(c))
	}
	g.section(b, "Callers today")
}

// leftOf says what is left of a caller's own limits and budgets.
func leftOf(c remote.Caller) string {
	var all []string
	for _, q := range c.Quotas {
		all = append(all, fmt.Sprintf("%s %s of %s", strings.ToUpper(q.Quota), exact(q.Left), exact(q.Limit)))
	}
	for _, x := range c.Budgets {
		all = append(all, fmt.Sprintf("%s %s of %s", source(x.Name), amount(x, x.Left), amount(x, x.Limit)))
	}
	return strings.Join(all, ", ")
}

// amount writes so much of a budget: tokens, or dollars.
func amount(b remote.Budget, n float64) string {
	if strings.HasPrefix(b.Name, "dollars") {
		return fmt.Sprintf("$%.4f", n)
	}
	return exact(int64(n))
}

// troubles shows the last requests that were told to wait, or failed.
func (v statusView) troubles(b *strings.Builder) {
	g := v.style.grid(column{name: "WHEN"}, column{name: "REQUEST"}, column{name: "CALLER", least: 8}, column{name: "CAUSE"}, column{name: "TOLD", right: true}, modelColumn, column{name: "ROUTE", least: 9})
	for _, x := range v.Troubles[:min(len(v.Troubles), max(0, v.options.Events))] {
		told := "failed"
		if x.Wait > 0 {
			told = durationText(time.Duration(x.Wait*float64(time.Second)) + time.Second - 1)
		}
		g.row(ago(v.Now, x.At), x.ID, x.Caller, causeText(x.Cause), told, x.Model, x.Route)
	}
	g.section(b, "Last refusals and failures")
}

// events shows the last changes that somebody or something made.
func (v statusView) events(b *strings.Builder) {
	g := v.style.grid(column{name: "WHEN"}, column{name: "WHO", least: 8}, column{name: "WHAT", least: 20})
	for _, e := range v.Events[:min(len(v.Events), max(0, v.options.Events))] {
		g.row(ago(v.Now, e.At), e.Who, e.What)
	}
	g.section(b, "Last events")
}
