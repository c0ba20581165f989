package server_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/storage"
)

// interactionsPath is where interactions are made.
const interactionsPath = "/v1beta/interactions"

// interactionView is what is asserted of an interaction.
type interactionView struct {
	ID, Model, Status string
	Steps             []struct{ Content []struct{ Text string } }
	Usage             struct {
		Input int64 `json:"total_input_tokens"`
	}
}

func (a answer) interaction() (out interactionView) {
	a.t.Helper()
	require.Equal(a.t, http.StatusOK, a.Code, a.Body.String())
	require.NoError(a.t, json.Unmarshal(a.Body.Bytes(), &out))
	return out
}

// Turns of a conversation go to the project that has it, whichever instance is asked, and
// count what was said before. It isn't there for others.
func TestConversationsStayWithTheirProject(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, open func() storage.Store) {
		w, _ := manyProjects(t, open())
		first := w.do("POST", interactionsPath, `{"model":"gemini-2.5-flash","input":"`+strings.Repeat("many words ", 50)+`"}`, as(aliceToken)...)
		one := first.interaction()
		key := first.Header().Get("X-Fluxgate-Key")
		assert.Equal(t, "completed", one.Status)
		assert.Equal(t, geminisim.Translate(strings.Repeat("many words ", 50)), one.Steps[0].Content[0].Text)

		previous := one.ID
		for range 3 {
			w.served = w.instanceOver(open())
			next := w.do("POST", interactionsPath, `{"model":"gemini-2.5-flash","input":"and then?","previous_interaction_id":"`+previous+`"}`, as(aliceToken)...)
			turn := next.interaction()
			assert.Equal(t, key, next.Header().Get("X-Fluxgate-Key"))
			assert.Greater(t, turn.Usage.Input, 2*one.Usage.Input-10, "what was said before counts")
			previous = turn.ID
		}
		for _, token := range []string{bobToken} {
			assert.Equal(t, http.StatusNotFound, w.do("POST", interactionsPath, `{"model":"auto","input":"hi","previous_interaction_id":"`+previous+`"}`, as(token)...).Code)
			for _, method := range []string{"GET", "DELETE"} {
				assert.Equal(t, http.StatusNotFound, w.do(method, interactionsPath+"/"+previous, "", as(token)...).Code)
			}
			assert.Equal(t, http.StatusNotFound, w.do("POST", interactionsPath+"/"+previous+"/cancel", "", as(token)...).Code)
		}
		assert.Equal(t, previous, w.do("GET", interactionsPath+"/"+previous, "", as(aliceToken)...).interaction().ID)
		assert.Equal(t, previous, w.do("GET", interactionsPath+"/"+previous, "", as(adminToken)...).interaction().ID)
		require.Equal(t, http.StatusOK, w.do("DELETE", interactionsPath+"/"+previous, "", as(aliceToken)...).Code)
		assert.Equal(t, http.StatusNotFound, w.do("GET", interactionsPath+"/"+previous, "", as(aliceToken)...).Code)
	})
}

// Whichever of two models Gemini takes is the one that counts.
func TestTwoModelsAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		for _, body := range []string{
			`{"model":"gemini-2.5-flash","Model":"gemini-2.5-pro","input":"hi"}`, `{"MODEL":"gemini-2.5-pro","model":"gemini-2.5-flash","input":"hi"}`,
		} {
			a := w.do("POST", interactionsPath, body)
			assert.Equal(t, a.Header().Get("X-Fluxgate-Model"), a.interaction().Model, body)
		}
	})
}

// A turn is admitted with what was said before, and settled by what Gemini counted.
func TestConversationsWeighWhatWasSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{})
		one := w.do("POST", interactionsPath, `{"model":"gemini-2.5-flash","input":"`+strings.Repeat("many words ", 500)+`"}`).interaction()
		w.served = w.instance() // which has heard of none of it
		w.do("POST", interactionsPath, `{"model":"gemini-2.5-flash","input":"and?","stream":true,"previous_interaction_id":"`+one.ID+`"}`)
		var counted int64
		for _, e := range w.sim.Log() {
			counted += e.Tokens
		}
		days := w.calendar("alpha", flash).Days
		require.Len(t, days, 1)
		assert.Equal(t, counted, days[0].Tokens)
		assert.Contains(t, w.logs.String(), "exact=true")
		assert.Greater(t, w.logs.number(t, "request", "tokens"), 2*one.Usage.Input-10, "as it was admitted")
	})
}

