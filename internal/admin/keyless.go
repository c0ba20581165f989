package admin

import (
	"context"
	"fmt"
	"strings"

	"fluxgate.dev/fluxgate/internal/validation"
)

// maxTold bounds how many keys an administrator is told of one by one.
const maxTold = 8

// WhyKeyless says in sentences for the caller why no key can serve a request: how many keys there are and what keeps them.
// Administrators are told of each.
func (a *Admin) WhyKeyless(ctx context.Context, administrator bool) string {
	all, err := a.keyStatuses(ctx)
	if err != nil {
		return "No usable key is left for this request, and why can't be read now. Please retry, and see /status."
	}
	n, each, others := map[validation.Status]int{}, []string(nil), ""
	for _, k := range all {
		if k.Provider != "" {
			others = "for another provider, "
		}
		n[k.Status]++
		if k.Status != validation.Healthy && len(each) < maxTold {
			each = append(each, strings.TrimSpace(fmt.Sprintf("key %d is %s %s", k.Index, k.Status, inBrackets(k.Reason))))
		}
	}
	var parts []string
	for _, x := range []struct {
		status validation.Status
		text   string
	}{
		{validation.Invalid, "refused by their provider"}, {validation.Disabled, "disabled by an administrator"}, {validation.Exhausted, "for which every model of the chain is spent, gone or not permitted"},
		{validation.Unknown, "not checked with success"},
		{validation.Healthy, "well, but " + others + "without quota for what was asked, or with no place for one more model until those used in the last minute are quiet"},
	} {
		if n[x.status] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[x.status], x.text))
		}
	}
	said := fmt.Sprintf("None of the %d keys can serve this request: %s. ", len(all), strings.Join(parts, "; "))
	if !administrator {
		return said + "Another model may be served (model auto is the chain); the rest is the operator's to mend. GET /status shows every key."
	}
	if len(each) > 0 {
		said += "In detail: " + strings.Join(each, ", ") + ". "
	}
	return said + "POST /validate looks again, POST /config enables, /status has all of it."
}

// keyStatuses says how the keys do as far as this instance knows: it is what a request has
// just been refused by.
func (a *Admin) keyStatuses(ctx context.Context) ([]keyStatus, error) {
	p, err := a.dispatch.Pool(ctx)
	if err != nil {
		return nil, err
	}
	snapshot, err := a.admission.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	states, err := a.admission.View(ctx, p.IDs())
	if err != nil {
		return nil, err
	}
	n, err := a.notes(ctx, snapshot.Control.Epoch)
	if err != nil {
		return nil, err
	}
	v := &statusView{rules: snapshot.Rules, now: a.admission.Now(), chain: snapshot.Chain("")}
	return v.keys(p, states, n.validation), nil
}

func inBrackets(text string) string {
	if text == "" {
		return ""
	}
	return "(" + text + ")"
}
