package pool

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/admission"
	"fluxgate.dev/fluxgate/internal/keys"
	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/scheduler"
)

func key(index int, project string) keys.Key {
	return keys.Key{Index: index, Project: project, Fingerprint: string(rune('a' + index))}
}

func TestPoolIsByProjectInOrderOfKeys(t *testing.T) {
	p := New([]keys.Key{key(1, "p"), key(2, "q"), key(4, "p")})
	assert.Equal(t, []admission.Project{{ID: "p", Keys: []string{"b", "e"}}, {ID: "q", Keys: []string{"c"}}}, p.Projects)
	assert.Equal(t, []string{"p", "q"}, p.IDs())
	assert.Equal(t, []string{"q"}, p.Only("q").IDs())
	assert.Empty(t, p.Only("r").IDs())
	assert.Equal(t, p.Projects, p.Without(nil))
	assert.Equal(t, p.Projects[1:], p.Without(map[string]bool{"p": true}))
	found, ok := p.ByIndex(4)
	assert.True(t, ok)
	assert.Equal(t, "e", found.Fingerprint)
	_, ok = p.ByIndex(3)
	assert.False(t, ok)
	found, ok = p.ByFingerprint("c")
	assert.True(t, ok)
	assert.Equal(t, 2, found.Index)
}

// Of a project's keys only those are chosen that can be used.
func TestPoolChoosesUsableKeys(t *testing.T) {
	p := New([]keys.Key{key(1, "p"), key(2, "q"), key(4, "p")})
	invalid := &scheduler.Project{Marks: []scheduler.Mark{{Key: "b", Invalid: "API_KEY_INVALID"}}}
	for range 20 {
		found, err := p.Pick("p", invalid)
		require.NoError(t, err)
		assert.Equal(t, 4, found.Index)
		found, ok := p.Any([]*scheduler.Project{invalid, nil}, map[string]bool{"q": true})
		require.True(t, ok)
		assert.Equal(t, 4, found.Index)
	}
	invalid.Marks = append(invalid.Marks, scheduler.Mark{Key: "e", Disabled: true})
	_, err := p.Pick("p", invalid)
	require.ErrorIs(t, err, admission.ErrNoProject)
	_, ok := p.Any([]*scheduler.Project{invalid, nil}, map[string]bool{"q": true})
	assert.False(t, ok)
}

// What concerns a project isn't said of those of its keys that are no good themselves, and who is disabled has no say.
func TestMarksOfAProject(t *testing.T) {
	p := New([]keys.Key{key(1, "p"), key(2, "p"), key(3, "p"), key(4, "q")})
	leaked := scheduler.Mark{Key: "b", Invalid: upstream.ReasonLeaked}
	depleted := scheduler.Mark{Key: "c", Invalid: upstream.ReasonFreeTier}
	state := &scheduler.Project{Marks: []scheduler.Mark{leaked, depleted}}
	var valid []int
	for _, k := range p.Valid("p", state) {
		valid = append(valid, k.Index)
	}
	assert.Equal(t, []int{2, 3}, valid)

	p = New([]keys.Key{key(1, "p"), key(2, "q")})
	agree := func(marks ...scheduler.Mark) bool {
		return p.Agree([]*scheduler.Project{{Marks: marks}, {Marks: marks}}, upstream.ReasonFreeTier)
	}
	other := scheduler.Mark{Key: "b", Invalid: upstream.ReasonFreeTier}
	assert.True(t, agree(other, depleted))
	assert.False(t, agree(other))
	assert.False(t, agree(depleted, leaked))
	assert.True(t, agree(depleted, scheduler.Mark{Key: "b", Disabled: true}))
	assert.False(t, agree(scheduler.Mark{Key: "b", Disabled: true}, scheduler.Mark{Key: "c", Disabled: true}), "nobody has said so")
}

// A request goes to keys of its own provider alone.
func TestPoolOfAProvider(t *testing.T) {
	mine, other := key(1, "p"), key(2, "q")
	mine.Provider, other.Provider = "gemini", "openai"
	both := New([]keys.Key{mine, other})
	assert.Equal(t, []string{"p"}, both.Of("gemini").IDs())
	assert.Equal(t, []string{"q"}, both.Of("openai").IDs())
	assert.Empty(t, both.Of("anthropic").IDs())
	mine.Billing, other.Billing = "account", "account"
	third := key(3, "r")
	third.Provider, third.Billing = "gemini", "account"
	assert.Equal(t, []string{"r"}, New([]keys.Key{mine, other, third}).BilledWith("p"), "each provider has accounts of its own")
	one := New([]keys.Key{mine})
	assert.Same(t, one, one.Of("gemini"))
	assert.Empty(t, one.Of("openai").Keys)
}
