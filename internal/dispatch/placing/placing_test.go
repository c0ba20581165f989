package placing

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/resources"
)

var now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// file is one that was uploaded so long ago.
func file(project string, ago time.Duration) resources.Resource {
	return resources.Resource{Name: "files/x", Project: project, Expires: now.Add(48*time.Hour - ago)}
}

func store(project string) resources.Resource {
	return resources.Resource{Name: "fileSearchStores/x", Project: project}
}

func TestProject(t *testing.T) {
	var nine []resources.Resource
	for n := range 9 {
		nine = append(nine, file("b", time.Duration(n)*time.Minute))
	}
	ten := append(nine[:9:9], file("b", 9*time.Minute))
	type list = []resources.Resource
	const files, stores = "files", "fileSearchStores"
	for name, c := range map[string]struct {
		kind string
		has  list
		want string
	}{
		"nothing yet":                           {files, nil, ""},
		"beside the file before":                {files, list{file("b", time.Minute), file("a", 2*time.Minute)}, "b"},
		"the file before is old":                {files, list{file("b", 11*time.Minute)}, ""},
		"only what follows at once is together": {files, append(list{file("a", 0)}, ten...), "a"},
		"a group that isn't whole":              {files, nine, "b"},
		"a whole group":                         {files, ten, ""},
		"a file where the stores are":           {files, list{store("b"), store("c"), store("c"), file("a", 0)}, "c"},
		"where the stores are, however many":    {files, append(ten[:10:10], store("b")), "b"},
		"as many stores in two":                 {files, list{store("c"), store("b")}, "b"},
		"a store where the others are":          {stores, list{store("b"), file("a", 0)}, "b"},
		"the first store, after an upload":      {stores, list{file("a", time.Hour), file("b", 2*time.Hour)}, "a"},
		"the first store":                       {stores, nil, ""},
	} {
		assert.Equal(t, c.want, geminis.project(c.kind, c.has, now), name)
	}
}

func TestPlacer(t *testing.T) {
	p := New(nil)
	const files, stores = "files", "fileSearchStores"
	prefers := func(kind string) string {
		project, err := p.Prefers(t.Context(), "anybody", kind)
		require.NoError(t, err)
		return project
	}
	assert.Empty(t, prefers(files))
	fresh := func(project string) resources.Resource {
		return resources.Resource{Name: "files/x", Project: project, Expires: time.Now().Add(48 * time.Hour)}
	}
	p.Made(fresh("a"), resources.Resource{Name: "interactions/x", Project: "c"})
	assert.Equal(t, "a", prefers(files))
	assert.Equal(t, "a", prefers(stores))
	assert.Empty(t, prefers("cachedContents"), "it isn't used together with anything")
	p.Made(store("b"))
	assert.Equal(t, "b", prefers(files))
	p.Gone(store("a"))
	assert.Equal(t, "b", prefers(files), "that was another project's")
	p.Gone(store("b"))
	assert.Equal(t, "a", prefers(files))
	for range 2 * maxKept {
		p.Made(fresh("d"))
	}
	assert.Len(t, p.remembered(), maxKept)
}

// What other providers keep is put together likewise, each provider's apart; whose it is a registry knows.
func TestOtherProviders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(nil)
		prefers := func(kind string) string {
			project, err := p.Prefers(t.Context(), "anybody", kind)
			require.NoError(t, err)
			return project
		}
		made := func(name, project string) { p.Made(resources.Resource{Name: name, Project: project}) }
		made("openai:files/x", "a")
		for _, kind := range []string{"openai:files", "openai:uploads", "openai:vector_stores", "openai:containers"} {
			assert.Equal(t, "a", prefers(kind), kind)
		}
		for _, kind := range []string{"groq:files", "anthropic:v1/files", "files", "fileSearchStores", "openai:responses", "openai:batches"} {
			assert.Empty(t, prefers(kind), kind)
		}
		made("anthropic:v1/files/x", "e")
		made("anthropic:v1/messages/batches/x", "f")
		assert.Equal(t, "e", prefers("anthropic:v1/files"))
		for range group - 1 {
			made("openai:files/x", "a")
		}
		assert.Empty(t, prefers("openai:files"), "a row is full")
		time.Sleep(time.Second)
		made("openai:files/x", "b")
		assert.Equal(t, "b", prefers("openai:files"))
		time.Sleep(together + time.Second)
		assert.Empty(t, prefers("openai:files"))
		made("openai:vector_stores/x", "a")
		assert.Equal(t, "a", prefers("openai:files"), "so that it can be put into it")
		assert.Equal(t, "a", prefers("openai:containers"))
		p.Gone(resources.Resource{Name: "openai:vector_stores/x", Project: "a"})
		assert.Empty(t, prefers("openai:files"))
	})
}
