package live_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/journal"
	"fluxgate.dev/fluxgate/internal/geminisim/live"
	"fluxgate.dev/fluxgate/internal/geminisim/tokeniser"
)

const constrainedPath = "/ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContentConstrained"

// mint makes an ephemeral token as alice, with what is asked for.
func (w *world) mint(i *instance, asked string) string {
	w.t.Helper()
	status, text := w.tryToMint(i, aliceToken, asked)
	require.Equal(w.t, http.StatusOK, status, string(text))
	var answer struct{ Name string }
	require.NoError(w.t, json.Unmarshal(text, &answer))
	require.True(w.t, strings.HasPrefix(answer.Name, "auth_tokens/"))
	return answer.Name
}

func (w *world) tryToMint(i *instance, caller, asked string) (status int, text []byte) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, i.URL+"/v1alpha/auth_tokens", strings.NewReader(asked))
	require.NoError(w.t, err)
	req.Header.Set("X-Goog-Api-Key", caller)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return resp.StatusCode, text
}

// A token that was minted here opens sessions in its project at every instance, as often and as
// long as it is good, as its caller. Gemini gets it as the only credential.
func TestEphemeralTokens(t *testing.T) {
	w := newWorldOf(t, 8)
	one, other := w.instance(), w.instance()
	for n := range 6 { // whichever project mints
		token := w.mint(one, `{"uses":2}`)
		for range 2 {
			c, _, err := w.dialPath(other, constrainedPath+"?access_token="+token)
			require.NoError(t, err)
			c.say(setupOf(model))
			require.Contains(t, c.hear(), "setupComplete", n)
			answer, _ := c.turn("Hello")
			assert.Equal(t, geminisim.Translate("Hello"), answer)
			w.end(c)
		}
		opened := w.sim.Live().Opened()
		c, _, err := w.dialPath(one, constrainedPath, "Authorization", "Token "+token)
		require.NoError(t, err)
		c.say(setupOf(model))
		assert.Equal(t, websocket.CloseError{Code: 1008, Reason: "UNAUTHENTICATED: The token is used up, or no new session may begin with it any more."}, c.closed())
		assert.Equal(t, opened, w.sim.Live().Opened(), "Gemini isn't asked")
		assert.NotContains(t, w.logs.String(), token)
	}
	eventually(t, "all are over", func() bool { return w.openAt() == 0 })
}

// What wasn't minted here, isn't good any more or is another's opens nothing, and neither does
// a token of a caller's where an ephemeral one is to be.
func TestEphemeralTokensThatAreNone(t *testing.T) {
	w := newWorld(t)
	i := w.instance()
	token := w.mint(i, `{"uses":0,"expireTime":"`+w.now().Add(time.Hour).UTC().Format(time.RFC3339)+`"}`)
	foreign, refused := w.sim.Live().CreateToken("project-1", nil)
	require.Empty(t, refused)
	var made struct{ Name string }
	require.NoError(t, json.Unmarshal(foreign, &made))
	for name, c := range map[string]struct {
		path   string
		header []string
		status int
	}{
		"minted elsewhere":         {constrainedPath + "?access_token=" + made.Name, nil, http.StatusUnauthorized},
		"a caller's token":         {constrainedPath, []string{"X-Goog-Api-Key", aliceToken}, http.StatusUnauthorized},
		"a caller's as ephemeral":  {constrainedPath + "?access_token=" + aliceToken, nil, http.StatusUnauthorized},
		"two":                      {constrainedPath + "?access_token=" + token, []string{"Authorization", "Token auth_tokens/other"}, http.StatusUnauthorized},
		"another caller's":         {constrainedPath + "?access_token=" + token, []string{"X-Goog-Api-Key", bobToken}, http.StatusForbidden},
		"for what isn't a session": {"/v1beta/models?access_token=" + token, nil, http.StatusUnauthorized},
		"at the other method":      {path + "?access_token=" + token, nil, http.StatusUnauthorized},
		"there, in its header":     {path, []string{"Authorization", "Token " + token}, http.StatusUnauthorized},
		"there, beside the own":    {path + "?access_token=" + token, []string{"X-Goog-Api-Key", aliceToken}, http.StatusUnauthorized},
		"in the place of a token":  {path + "?key=" + token, nil, http.StatusUnauthorized},
	} {
		_, resp, err := w.dialPath(i, c.path, c.header...)
		require.Error(t, err, name)
		assert.Equal(t, c.status, resp.StatusCode, name)
	}
	w.ahead.Store(int64(2 * time.Hour))
	_, resp, err := w.dialPath(i, constrainedPath+"?access_token="+token)
	require.Error(t, err)
	assert.Equal(t, http.StatusUnauthorized, resp.StatusCode, "it has expired")
	assert.Zero(t, w.sim.Live().Opened())
}

