package codec

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
)

// A model whose tokens count out of a bucket holds twice as many in its minute. A build that doesn't know that bucket
// finds no more than what it holds, or it would send twice that at once; and what it has written holds.
func TestWiderBesideAnOldBuild(t *testing.T) {
	const model = "groq/llama"
	c, before := New(Sections()...), New(fine, others, buckets, open, idle, services, settings, holds)
	rules, on := sectionRules, scheduler.OfUsed(model)
	learn := func(p *scheduler.Project, on string, tpm int64) *scheduler.Project {
		next, _ := p.Apply(rules, goldenAt, scheduler.RecordRefusal{Model: on, Limits: scheduler.Limits{TPM: tpm}})
		return next
	}
	tpm := func(p *scheduler.Project) int64 { return p.Calendar(model).Learned.TPM.Limit }
	p, _ := (*scheduler.Project)(nil).Apply(rules, goldenAt, scheduler.Reserve{Model: "m-pro", ID: 1})
	p, _ = p.Apply(rules, goldenAt, scheduler.Reserve{Model: model, ID: 2, Demand: scheduler.Demand{Tokens: 1000}})
	p = learn(learn(learn(p, on, 12_000), model, 24_000), "m-pro", 7000).Wrote(1, 1)

	doc := write(t, c, p, nil)
	back := read(t, c, doc)
	assert.EqualValues(t, 24_000, tpm(back), "this build finds what it wrote")
	assert.EqualValues(t, 12_000, back.Calendar(on).Learned.TPM.Limit)
	assert.EqualValues(t, 24_000, tpm(p), "the project that is written stays as it is")
	old := read(t, before, doc)
	assert.EqualValues(t, 12_000, tpm(old))
	assert.EqualValues(t, 7000, old.Calendar("m-pro").Learned.TPM.Limit, "without a bucket it is as it is")
	_, result := old.Apply(rules, goldenAt.Add(time.Second), scheduler.Reserve{Model: model, ID: 3, Demand: scheduler.Demand{Tokens: 11_500}})
	require.Equal(t, scheduler.Refused, result.Verdict)

	doc = write(t, before, old.Wrote(2, 1), doc.Sections)
	back = read(t, c, doc)
	assert.EqualValues(t, 12_000, tpm(back), "the old build wrote last")
	doc = write(t, c, learn(back, model, 24_000).Wrote(1, 2), doc.Sections)
	assert.EqualValues(t, 24_000, tpm(read(t, c, doc)), "the next answer has said so")

	// The bucket has given its place to others: what is remembered of it bounds all the same.
	away := *p
	away.Calendars = nil
	for _, x := range p.Calendars {
		if x.Model == on {
			away.Idle = []scheduler.Idle{scheduler.IdleOf(x)}
		} else {
			away.Calendars = append(away.Calendars, x)
		}
	}
	doc = write(t, c, &away, nil)
	assert.EqualValues(t, 24_000, tpm(read(t, c, doc)))
	assert.EqualValues(t, 12_000, tpm(read(t, before, doc)))

	// What can't be read gives nothing.
	for _, data := range [][]byte{{0}, {8, 2}, {2, 2}, {1, 2}} {
		assert.Equal(t, p, wider.Give(p, data, true), "%v", data)
	}
}
