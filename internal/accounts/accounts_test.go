package accounts

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
)

// What is made of who was refused and served when.
func TestWhoIsBilledTogether(t *testing.T) {
	start := scheduler.Instant(1_000_000)
	at := func(seconds int) scheduler.Instant { return start.Add(time.Duration(seconds) * time.Second) }
	type step struct {
		project string
		served  bool
		at      int
	}
	refused := func(project string, at int) step { return step{project, false, at} }
	served := func(project string, at int) step { return step{project, true, at} }
	for name, c := range map[string]struct {
		steps []step
		with  []string // b waits with
	}{
		"once":                     {[]step{refused("a", 0), refused("b", 3)}, nil},
		"twice":                    {[]step{refused("a", 0), refused("b", 3), refused("b", 40), refused("a", 41)}, []string{"a"}},
		"not near":                 {[]step{refused("a", 0), refused("b", 11), refused("b", 40), refused("a", 60)}, nil},
		"itself":                   {[]step{refused("b", 0), refused("b", 3), refused("b", 5)}, nil},
		"of one another, not of c": {[]step{refused("a", 0), refused("b", 3), refused("b", 40), refused("a", 41), refused("c", 42)}, []string{"a"}},
		"then one is served":       {[]step{refused("a", 0), refused("b", 3), refused("b", 40), refused("a", 41), served("a", 80), refused("b", 81)}, nil},
		"the other way round":      {[]step{refused("a", 0), refused("b", 3), refused("b", 40), refused("a", 41), refused("b", 80), served("a", 81)}, nil},
		"both are served":          {[]step{refused("a", 0), refused("b", 3), refused("b", 40), refused("a", 41), served("b", 80), served("a", 81)}, []string{"a"}},
		"served long before":       {[]step{refused("a", 0), refused("b", 3), refused("b", 40), refused("a", 41), served("a", 80), refused("b", 900)}, []string{"a"}},
		"starts again":             {[]step{refused("a", 0), refused("b", 3), served("a", 40), refused("b", 41), refused("a", 90), refused("b", 91)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			any := func(string) bool { return true }
			s := Read(nil, any)
			for _, x := range c.steps {
				if x.served {
					s.Served(x.project, at(x.at))
				} else {
					s.Refused(x.project, at(x.at))
				}
			}
			assert.Equal(t, c.with, s.With("b"))
			stored, err := json.Marshal(s)
			require.NoError(t, err)
			assert.Equal(t, s, Read(stored, any))
			assert.Empty(t, Read(stored, func(project string) bool { return project == "b" }).With("b"), "the others are gone")
			assert.Equal(t, Read(nil, any), Read([]byte("nonsense"), any))
		})
	}
}