// A token for a model is counted for that, whatever the setup names.
func TestTokenOfAModel(t *testing.T) {
	w := newWorld(t, `FLUXGATE_LIMITS={"live":{"rpm":1}}`)
	i := w.instance()
	token := w.mint(i, fmt.Sprintf(`{"uses":0,"bidiGenerateContentSetup":{"model":"models/%s"}}`, model))
	open := func(setup string, header ...string) *client {
		c, _, err := w.dialPath(i, constrainedPath+"?access_token="+token, header...)
		require.NoError(t, err)
		c.say(setup)
		return c
	}
	require.Contains(t, open(setupOf("gemini-other-live")).hear(), "setupComplete")
	assert.Contains(t, open(`{"setup":{}}`).closed().Reason, "RESOURCE_EXHAUSTED: Please retry in")
	// Nor is it asked for by another name where Gemini doesn't have it.
	token = w.mint(i, `{"bidiGenerateContentSetup":{"model":"models/gemini-none-live"}}`)
	before := len(w.sim.Live().Setups())
	assert.Contains(t, open(`{"setup":{}}`, "X-Fluxgate-Fallback", "chain").closed().Reason, "models/gemini-none-live is not found")
	assert.Len(t, w.sim.Live().Setups(), before+1)
}

// What Gemini refuses to a token is neither its project's fault nor its key's: others go on.
func TestTokenThatIsRefused(t *testing.T) {
	for _, after := range []int{0, 1} {
		w := newWorld(t)
		i := w.instance()
		c, _, err := w.dialPath(i, constrainedPath+"?access_token="+w.mint(i, `{}`))
		require.NoError(t, err)
		no := live.Failure{Code: 1008, Reason: "Method doesn't allow unregistered callers (callers without established identity).", After: after}
		w.sim.Live().FailNext(no)
		c.say(setupOf(model))
		if after > 0 {
			c.turn("Hello")
		}
		assert.Equal(t, websocket.CloseError{Code: 1008, Reason: no.Reason}, c.closed())
		eventually(t, "it is settled", func() bool { return strings.Contains(w.logs.String(), `msg="session over"`) })
		for range 4 {
			w.open(i)
		}
		for _, p := range []string{"project-1", "project-2"} {
			assert.Positive(t, w.sim.Live().Open(p, model), p)
		}
	}
}

// resume has a session say a turn, and returns the handle by which it goes on.
func (c *client) handle() string {
	c.t.Helper()
	c.turn("Remember this")
	var m struct{ SessionResumptionUpdate struct{ NewHandle string } }
	require.NoError(c.t, json.Unmarshal([]byte(c.hear()), &m))
	require.NotEmpty(c.t, m.SessionResumptionUpdate.NewHandle)
	return m.SessionResumptionUpdate.NewHandle
}

func resuming(handle string) string {
	return fmt.Sprintf(`{"setup":{"model":"models/%s","sessionResumption":{"handle":"%s"}}}`, model, handle)
}

