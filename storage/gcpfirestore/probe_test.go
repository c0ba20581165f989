package gcpfirestore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/emulator/emulatortest"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
	"fluxgate.dev/fluxgate/storage/gcpfirestore"
	"fluxgate.dev/fluxgate/storage/internal/codec"
)

// On the emulator no week passes in a test. A project that learned a limit eight
// days ago is put there, and two instances find out together whether it still
// holds: one of them sends the probe, and both believe its outcome. (A whole week
// of it, in virtual time, is a test of package server.)
func TestProbeOfAnOldLesson(t *testing.T) {
	const model = "gemini-2.5-flash"
	for name, c := range map[string]struct {
		answered bool
		source   scheduler.Source
	}{
		"raised": {true, scheduler.FromOperator},
		"held":   {false, scheduler.FromLearned},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := emulatortest.Client(t)
			taught := scheduler.At(time.Now()).Add(-8 * 24 * time.Hour)
			rules := defaultRules()
			rpm := int64(10)
			rules.Policy = scheduler.NewPolicy([]string{model}, map[string]scheduler.Override{model: {RPM: &rpm}})
			doc, err := codec.New().Pack(rules, taught, &scheduler.Project{
				Latest: taught, NextRank: 1, Calendars: []*scheduler.Calendar{{
					Model: model, Learned: scheduler.Learned{RPM: scheduler.LearnedLimit{Limit: 2, At: taught}},
				}},
			}, nil)
			require.NoError(t, err)
			_, err = client.Doc("fluxgate/project-p").Create(t.Context(), map[string]any{"state": doc.State})
			require.NoError(t, err)
			stores := [2]storage.Store{}
			for i := range stores {
				s := gcpfirestore.New(client, "fluxgate", storage.Options{Pace: -1})
				t.Cleanup(func() { _ = s.Close(t.Context()) })
				stores[i] = s
			}
			var probes []scheduler.Result
			admitted := 0
			for i := range 6 {
				s := stores[i%2]
				require.NoError(t, s.Refresh(t.Context(), []string{"p"}, true))
				result, err := s.Apply(t.Context(), rules, "p", scheduler.Reserve{Model: model, ID: uint64(i + 1), Demand: scheduler.Demand{Tokens: 1}})
				require.NoError(t, err)
				switch {
				case result.Probe != scheduler.NoCause:
					probes = append(probes, result)
				case result.Verdict == scheduler.Admitted:
					admitted++
				}
				time.Sleep(time.Second) // a view is read once a second at most
			}
			assert.Equal(t, 2, admitted, "the lesson holds for everybody else")
			require.Len(t, probes, 1)

			r := probes[0].Reservation
			if c.answered {
				_, err = stores[0].Apply(t.Context(), rules, "p", scheduler.Settle{Model: model, ID: r.ID, Reserved: r, Tokens: 1})
			} else {
				_, err = stores[0].Apply(t.Context(), rules, "p", scheduler.RecordRefusal{Model: model, ID: r.ID, Limits: scheduler.Limits{RPM: 2}})
			}
			require.NoError(t, err)
			for _, s := range stores {
				require.NoError(t, s.Refresh(t.Context(), []string{"p"}, true))
				states, err := s.View(t.Context(), []string{"p"})
				require.NoError(t, err)
				now := s.Now()
				assert.Equal(t, c.source, states[0].Calendar(model).EffectiveLimits(rules, now).RPMFrom)
				assert.Equal(t, scheduler.NoCause, states[0].Calendar(model).Probing(now))
				time.Sleep(time.Second)
			}
		})
	}
}
