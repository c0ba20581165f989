package live_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/internal/geminisim"
	"fluxgate.dev/fluxgate/internal/geminisim/journal"
	"fluxgate.dev/fluxgate/internal/geminisim/live"
)

// A session of fifty turns passes as it is, with a key of a project instead of the caller's
// token, and is over at Gemini when the caller leaves.
func TestFiftyTurns(t *testing.T) {
	w := newWorld(t)
	c := w.open(w.instance())
	var last int64
	for i := range 50 {
		text := fmt.Sprintf("Turn %d of a session", i)
		answer, prompt := c.turn(text)
		assert.Equal(t, geminisim.Translate(text), answer)
		assert.Greater(t, prompt, last, "all that was said so far")
		last = prompt
	}
	assert.Equal(t, 1, w.openAt())
	require.NoError(t, c.Close(websocket.StatusNormalClosure, "bye"))
	eventually(t, "the session is over at Gemini", func() bool { return w.openAt() == 0 })
	assert.NotContains(t, w.logs.String(), aliceToken)
	assert.NotContains(t, w.logs.String(), "key-of-project")
}

// Google's SDK for Python asks for v1, unless it is told another version.
func TestVersions(t *testing.T) {
	w := newWorld(t)
	i := w.instance()
	for _, version := range []string{"v1beta", "v1", "v1alpha"} {
		c, _, err := w.dialPath(i, strings.Replace(path, "v1beta", version, 1), "X-Goog-Api-Key", aliceToken)
		require.NoError(t, err, version)
		c.say(setupOf(model))
		require.Contains(t, c.hear(), "setupComplete", version)
		answer, _ := c.turn("Hello")
		assert.Equal(t, geminisim.Translate("Hello"), answer)
	}
}

// Google's SDK for Python spells members with underscores.
func TestUnderscores(t *testing.T) {
	w := newWorld(t)
	c := w.open(w.instance())
	c.say(`{"client_content":{"turns":[{"role":"user","parts":[{"text":"Hello"}]}],"turn_complete":true}}`)
	assert.Contains(t, c.hear(), geminisim.Translate("Hello"))
}

// Auto is a model of sessions, and the rest of the setup stays.
func TestAuto(t *testing.T) {
	w := newWorld(t)
	c := w.connect(w.instance(), ` {"setup" : {"systemInstruction":{"parts":[{"text":"model: auto"}]}, "model":"auto", "x":"models/auto"}} `)
	assert.Contains(t, c.hear(), "setupComplete")
	assert.Equal(t, []string{"models/" + model}, w.sim.Live().Setups())
}

// What Gemini lists for sessions is what auto stands for from then on, newest first.
func TestAutoIsDiscovered(t *testing.T) {
	w := newWorld(t, "FLUXGATE_ADMIN_TOKENS=root:root-token-of-the-tests-3")
	w.sim.AddModel("gemini-4-live", geminisim.Limits{RPM: 100, TPM: 1_000_000, RPD: 1000})
	i := w.instance()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, i.URL+"/refresh-policy", nil)
	require.NoError(t, err)
	req.Header.Set("X-Fluxgate-Token", "root-token-of-the-tests-3")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	for _, auto := range []string{"auto", "models/auto"} {
		c := w.connect(w.instance(), `{"setup":{"model":"`+auto+`"}}`)
		assert.Contains(t, c.hear(), "setupComplete")
	}
	assert.Equal(t, []string{"models/gemini-4-live", "models/gemini-4-live"}, w.sim.Live().Setups())
	w.sim.RemoveModel("gemini-4-live")
	assert.Contains(t, w.connect(i, `{"setup":{"model":"auto"}}`).hear(), "setupComplete")
	assert.Equal(t, "models/"+model, w.sim.Live().Setups()[len(w.sim.Live().Setups())-1], "the next of them")
}