// A session goes on in its project, whichever instance is asked, a new one too; for another
// caller it isn't there.
func TestResume(t *testing.T) {
	w := newWorldOf(t, 8)
	one := w.instance()
	for range 4 { // whichever project has it
		c := w.connect(one, fmt.Sprintf(`{"setup":{"model":"models/%s","sessionResumption":{}}}`, model))
		require.Contains(t, c.hear(), "setupComplete")
		handle := c.handle()
		w.end(c)

		status, _ := w.tryToMint(one, bobToken, `{"bidi_generate_content_setup":{"sessionResumption":{"handle":"`+handle+`"}}}`)
		assert.Equal(t, http.StatusNotFound, status, "nor in a token")
		w.mint(one, `{"bidiGenerateContentSetup":{"sessionResumption":{"handle":"`+handle+`"}}}`)
		before := len(w.sim.Live().Setups())
		stranger := w.connectAs(one, bobToken, resuming(handle))
		assert.Equal(t, websocket.CloseError{Code: 1008, Reason: "NOT_FOUND: Session not found."}, stranger.closed())
		assert.Len(t, w.sim.Live().Setups(), before, "Gemini isn't asked")

		c = w.connect(w.instance(), resuming(handle))
		require.Contains(t, c.hear(), "setupComplete")
		_, prompt := c.turn("Go on")
		assert.Greater(t, prompt, tokeniser.Count("Go on"), "what was said before counts")
		w.end(c)
	}
	assert.Equal(t, websocket.CloseError{Code: 1008, Reason: "NOT_FOUND: Session not found."}, w.connect(one, resuming("a handle of nobody's")).closed())
}

// However a handle is spelled, it is found before it is read with the project's key.
func TestHandlesInAnySpelling(t *testing.T) {
	w := newWorld(t)
	i := w.instance()
	c := w.connect(i, fmt.Sprintf(`{"setup":{"model":"models/%s","sessionResumption":{}}}`, model))
	require.Contains(t, c.hear(), "setupComplete")
	handle := c.handle()
	require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
	before := len(w.sim.Live().Setups())
	for _, resumption := range []string{
		`"SessionResumption":{"handle":"HANDLE"}`, `"sessionResumption":{"Handle":"HANDLE"}`, `"session_Resumption":{"HANDLE":"HANDLE"}`,
		`"sessionResumption":{},"SESSIONRESUMPTION":{"han_dle":"HANDLE"}`,
	} {
		spelt := strings.ReplaceAll(resumption, `:"HANDLE"`, `:"`+handle+`"`)
		for _, member := range []string{"setup", "Setup", "ſetup"} {
			stranger := w.connectAs(i, bobToken, fmt.Sprintf(`{%q:{"model":"models/%s",%s}}`, member, model, spelt))
			assert.Equal(t, websocket.CloseError{Code: 1008, Reason: "NOT_FOUND: Session not found."}, stranger.closed(), spelt)
		}
		for _, member := range []string{"bidiGenerateContentSetup", "BidiGenerateContentSetup", "BIDI_generateContentSetup"} {
			status, _ := w.tryToMint(i, bobToken, fmt.Sprintf(`{%q:{%s}}`, member, spelt))
			assert.Equal(t, http.StatusNotFound, status, "%s: %s", member, spelt)
		}
	}
	two := w.connect(i, fmt.Sprintf(`{"setup":{"model":"models/%s","Model":"models/gemini-other-live"}}`, model))
	assert.EqualValues(t, 1007, two.closed().Code, "which of them is read isn't known")
	assert.Len(t, w.sim.Live().Setups(), before, "Gemini was asked")
	for _, member := range []string{"SET_UP", "ſetup", "setup" + strings.Repeat("_", 2000)} {
		again := w.open(i)
		again.say(fmt.Sprintf(`{%q:{"model":"models/%s"}}`, member, model))
		assert.EqualValues(t, 1008, again.closed().Code, "a second setup: %s", member)
	}
}

