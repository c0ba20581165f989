package storage_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/gate"
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
		var gates [2]*gate.Gate
		for i := range gates {
			g, err := gate.New(t.Context(), (&storage.Line{DB: db}).Open(t, storage.Options{}), rules)
			require.NoError(t, err)
			gates[i] = g
		}
		n := 0
		request := func() gate.Request {
			n++
			req := gate.Request{Caller: "alice", Hash: uint64(n), Chain: []string{crowdModel}, Demand: scheduler.Demand{Tokens: 1}, Book: true}
			for i := range projects {
				id := fmt.Sprintf("p%d", i)
				req.Projects = append(req.Projects, gate.Project{ID: id, Keys: []string{"key-of-" + id}})
			}
			return req
		}
		_, err := gates[1].Store().View(t.Context(), []string{"p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11"})
		require.NoError(t, err)
		for range projects {
			grant, _, err := gates[0].Admit(t.Context(), request())
			require.NoError(t, err)
			require.NotNil(t, grant)
		}
		time.Sleep(2 * time.Second) // no document is read twice in one
		reads, _ := db.Asked()
		grant, wait, err := gates[1].Admit(t.Context(), request())
		require.NoError(t, err)
		require.Nil(t, grant)
		assert.True(t, wait.Booked)
		after, _ := db.Asked()
		assert.LessOrEqual(t, after-reads, int64(2*projects), "every document once, and those of lost races")
	})
}