// What is refused before there is a session has an HTTP status; after that a close says it.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	i := w.instance()
	for name, c := range map[string]struct {
		path   string
		header []string
		status int
	}{
		"no token":         {path: path, status: http.StatusUnauthorized},
		"a wrong token":    {path: path, header: []string{"X-Goog-Api-Key", "wrong-token-of-the-tests"}, status: http.StatusUnauthorized},
		"music":            {path: strings.Replace(path, "Content", "Music", 1), header: []string{"X-Goog-Api-Key", aliceToken}, status: http.StatusNotImplemented},
		"a version":        {path: strings.Replace(path, "v1beta", "v7", 1), header: []string{"X-Goog-Api-Key", aliceToken}, status: http.StatusNotFound},
		"from a Fluxgate":  {path: path, header: []string{"X-Goog-Api-Key", aliceToken, "CDN-Loop", "fluxgate"}, status: http.StatusLoopDetected},
		"a key in the URL": {path: path + "?key=wrong-token-of-the-tests", status: http.StatusUnauthorized},
	} {
		_, resp, err := w.dialPath(i, c.path, c.header...)
		require.Error(t, err, name)
		assert.Equal(t, c.status, resp.StatusCode, name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	plain, err := http.NewRequestWithContext(ctx, http.MethodGet, i.URL+path+"?key="+aliceToken, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(plain)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusBadRequest, resp.StatusCode)

	for setup, want := range map[string]websocket.CloseError{
		`[]`:                                  {Code: 1007, Reason: "Request contains an invalid argument."},
		`{"setup":{"model":"a","model":"b"}}`: {Code: 1007, Reason: "Request contains an invalid argument."},
		`{"setup":{"model":"auto"},"setup":{"model":"b"}}`: {Code: 1007, Reason: "Request contains an invalid argument."},
		`{'setup':{'model':'auto'}}`:                       {Code: 1007, Reason: "Request contains an invalid argument."},
		`{"clientContent":{}}`:                             {Code: 1007, Reason: "Request contains an invalid argument."},
		`{"setup":{"model":"../up"}}`:                      {Code: 1008, Reason: "INVALID_ARGUMENT: model"},
		setupOf("gemini-none-live"):                        {Code: 1008, Reason: "models/gemini-none-live is not found for API version v1beta, or is not supported for bidiGenerateContent."},
		`{"setup":{"model":"` + model + `","tools":[{"fileSearch":{}}],"x":{"fileUri":"files/of-bob"}}}`: {Code: 1008, Reason: "NOT_FOUND: No usable project owns files/of-bob"},
	} {
		got := w.connect(i, setup).closed()
		assert.Equal(t, want.Code, got.Code, setup)
		assert.True(t, strings.HasPrefix(got.Reason, want.Reason), "%s: %s", setup, got.Reason)
		assert.LessOrEqual(t, len(got.Reason), 123)
	}
	assert.Zero(t, w.openAt())
}

// Every project has so many sessions at a time; the next is told when to come, with the wait
// first. When one is over its place is free, for every instance.
func TestAtATime(t *testing.T) {
	w := newWorld(t, `FLUXGATE_LIMITS={"live":{"rpm":2}}`)
	one, other := w.instance(), w.instance()
	first := w.open(one)
	for range 3 {
		w.open(other)
	}
	assert.Equal(t, 2, w.sim.Live().Peak("project-1", model))
	refused := w.connect(one, setupOf(model)).closed()
	assert.Equal(t, websocket.StatusInternalError, refused.Code)
	assert.Regexp(t, `^RESOURCE_EXHAUSTED: Please retry in \d+\.\d{3}s\. Every project has its 2 sessions of gemini-3\.8-live, until one ends\.$`, refused.Reason)
	assert.Equal(t, 4, w.sim.Live().Opened())

	require.NoError(t, first.Close(websocket.StatusNormalClosure, ""))
	eventually(t, "its place is free", func() bool {
		c := w.connectAs(other, bobToken, setupOf(model))
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		defer cancel()
		_, _, err := c.Read(ctx)
		return err == nil
	})
	assert.Equal(t, 4, w.openAt())
}

// What an instance had that is gone is free when nothing has extended it for two minutes.
func TestCrash(t *testing.T) {
	w := newWorld(t, `FLUXGATE_LIMITS={"live":{"rpm":1}}`)
	gone, other := w.instance(), w.instance()
	for range 2 {
		w.open(gone)
	}
	require.Contains(t, w.connect(other, setupOf(model)).closed().Reason, "RESOURCE_EXHAUSTED")
	w.ahead.Store(int64(2*time.Minute + 5*time.Second)) // in which it would have extended them
	w.open(other)
}

// The built-in number is a start: Gemini is asked for one more at a time, and when it refuses
// that is believed.
func TestStartIsTried(t *testing.T) {
	w := newWorld(t)
	i := w.instance()
	for _, p := range []string{"project-1", "project-2"} {
		w.sim.Live().SetSessions(p, model, 4)
	}
	for range 8 {
		w.open(i)
	}
	got := w.connect(i, setupOf(model)).closed()
	assert.Equal(t, websocket.StatusInternalError, got.Code)
	assert.Contains(t, got.Reason, "RESOURCE_EXHAUSTED")
	assert.Equal(t, 8, w.openAt())
}

// A refusal of Gemini's for want of sessions is told to nobody where another project has one.
func TestRefusedElsewhere(t *testing.T) {
	w := newWorld(t)
	w.sim.Live().SetSessions("project-1", model, 0)
	i := w.instance()
	for range 3 {
		w.open(i)
	}
	assert.Equal(t, 3, w.sim.Live().Open("project-2", model))
	w.sim.Live().FailNext(live.Failure{Status: http.StatusServiceUnavailable}, live.Failure{Code: 1011, Reason: "Internal error encountered."})
	got := w.connect(i, setupOf(model)).closed()
	assert.Equal(t, websocket.StatusInternalError, got.Code)
}

// Gemini's words may quote the caller's. Those say nothing of a project or a model: what one
// caller is refused keeps nobody else away.
func TestWordsOfTheCaller(t *testing.T) {
	w := newWorld(t, `FLUXGATE_LIMITS={"live":{"rpm":100}}`)
	i := w.instance()
	for _, words := range []string{"spending cap", "RESOURCE_EXHAUSTED, limit: 0", "you exceeded your spend-based rate limit", "no longer available", `a" API key expired, "b`} {
		for _, reason := range []string{
			`Invalid JSON payload received. Unknown name "` + words + `" at 'setup': Cannot find field.`,
			"Invalid value at 'setup' (" + words,
		} {
			refused := live.Failure{Code: 1007, Reason: reason}
			w.sim.Live().FailNext(refused)
			assert.Equal(t, websocket.CloseError{Code: 1007, Reason: reason}, w.connect(i, setupOf(model)).closed())
			c := w.connectAs(i, bobToken, setupOf(model))
			assert.Contains(t, c.hear(), "setupComplete", reason)
			assert.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
		}
	}
}

// What a caller said is in no log, however Gemini or we refuse it, in a setup or in a turn. (The names of files that a
// setup refers to are, as on all routes.)
func TestWordsOfTheCallerAreInNoLog(t *testing.T) {
	const word = "confidential-word"
	silent := func(w *world) {
		t.Helper()
		eventually(t, "they are over", func() bool { return w.openAt() == 0 })
		text := w.logs.String()
		require.NotEmpty(t, text)
		if at := strings.Index(text, word); at >= 0 {
			assert.Failf(t, "the caller's word is in the log", "%s", text[max(0, at-400):min(len(text), at+100)])
		}
	}
	for _, code := range []int{1000, 1001, 1007, 1008, 1011, 1013, 4321} {
		for _, words := range []string{word, "Not allowed: " + word, word + ": RESOURCE_EXHAUSTED", "models/" + word + " is not found for API version v1beta, or is not supported for bidiGenerateContent."} {
			w := newWorld(t)
			i := w.instance()
			w.sim.Live().FailNext(live.Failure{Code: code, Reason: words, After: 1})
			session := w.open(i)
			session.turn(word)
			session.closed()
			w.sim.Live().FailNext(live.Failure{Code: code, Reason: words}) // at the setup
			session = w.connect(i, setupOf(model))
			_, _, _ = session.Read(t.Context()) // another project may serve it
			_ = session.CloseNow()
			silent(w)
		}
	}
	w := newWorld(t)
	i := w.instance()
	for _, setup := range []string{`{"` + word, `{"` + word + `":{}}`, `{"setup":{"model":"auto","` + word + `":` + word + `}}`, word, `{"setup":{"model":"auto","model":"` + word + ` x"}}`, `{"setup":{"model":"../` + word + `/.."}}`} {
		w.connect(i, setup).closed()
	}
	silent(w)
}

// An apostrophe begins no quotation: what is said after it of a key isn't the caller's matter.
func TestWordsWithAnApostrophe(t *testing.T) {
	w := newWorld(t)
	w.sim.Live().FailNext(live.Failure{Code: 1008, Reason: "Method doesn't allow unregistered callers (callers without established identity)."})
	w.open(w.instance())
}

// However Gemini ends a session the caller hears it as it is.
func TestUpstreamsEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("waits in real time, which -short leaves out")
	}
	w := newWorld(t)
	i := w.instance()
	for _, c := range []struct {
		failure live.Failure
		want    websocket.CloseError
	}{
		{live.Failure{Code: 1011, Reason: "Deadline expired before operation could complete.", After: 1}, websocket.CloseError{Code: 1011, Reason: "Deadline expired before operation could complete."}},
		{live.Failure{Code: 1000, After: 1}, websocket.CloseError{Code: 1000}},
		{live.Failure{Code: 4321, Reason: "of its own", After: 1}, websocket.CloseError{Code: 4321, Reason: "of its own"}},
		{live.Failure{After: 1}, websocket.CloseError{Code: 1011, Reason: "UNAVAILABLE: Gemini broke the connection."}},
	} {
		w.sim.Live().FailNext(c.failure)
		session := w.open(i)
		session.turn("Hello")
		assert.Equal(t, c.want, session.closed())
		eventually(t, "it is over", func() bool { return w.openAt() == 0 })
	}
	// An end that Gemini has told before is no failure, and isn't told by anybody else.
	w.sim.Live().SetLongest(time.Second, 500*time.Millisecond)
	session := w.open(i)
	assert.JSONEq(t, `{"goAway":{"timeLeft":"0.500s"}}`, session.hear())
	assert.Equal(t, websocket.CloseError{Code: 1011, Reason: "Deadline expired before operation could complete."}, session.closed())
	w.sim.Live().SetLongest(0, 0)
	eventually(t, "it is settled", func() bool { return strings.Count(w.logs.String(), `msg="session over"`) == 5 })
	assert.Equal(t, 2, strings.Count(w.logs.String(), "upstream failed in mid-answer"), "those that weren't told")
	// At the setup too, where no other project takes it.
	w.sim.Live().FailNext(live.Failure{Code: 1008, Reason: "Your request was blocked."}, live.Failure{Code: 1008, Reason: "Your request was blocked."})
	assert.Equal(t, websocket.CloseError{Code: 1008, Reason: "Your request was blocked."}, w.connect(i, setupOf(model)).closed())
}