// What a request for a token asks for is known before one is made.
func TestEphemeralTokensAreReadBefore(t *testing.T) {
	w := newWorld(t)
	i := w.instance()
	for _, asked := range []string{
		`{"expireTime":"2126-11-29T06:00:00Z","expire_time":"2126-11-29T05:00:00Z"}`, `{"uses":"many"}`,
		`{"bidiGenerateContentSetup":{"model":"models/` + model + `"},"bidiGenerateContentSetup":{}}`,
	} {
		status, text := w.tryToMint(i, aliceToken, asked)
		assert.Equal(t, http.StatusBadRequest, status, "%s: %s", asked, text)
	}
	assert.False(t, slices.ContainsFunc(w.sim.RequestLog(), func(r journal.Request) bool { return strings.HasSuffix(r.Path, "auth_tokens") }), "one was made")
}

// A token opens sessions as long as the caller's own is good by which it was minted: not when
// that was taken away, and not by another one of the same name.
func TestEphemeralTokensDieWithTheirCallers(t *testing.T) {
	w := newWorld(t)
	token := w.mint(w.instance(), `{"uses":0}`)
	open := func(tokens string) (*http.Response, error) {
		w.env = append(w.env, "FLUXGATE_TOKENS="+tokens)
		_, resp, err := w.dialPath(w.instance(), constrainedPath+"?access_token="+token)
		return resp, err
	}
	const second = "alice-token-of-the-tests-2"
	_, err := open("alice:" + aliceToken + ",alice:" + second)
	require.NoError(t, err, "it rotates")
	for name, tokens := range map[string]string{"rotated": "alice:" + second, "removed": "bob:" + bobToken} {
		resp, err := open(tokens)
		require.Error(t, err, name)
		assert.Equal(t, http.StatusUnauthorized, resp.StatusCode, name)
	}
}

// A token that is used up opens nothing by a handle that somebody has made up, not even where
// handles of before are taken because there is one project, and everybody uses everything.
func TestHandleMadeUp(t *testing.T) {
	w := newWorld(t, "FLUXGATE_RESOURCES=shared", "GEMINI_KEY_2=", "GEMINI_PROJECT_2=")
	i := w.instance()
	token := w.mint(i, `{}`)
	open := func(setup string) *client {
		c, _, err := w.dialPath(i, constrainedPath+"?access_token="+token)
		require.NoError(t, err)
		c.say(setup)
		return c
	}
	c := open(fmt.Sprintf(`{"setup":{"model":"models/%s","sessionResumption":{}}}`, model))
	require.Contains(t, c.hear(), "setupComplete")
	handle := c.handle()
	require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
	before := len(w.sim.Live().Setups())
	assert.Equal(t, websocket.CloseError{Code: 1008, Reason: "UNAUTHENTICATED: The token is used up, or no new session may begin with it any more."}, open(resuming("made-up")).closed())
	assert.Len(t, w.sim.Live().Setups(), before, "Gemini isn't asked")
	assert.Contains(t, open(resuming(handle)).hear(), "setupComplete", "to resume one isn't to begin it")
}

// Where a token is asked for, pages of any origin open sessions with one: it is the page that
// has it, and no browser adds it.
func TestPagesWithTokens(t *testing.T) {
	w := newWorld(t)
	i := w.instance()
	for name, url := range map[string]string{"ephemeral": constrainedPath + "?access_token=" + w.mint(i, `{}`), "its caller's own": path + "?key=" + aliceToken} {
		c, _, err := w.dialPath(i, url, "Origin", "https://app.example", "Cookie", "key="+aliceToken)
		require.NoError(t, err, name)
		c.say(setupOf(model))
		assert.Contains(t, c.hear(), "setupComplete", name)
	}
	_, resp, err := w.dial(i, "Origin", "https://app.example", "Cookie", "key="+aliceToken)
	require.Error(t, err)
	assert.Equal(t, http.StatusUnauthorized, resp.StatusCode)
}
