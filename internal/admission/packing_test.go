package admission_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// packed has a test in a bench of several callers with two projects of ten requests and 1000 tokens a
// minute: few has one request left, and 991 tokens, many has room in a few seconds, and a request of
// 600 tokens waits. It does so ten times, or chance would do as well.
func packed(t *testing.T, test func(b *bench, large admission.Request)) {
	for range 10 {
		synctest.Test(t, func(t *testing.T) {
			b := tenAMinute(t, "few", "many")
			b.sendTo(b.others(), 0, 500)
			time.Sleep(5 * time.Second)
			for range 8 {
				b.sendTo(b.others(), 0, 1)
			}
			b.sendTo(b.request(), 0, 1) // so it is her turn, who has had least
			b.sendTo(b.others(), 1, 990)
			large := b.others()
			large.Demand.Tokens = 600
			b.refused(large)
			time.Sleep(56 * time.Second)
			test(b, large)
		})
	}
}

// tenAMinute returns a bench of several callers with projects of ten requests and 1000 tokens a minute.
func tenAMinute(t *testing.T, projects ...string) *bench {
	b := newBench(t, storage.NewMemory(time.Now), projects)
	b.rules.Policy = scheduler.NewPolicy([]string{first, second}, ofTen())
	ctl, err := admission.New(t.Context(), admission.Options{
		Store: b.shared, Shared: true, Rules: func(storage.Control) *scheduler.Rules { return b.rules },
	})
	require.NoError(t, err)
	b.Controller = ctl
	return b
}

func ofTen() map[string]scheduler.Override {
	ten, thousand, unlimited := int64(10), int64(1000), scheduler.Unlimited
	limits := scheduler.Override{RPM: &ten, TPM: &thousand, RPD: &unlimited}
	return map[string]scheduler.Override{first: limits, second: limits}
}

// sendTo sends a request of so many tokens to one project.
func (b *bench) sendTo(req admission.Request, on int, tokens int64) {
	b.Helper()
	req.Demand.Tokens = tokens
	req.Projects = b.pool[on : on+1]
	b.granted(req)
}

// small returns a request of 20 tokens.
func (b *bench) small() admission.Request {
	req := b.request()
	req.Demand.Tokens = 20
	return req
}

// While a large request waits, a small one doesn't take the last request of a project that has
// most of its tokens left, if there is room on another, or is soon: nobody could use the tokens.
func TestSmallRequestsLeaveWhatTheyWouldWaste(t *testing.T) {
	packed(t, func(b *bench, large admission.Request) {
		small := b.small()
		wait := b.refused(small)
		assert.Equal(b, "many", wait.Project)
		assert.LessOrEqual(b, b.left(wait), 5*time.Second)
		assert.Equal(b, "few", b.granted(large).Project)
		b.until(wait.Start)
		b.granted(small)
	})
}

// Who can't wait goes where there is room, whatever is left unused there.
func TestWhoCannotWaitTakesWhatThereIs(t *testing.T) {
	packed(t, func(b *bench, _ admission.Request) {
		small, second := b.small(), time.Second
		small.Within = &second
		assert.Equal(b, "few", b.granted(small).Project)
	})
}

// Nor does a conversation leave its project.
func TestConversationsStayWhereTheyWouldWaste(t *testing.T) {
	packed(t, func(b *bench, _ admission.Request) {
		small := b.small()
		small.Near = "few"
		assert.Equal(b, "few", b.granted(small).Project)
	})
}

// Nobody gets a worse model so that less is left unused, nor what is paid for where something free has room.
func TestPackingTakesNothingWorse(t *testing.T) {
	packed(t, func(b *bench, _ admission.Request) {
		b.apply("many", scheduler.RecordRefusal{Model: first, Block: scheduler.Block{Cause: scheduler.ByDay}})
		small := b.small()
		small.Models = []string{first, second}
		grant := b.granted(small)
		assert.Equal(b, first, grant.Model)
		assert.Equal(b, "few", grant.Project)
	})
	packed(t, func(b *bench, _ admission.Request) {
		own := func(tier scheduler.Tier) *scheduler.Rules {
			return &scheduler.Rules{
				Policy: scheduler.NewTierPolicy(tier, []string{first}, scheduler.Layer{From: scheduler.FromOperator, Overrides: ofTen()}),
				Skew:   scheduler.DefaultSkew, Hold: scheduler.DefaultHold,
			}
		}
		b.rules.Prefer = scheduler.PreferFree
		b.rules.Projects = map[string]*scheduler.Rules{"few": own(scheduler.FreeTier), "many": own(scheduler.Tier1)}
		assert.Equal(b, "few", b.granted(b.small()).Project)
	})
}

// Where others were served lately, who needs many tokens is told of the project on which less stands idle until
// then, if that is no more than twenty seconds later; who is alone is told of the first room that there is. Nobody
// is told a later time than before as long as the earlier one can be kept.
func TestWhoIsToldOfLaterRoom(t *testing.T) {
	for _, alone := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := tenAMinute(t, "bits", "whole", "third")
			other := b.request()
			if !alone {
				other = b.others()
			}
			for range 4 {
				b.sendTo(b.request(), 0, 180)
				time.Sleep(time.Second)
			}
			time.Sleep(25 * time.Second)
			b.sendTo(other, 0, 180)
			time.Sleep(10 * time.Second)
			b.sendTo(b.request(), 1, 950)
			time.Sleep(5 * time.Second)
			b.sendTo(b.request(), 2, 950)
			time.Sleep(15 * time.Second)
			large := b.request()
			large.Demand.Tokens = 900
			wait := b.refused(large)
			if alone {
				assert.Equal(t, "bits", wait.Project)
				return
			}
			assert.Equal(t, "whole", wait.Project)
			b.apply("whole", scheduler.RecordRefusal{Model: first, Block: scheduler.Block{Cause: scheduler.Unavailable, Until: scheduler.Never}})
			time.Sleep(time.Second)
			assert.LessOrEqual(t, b.refused(large).Start, wait.Start)
		})
	}
}
