package price

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// A Pico is an amount of money, in 1e-12 US dollars.
type Pico int64

// Dollars returns an amount in US dollars.
func (p Pico) Dollars() float64 { return float64(p) / 1e12 }

// A Price is what a model costs, in picodollars a token.
type Price struct {
	Input, Output, Cached Pico
	// Over, if not 0, is the number of input tokens above which the whole request costs
	// Long.
	Over int64
	Long *Price
}

// A Table has prices by the names of models.
type Table map[string]Price

// Cost returns what an answer cost: cached are those of the input tokens that a cached content
// held, and output has the thoughts in it. It reports false where the price isn't known. A name that ends in
// -latest or with a version is that of the longest model that begins like it: preview and
// dated versions cost what their model does.
func (t Table) Cost(model string, input, cached, output int64) (Pico, bool) {
	p, ok := t.of(model)
	if !ok {
		return 0, false
	}
	if p.Over > 0 && input > p.Over && p.Long != nil {
		p = *p.Long
	}
	cached = min(max(cached, 0), input)
	return Pico(input-cached)*p.Input + Pico(cached)*p.Cached + Pico(output)*p.Output, true
}

// Batch returns what requests of batches cost: half, and cached tokens what they always do.
// https://ai.google.dev/gemini-api/docs/batch-api says both; of OpenAI's and Anthropic's batches it
// is documented that they cost half.
func (t Table) Batch() Table {
	half := func(p Price) Price {
		p.Input, p.Output = p.Input/2, p.Output/2
		return p
	}
	out := make(Table, len(t))
	for model, p := range t {
		if p.Long != nil {
			long := half(*p.Long)
			p.Long = &long
		}
		out[model] = half(p)
	}
	return out
}

// Dearest returns what an answer costs at most, of the models that have a price.
func (t Table) Dearest(input, cached, output int64) (most Pico) {
	for model := range t {
		cost, _ := t.Cost(model, input, cached, output)
		most = max(most, cost)
	}
	return most
}

// versions are what may follow the name of a model that has a price.
var versions = []string{"-preview", "-latest", "-exp", "-0"}

func (t Table) of(model string) (Price, bool) {
	if p, ok := t[model]; ok {
		return p, true
	}
	best := ""
	for name := range t {
		rest, ok := strings.CutPrefix(model, name)
		if ok && len(name) > len(best) && slices.ContainsFunc(versions, func(v string) bool { return strings.HasPrefix(rest, v) }) {
			best = name
		}
	}
	p, ok := t[best]
	return p, ok
}

// dollars is a price as it is written: US dollars a million tokens.
type dollars struct {
	Input      *float64 `json:"input"`
	Output     *float64 `json:"output"`
	Cached     *float64 `json:"cached"` // default: as input
	Over       int64    `json:"over"`   // input tokens
	InputOver  *float64 `json:"input_over"`
	OutputOver *float64 `json:"output_over"`
	CachedOver *float64 `json:"cached_over"`
}

// Example is a table as Parse takes it.
const Example = `{"gemini-2.5-pro":{"input":1.25,"output":10,"cached":0.125,"over":200000,"input_over":2.5,"output_over":15,"cached_over":0.25}}`

// Parse reads prices in US dollars a million tokens, by model: see Example. What it doesn't
// name of a model's is as dear as input.
func Parse(text string) (Table, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	var in map[string]dollars
	if err := dec.Decode(&in); err != nil || dec.More() {
		return nil, fmt.Errorf("want prices in dollars a million tokens by model, such as %s", Example)
	}
	out := make(Table, len(in))
	var problems []error
	for _, model := range slices.Sorted(maps.Keys(in)) {
		p, err := in[model].price()
		if err != nil {
			problems = append(problems, fmt.Errorf("%q: %w", model, err))
			continue
		}
		out[model] = p
	}
	return out, errors.Join(problems...)
}

func (d dollars) price() (p Price, err error) {
	if d.Input == nil {
		return p, errors.New(`"input" is missing: want it in dollars a million tokens`)
	}
	or := func(value, otherwise *float64) *float64 {
		if value == nil {
			return otherwise
		}
		return value
	}
	var all [6]Pico
	cached := or(d.Cached, d.Input)
	for i, v := range []*float64{d.Input, or(d.Output, d.Input), cached, or(d.InputOver, d.Input), or(d.OutputOver, or(d.Output, d.Input)), or(d.CachedOver, cached)} {
		if !(*v >= 0 && *v <= maxDollars) {
			return p, fmt.Errorf("want dollars a million tokens from 0 to %d", maxDollars)
		}
		all[i] = Pico(math.Round(*v * 1e6))
	}
	p = Price{Input: all[0], Output: all[1], Cached: all[2]}
	if d.Over < 0 {
		return p, errors.New(`"over" is negative: want a number of input tokens`)
	}
	if d.Over > 0 {
		p.Over, p.Long = d.Over, &Price{Input: all[3], Output: all[4], Cached: all[5]}
	}
	return p, nil
}

// maxDollars is far above any price, in dollars a million tokens.
const maxDollars = 10_000

// With returns the table with another's prices in place of its own where both have one.
func (t Table) With(other Table) Table {
	out := maps.Clone(t)
	if out == nil {
		out = make(Table)
	}
	maps.Copy(out, other)
	return out
}
