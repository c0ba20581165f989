package server_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A conversation stays on the project that served its turn before, while that has room:
// recognised by its leading contents, or by a signature where a client has cut them off.
// Others, and first turns, go to any.
func TestConversationsStayOnTheirProject(t *testing.T) {
	names := []string{"alpha", "beta", "gamma", "delta", "epsilon"}
	turn := func(text, signature string) string {
		return fmt.Sprintf(`{"role":"model","parts":[{"text":%q,"thoughtSignature":%q}]},{"role":"user","parts":[{"text":"and?"}]}`, text, signature)
	}
	for name, c := range map[string]struct {
		path  string
		turns func(i int) [3]string
	}{
		"leading contents": {"/v1beta/models/gemini-2.5-pro:generateContent", func(i int) [3]string {
			first := fmt.Sprintf(`{"contents":[{"role":"user","parts":[{"text":"talk %d"}]}`, i)
			more := `,{"role":"model","parts":[{"text":"yes"}]},{"role":"user","parts":[{"text":"and?"}]}`
			return [3]string{first + "]}", first + more + "]}", first + more + more + "]}"}
		}},
		"signatures": {"/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse", func(i int) [3]string {
			one, two, three := fmt.Sprintf("sig %d a", i), fmt.Sprintf("sig %d b", i), fmt.Sprintf("sig %d c", i)
			return [3]string{
				fmt.Sprintf(`{"contents":[{"parts":[{"text":"%d"}]},%s]}`, i, turn("x", one)),
				fmt.Sprintf(`{"contents":[{"parts":[{"text":"%d"}]},%s,%s]}`, i, turn("x", one), turn("y", two)),
				fmt.Sprintf(`{"contents":[%s,%s]}`, turn("y", two), turn("z", three)), // the beginning is cut off
			}
		}},
		"OpenAI": {"/v1beta/openai/chat/completions", func(i int) [3]string {
			first := fmt.Sprintf(`{"model":"gemini-2.5-pro","messages":[{"role":"system","content":"be brief"},{"role":"user","content":"talk %d"}`, i)
			more := `,{"role":"assistant","content":"yes"},{"role":"user","content":"and?"}`
			return [3]string{first + "]}", first + more + "]}", first + more + more + "]}"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, setup{keys: projects(names...), env: []string{`FLUXGATE_LIMITS={"pro":{"rpm":60}}`}})
				used := map[string]bool{}
				for i := range 20 {
					var of []string
					for _, body := range c.turns(i) {
						a := w.do("POST", c.path, body)
						require.Equal(t, http.StatusOK, a.Code, a.Body.String())
						log := w.sim.Log()
						of = append(of, log[len(log)-1].Project)
					}
					assert.Equal(t, []string{of[0], of[0], of[0]}, of)
					used[of[0]] = true
				}
				assert.Greater(t, len(used), 1, "first turns go to any")
			})
		})
	}
}

// An answer that is to be continued brings a token, in generateContent as in the Interactions
// API, and the request that brings it back goes to the project that gave it.
func TestContinuationsStayOnTheirProject(t *testing.T) {
	for name, c := range map[string]struct{ path, answer, first, second string }{
		"generateContent": {
			"/v1beta/models/gemini-2.5-pro:generateContent", `{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"CONTINUATION","continuationToken":"%s"}]}`,
			`{"contents":[{"parts":[{"text":"%s"}]}]}`, `{"contents":[{"parts":[{"text":"go on"}]}],"continuationToken":"%s"}`,
		},
		"interactions": {
			"/v1beta/interactions", `{"id":"v1_x","status":"incomplete","continuation_token":"%s","usage":{"total_input_tokens":1}}`,
			`{"model":"gemini-2.5-pro","input":"%s"}`, `{"model":"gemini-2.5-pro","input":"go on","continuation_token":"%s"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var of []string
			_, s := stubbed(func(h heard) *http.Response {
				key := h.header.Get("X-Goog-Api-Key")
				of = append(of, key)
				return respond(http.StatusOK, fmt.Sprintf(c.answer, "of "+key), "Content-Type", "application/json")
			})
			s.keys = projects("alpha", "beta", "gamma", "delta", "epsilon")
			s.env = []string{`FLUXGATE_LIMITS={"pro":{"rpm":60}}`}
			w := newWorld(t, s)
			used := map[string]bool{}
			for i := range 20 {
				require.Equal(t, http.StatusOK, w.do("POST", c.path, fmt.Sprintf(c.first, fmt.Sprint("talk ", i))).Code)
				first := of[len(of)-1]
				require.Equal(t, http.StatusOK, w.do("POST", c.path, fmt.Sprintf(c.second, "of "+first)).Code)
				assert.Equal(t, first, of[len(of)-1])
				used[first] = true
			}
			assert.Greater(t, len(used), 1, "first turns go to any")
		})
	}
}

// It is a preference: where that project has no room, another serves.
func TestConversationsGoWhereThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{keys: projects("alpha", "beta"), env: []string{`FLUXGATE_LIMITS={"pro":{"rpm":2}}`}})
		const second = `{"contents":[{"parts":[{"text":"hi"}]},{"role":"model","parts":[{"text":"yes"}]},{"parts":[{"text":"and?"}]}]}`
		of := map[string]int{}
		for range 4 {
			require.Equal(t, http.StatusOK, w.do("POST", unaryPath, second).Code)
		}
		for _, e := range w.sim.Log() {
			of[e.Project]++
		}
		assert.Equal(t, map[string]int{"alpha": 2, "beta": 2}, of)
	})
}

// What one caller says makes no other's requests follow it, and the same first turn, said again, goes to any project.
func TestWhoFollowsAConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{keys: projects("alpha", "beta", "gamma", "delta", "epsilon"), env: []string{
			`FLUXGATE_LIMITS={"pro":{"rpm":600,"rpd":-1}}`, "FLUXGATE_TOKENS=alice:" + aliceToken + ",bobby:" + bobToken,
		}})
		const first = `{"contents":[{"parts":[{"text":"hi"}]}]}`
		const second = `{"contents":[{"parts":[{"text":"hi"}]},{"role":"model","parts":[{"text":"yes"}]},{"parts":[{"text":"and?"}]}]}`
		served := func(token, body string) string {
			a := w.do("POST", unaryPath, body, as(token)...)
			require.Equal(t, http.StatusOK, a.Code, a.Body.String())
			log := w.sim.Log()
			return log[len(log)-1].Project
		}
		begun, follows := map[string]bool{}, 0
		for range 20 {
			alices := served(aliceToken, first)
			begun[alices] = true
			assert.Equal(t, alices, served(aliceToken, second))
			if served(bobToken, first) != alices && served(aliceToken, second) == alices {
				follows++
			}
		}
		assert.Greater(t, len(begun), 1)
		assert.Greater(t, follows, 1)
	})
}