// A session that lasts too long, or in which nothing is said, is ended with a reason, and so
// is every one when the instance stops, whether it has been set up or not.
func TestEnds(t *testing.T) {
	if testing.Short() {
		t.Skip("waits in real time, which -short leaves out")
	}
	unhurried(t, 2*time.Second, func(most time.Duration) error {
		w := newWorld(t, "FLUXGATE_TIMEOUT="+most.String())
		i := w.instance()
		begun := time.Now()
		silent, _, err := w.dial(i, "X-Goog-Api-Key", aliceToken)
		require.NoError(t, err)
		long := w.connect(i, setupOf(model))
		if err := long.expect(`{"setupComplete":`); err != nil {
			return err
		}
		late := time.Since(begun)
		text, err := long.next()
		var notice struct{ GoAway struct{ TimeLeft string } }
		if err == nil {
			err = json.Unmarshal([]byte(text), &notice)
		}
		if err != nil {
			return fmt.Errorf("it is told before: %w", err)
		}
		left, err := time.ParseDuration(notice.GoAway.TimeLeft)
		require.NoError(t, err)
		assert.InDelta(t, most/4, left, float64(late/4+50*time.Millisecond), "a quarter of what was left when it was opened")
		for name, c := range map[string]*client{"a session": long, "one without a setup": silent} {
			want := websocket.CloseError{Code: 1001, Reason: "Sessions last " + most.String() + " here (FLUXGATE_TIMEOUT). Connect again, and resume."}
			assert.Equal(t, want, c.closed(), name)
		}
		return nil
	})

	var w *world
	var i *instance
	unhurried(t, 3*time.Second, func(idle time.Duration) error {
		w = newWorld(t, "FLUXGATE_LIVE_IDLE_TIMEOUT="+idle.String())
		i = w.instance()
		c := w.connect(i, setupOf(model))
		if err := c.expect(`{"setupComplete":`); err != nil {
			return err
		}
		for range 4 {
			time.Sleep(idle / 3) // less than the idle time, and more together
			if err := c.Write(t.Context(), websocket.MessageText, []byte(`{"clientContent":{"turns":[{"role":"user","parts":[{"text":"still here"}]}],"turnComplete":true}}`)); err != nil {
				return err
			}
			if err := c.expect(`"turnComplete":true`); err != nil {
				return err
			}
		}
		assert.Equal(t, websocket.CloseError{Code: 1001, Reason: "Nothing was said for " + idle.String() + "."}, c.closed())
		return nil
	})
	eventually(t, "it is over", func() bool { return w.openAt() == 0 })

	c := w.open(i)
	silent, _, err := w.dial(i, "X-Goog-Api-Key", aliceToken)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- i.app.Close(ctx) }()
	for name, c := range map[string]*client{"a session": c, "one without a setup": silent} {
		assert.Equal(t, websocket.CloseError{Code: 1001, Reason: "This instance of Fluxgate is stopping. Connect again, and resume."}, c.closed(), name)
	}
	require.NoError(t, <-stopped)
	eventually(t, "it is over", func() bool { return w.openAt() == 0 })
}

