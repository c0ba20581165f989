package storage_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/scheduler"
	"fluxgate.dev/fluxgate/storage"
)

// A caller that asks for a booking gets one, even from an instance to which every
// project still looks free because another instance has just filled them all.
func TestBookingOnStaleViews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const projects = 12
		one, unlimited := int64(1), scheduler.Unlimited
		rules := defaultRules()
		rules.Policy = scheduler.NewPolicy([]string{crowdModel}, map[string]scheduler.Override{
			crowdModel: {RPM: &one, TPM: &unlimited, RPD: &unlimited},
		})
		db := storage.NewFake(5 * time.Millisecond)
		var controllers [2]*admission.Controller
		var stores [2]storage.Store
		for i := range controllers {
			stores[i] = (&storage.Line{DB: db}).Open(t, storage.Options{})
			g, err := admission.New(t.Context(), admission.Options{Store: stores[i], Rules: func(storage.Control) *scheduler.Rules { return rules }})
			require.NoError(t, err)
			controllers[i] = g
		}
		n := 0
		request := func() admission.Request {
			n++
			req := admission.Request{Caller: "alice", Hash: uint64(n), Models: []string{crowdModel}, Demand: scheduler.Demand{Tokens: 1}, Book: true}
			for i := range projects {
				id := fmt.Sprintf("p%d", i)
				req.Projects = append(req.Projects, admission.Project{ID: id, Keys: []string{"key-of-" + id}})
			}
			return req
		}
		_, err := stores[1].View(t.Context(), []string{"p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11"})
		require.NoError(t, err)
		for range projects {
			grant, _, err := controllers[0].Admit(t.Context(), request())
			require.NoError(t, err)
			require.NotNil(t, grant)
		}
		time.Sleep(2 * time.Second) // no document is read twice in one
		reads, _ := db.Asked()
		grant, wait, err := controllers[1].Admit(t.Context(), request())
		require.NoError(t, err)
		require.Nil(t, grant)
		assert.True(t, wait.Booked)
		after, _ := db.Asked()
		assert.LessOrEqual(t, after-reads, int64(2*projects), "every document once, and those of lost races")
	})
}