// Events pass as they come, and whose the interaction is is known before the caller is told its ID.
func TestInteractionsStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := shared(t, nil)
		a := w.do("POST", "/interactions", `{"model":"auto","input":"Hello over there","stream":true}`, append(as(aliceToken), "Api-Revision", "2026-05-20")...)
		require.Equal(t, http.StatusOK, a.Code, a.Body.String())
		text := a.Body.String()
		assert.True(t, strings.HasPrefix(text, "event: interaction.created\ndata: "), text)
		assert.True(t, strings.HasSuffix(text, "data: [DONE]\n\n"), text)
		assert.Equal(t, "gemini-2.5-pro", a.Header().Get("X-Fluxgate-Model"))
		log := w.sim.RequestLog()
		assert.Contains(t, log[len(log)-1].Headers, "Api-Revision")
		_, rest, _ := strings.Cut(text, `"id":"`)
		id, _, _ := strings.Cut(rest, `"`)

		again := w.do("GET", interactionsPath+"/"+id+"?stream=true&last_event_id=2", "", as(aliceToken)...)
		require.Equal(t, http.StatusOK, again.Code)
		assert.True(t, strings.HasSuffix(text, again.Body.String()), "it goes on behind that event")
		assert.NotContains(t, again.Body.String(), "interaction.created")
	})
}

// What isn't kept upstream is nobody's; what is made in the background is told at once and can be cancelled.
func TestInteractionsInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := shared(t, nil)
		assert.Empty(t, w.do("POST", interactionsPath, `{"model":"auto","input":"hi","store":false}`, as(aliceToken)...).interaction().ID)
		start := func(who string) interactionView {
			out := w.do("POST", interactionsPath, `{`+who+`,"input":"Hello","background":true}`, as(aliceToken)...).interaction()
			assert.Equal(t, "in_progress", out.Status)
			return out
		}
		one, two := start(`"model":"gemini-2.5-flash"`), start(`"agent":"deep-research-pro-preview-12-2025"`)
		assert.Equal(t, "cancelled", w.do("POST", interactionsPath+"/"+two.ID+"/cancel", "", as(aliceToken)...).interaction().Status)
		time.Sleep(3 * time.Second)
		done := w.do("GET", interactionsPath+"/"+one.ID, "", as(aliceToken)...).interaction()
		assert.Equal(t, "completed", done.Status)
		assert.Equal(t, "Hillu", done.Steps[0].Content[0].Text)
	})
}

// Waits and mistakes are told in the API's own format, whose codes are texts.
func TestInteractionsErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, oneAMinute())
		var out struct {
			Error struct{ Code, Message string }
		}
		tell := func(a answer, status int, code string) string {
			t.Helper()
			require.Equal(t, status, a.Code, a.Body.String())
			require.NoError(t, json.Unmarshal(a.Body.Bytes(), &out))
			assert.Equal(t, code, out.Error.Code)
			return out.Error.Message
		}
		tell(w.do("POST", interactionsPath, `{"input":"hi"}`), http.StatusBadRequest, "invalid_argument")
		tell(w.do("POST", interactionsPath, `{"model":"auto"`), http.StatusBadRequest, "invalid_argument")
		tell(w.do("GET", interactionsPath+"/nobodys", ""), http.StatusNotFound, "not_found")
		w.do("POST", interactionsPath, `{"model":"auto","input":"hi"}`).interaction()
		a := w.do("POST", interactionsPath, `{"model":"auto","input":"hi"}`)
		assert.Contains(t, tell(a, http.StatusTooManyRequests, "resource_exhausted"), "retry in")
		assert.NotEmpty(t, a.Header().Get("Retry-After"))
		assert.NotEmpty(t, a.Header().Get("X-Fluxgate-Ticket"))
		assert.Zero(t, w.sim.Stats().Refused)
	})
}