// Where an instance takes one request at a time no session is served, and that is said.
func TestOff(t *testing.T) {
	w := newWorld(t, "FLUXGATE_LIVE=false")
	_, resp, err := w.dial(w.instance(), "X-Goog-Api-Key", aliceToken)
	require.Error(t, err)
	assert.Equal(t, http.StatusNotImplemented, resp.StatusCode)
}

// What a turn uses counts on its model when it is used, for every instance: a session that has
// lasted for long leaves no more of the minute than any other request does.
func TestTurnsCount(t *testing.T) {
	// Neither so many sessions nor their setups fill anything.
	w := newWorld(t, fmt.Sprintf(`FLUXGATE_LIMITS={%q:{"tpm":150000},"live":{"rpm":10000}}`, model), "GEMINI_KEY_2=", "GEMINI_PROJECT_2=")
	one, other := w.instance(), w.instance()
	c := w.open(one)
	w.ahead.Store(int64(10 * time.Minute))
	w.open(other) // it weighs nothing any more
	_, prompt := c.turn(strings.Repeat("word ", 160_000))
	require.Greater(t, prompt, int64(150_000))
	eventually(t, "there is no room", func() bool {
		c := w.connect(other, setupOf(model))
		defer c.CloseNow()
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		defer cancel()
		_, _, err := c.Read(ctx)
		return err != nil
	})
	assert.Contains(t, w.connect(other, setupOf(model)).closed().Reason, "RESOURCE_EXHAUSTED: Please retry in ")
	w.ahead.Add(int64(10 * time.Minute))
	w.open(other)
}

