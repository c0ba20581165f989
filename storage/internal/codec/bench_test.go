package codec

import (
	"testing"
	"time"

	"fluxgate.dev/fluxgate/scheduler"
)

// BenchmarkPack packs and unpacks a project whose models are all in use, with callers that wait.
func BenchmarkPack(b *testing.B) {
	rules := rulesFor(scheduler.Limits{RPM: 20, TPM: 1_000_000, RPD: 1000})
	now := scheduler.At(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC))
	var p *scheduler.Project
	for i := range uint64(180) {
		model := scheduler.DefaultChain()[i%6]
		p, _ = p.Apply(rules, now+scheduler.Instant(i), scheduler.Reserve{
			Model: model, Demand: scheduler.Demand{Tokens: 10_000}, ID: i<<32 + 1, Hash: i + 1, Book: true, Caller: "caller",
		})
	}
	p = p.Wrote(7, 1)
	c := New(Sections()...)
	b.ReportAllocs()
	for b.Loop() {
		doc, err := c.Pack(rules, now+1000, p, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Unpack(doc); err != nil {
			b.Fatal(err)
		}
	}
}