// What sessions used is what their turns cost, to the token, thoughts and what a cache held among
// it, each for its caller.
func TestUsageIsTheSimulatorsBill(t *testing.T) {
	w := newWorld(t, "FLUXGATE_ADMIN_TOKENS=root:root-token-of-the-tests-3", `FLUXGATE_LIMITS={"live":{"rpm":10000}}`)
	i := w.instance()
	sessions := 0
	for _, token := range []string{aliceToken, bobToken} {
		for range 5 {
			c := w.connectAs(i, token, setupOf(model))
			require.Contains(t, c.hear(), "setupComplete")
			for turn := range 10 {
				c.turn(fmt.Sprintf("think %d tokens, cache holds %d tokens, tools read %d tokens: ", turn, turn%4, sessions) + strings.Repeat("word ", sessions*10+turn))
			}
			require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
			sessions++
		}
	}
	type sums struct{ input, cached, tools, output, thoughts int64 }
	var report struct {
		Rows []struct {
			Project, Model, Caller string
			Requests               int64
			Input                  int64 `json:"input_tokens"`
			Cached                 int64 `json:"cached_tokens"`
			Tools                  int64 `json:"tool_tokens"`
			Output                 int64 `json:"output_tokens"`
			Thoughts               int64 `json:"thought_tokens"`
		}
		Total struct{ Requests int64 }
	}
	read := func(by string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, i.URL+"/usage?by="+by, nil)
		require.NoError(t, err)
		req.Header.Set("X-Goog-Api-Key", "root-token-of-the-tests-3")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer func() { _ = resp.Body.Close() }()
		report.Rows, report.Total.Requests = nil, 0
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&report))
	}
	eventually(t, "the last session is counted", func() bool {
		read("project,model")
		return report.Total.Requests == int64(sessions)
	})
	billed, told := map[journal.BillKey]sums{}, map[journal.BillKey]sums{}
	for k, b := range w.sim.Bills() {
		billed[k] = sums{b.Input + b.Tools, b.Cached, b.Tools, b.Output, b.Thoughts}
		assert.Positive(t, b.Cached)
		assert.Positive(t, b.Tools)
		assert.Positive(t, b.Thoughts)
	}
	for _, r := range report.Rows {
		told[journal.BillKey{Project: r.Project, Model: r.Model}] = sums{r.Input, r.Cached, r.Tools, r.Output, r.Thoughts}
	}
	require.NotEmpty(t, billed)
	assert.Equal(t, billed, told)
	read("caller")
	require.Len(t, report.Rows, 2)
	for _, r := range report.Rows {
		assert.EqualValues(t, 5, r.Requests, r.Caller)
	}
}

// Where Fluxgate only watches, a caller's own limits are only noted.
func TestShadow(t *testing.T) {
	w := newWorld(t, "FLUXGATE_SHADOW=true", `FLUXGATE_CALLERS={"alice":{"rpm":1}}`)
	i := w.instance()
	w.open(i)
	w.open(i)
	assert.Contains(t, w.logs.String(), "shadow: sent although it would have waited")
}
