package apierror

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fluxgate.dev/fluxgate/scheduler"
)

// body is an error in either format.
type body struct {
	Error struct {
		Code    any    `json:"code"`
		Message string `json:"message"`
		Status  string `json:"status"`
		Type    string `json:"type"`
		Details []struct {
			Type       string `json:"@type"`
			RetryDelay string `json:"retryDelay"`
			Violations []struct {
				ID    string `json:"quotaId"`
				Value string `json:"quotaValue"`
			} `json:"violations"`
		} `json:"details"`
	} `json:"error"`
}

func decode(t *testing.T, w *httptest.ResponseRecorder) (out body) {
	t.Helper()
	require.Equal(t, "application/json; charset=utf-8", w.Header().Get("Content-Type"))
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &out), w.Body.String())
	return out
}

// Every code has a row in the table.
func TestCodesAreComplete(t *testing.T) {
	for c := InvalidArgument; c <= Unserved; c++ {
		assert.GreaterOrEqual(t, c.HTTP(), 400, "code %d", c)
		assert.NotEmpty(t, codes[c].status)
	}
	assert.Len(t, codes, int(Unserved)+1)
}

// The cause is for the log alone.
func TestCauseIsNotPublic(t *testing.T) {
	cause := errors.New("dial tcp 10.0.0.1: secret")
	p := &Problem{Code: Unavailable, Public: "Please retry.", Cause: cause}
	for _, f := range []Format{Native, OpenAI} {
		w := httptest.NewRecorder()
		Write(w, f, p)
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.Equal(t, "5", w.Header().Get("Retry-After"))
		assert.NotContains(t, w.Body.String(), "secret")
		assert.Equal(t, "Please retry.", decode(t, w).Error.Message)
	}
	assert.ErrorIs(t, p, cause)
	assert.Contains(t, p.Error(), "secret")
}

func TestWaitNamesWhatStandsInTheWay(t *testing.T) {
	limits := scheduler.Limits{RPM: 5, TPM: 250_000, RPD: 100}
	for name, c := range map[string]struct {
		wait      Wait
		id, value string
	}{
		"a minute's requests":      {Wait{Cause: scheduler.ByRPM}, "GenerateRequestsPerMinutePerProjectPerModel", "5"},
		"a minute's tokens":        {Wait{Cause: scheduler.ByTPM}, "GenerateContentInputTokensPerModelPerMinute", "250000"},
		"a day":                    {Wait{Cause: scheduler.ByDay}, "GenerateRequestsPerDayPerProjectPerModel", "100"},
		"the caller's requests":    {Wait{Cause: scheduler.ByRPM, Caller: "alice"}, "RequestsPerMinutePerCaller", "5"},
		"the caller's tokens":      {Wait{Cause: scheduler.ByTPM, Caller: "alice"}, "InputTokensPerMinutePerCaller", "250000"},
		"the caller's day is over": {Wait{Cause: scheduler.ByRPD, Caller: "alice"}, "RequestsPerDayPerCaller", "100"},
	} {
		t.Run(name, func(t *testing.T) {
			c.wait.Limits, c.wait.Left = limits, 58_001*time.Millisecond
			for _, f := range []Format{Native, OpenAI} {
				w := httptest.NewRecorder()
				WriteWait(w, f, c.wait)
				assert.Equal(t, http.StatusTooManyRequests, w.Code)
				assert.Equal(t, "59", w.Header().Get("Retry-After"), "rounded up")
				assert.Equal(t, "58001", w.Header().Get("Retry-After-Ms"))
				assert.Equal(t, "false", w.Header().Get(BookedHeader))
				assert.NotContains(t, w.Header(), TicketHeader)
				out := decode(t, w)
				require.Len(t, out.Error.Details, 2)
				assert.Equal(t, c.id, out.Error.Details[0].Violations[0].ID)
				assert.Equal(t, c.value, out.Error.Details[0].Violations[0].Value)
				assert.Equal(t, "58.001s", out.Error.Details[1].RetryDelay)
				assert.Contains(t, out.Error.Message, "58.001s")
			}
		})
	}
}

// What is said of a slot is true: where others wait it depends on what each was served.
func TestWaitSaysWhatIsKept(t *testing.T) {
	for said, wait := range map[string]Wait{
		"if there is still no room a slot will be": {},
		"whoever has been served least":            {Contested: true},
		"Others wait, or were served lately":       {Contested: true},
		"A slot is kept for you":                   {Contested: true, Booked: true},
	} {
		w := httptest.NewRecorder()
		wait.Cause, wait.Left = scheduler.ByRPM, time.Minute
		WriteWait(w, Native, wait)
		message := decode(t, w).Error.Message
		assert.Contains(t, message, said)
		assert.Contains(t, message, "try again in 60.000s")
		assert.Contains(t, message, "retry in 60.000s")
	}
}

// A limit of another provider's model is named in that provider's words, and none is Google's.
func TestWaitForOtherProvidersIsInTheirWords(t *testing.T) {
	limits := scheduler.Limits{RPM: 5, TPM: 30_000, RPD: 100}
	const gpt, claude = "openai/gpt-5.5", "anthropic/claude-sonnet-5"
	for _, c := range []struct {
		wait            Wait
		id, value, says string
	}{
		{Wait{Model: gpt, Cause: scheduler.ByRPM}, "RequestsPerMinutePerProjectPerModel", "5", "Rate limit reached for openai/gpt-5.5 on requests per minute (RPM): Limit 5."},
		{Wait{Model: gpt, Cause: scheduler.ByTPM}, "TokensPerMinutePerProjectPerModel", "30000", "on tokens per minute (TPM): Limit 30000."},
		{Wait{Model: gpt, Cause: scheduler.ByRPM, On: scheduler.OfDay(gpt), Beside: "x"}, "RequestsPerDayPerProjectPerModel", "100", "on requests per day (RPD): Limit 100."},
		{Wait{Model: gpt, Cause: scheduler.ByRPM, On: scheduler.OfWindow(gpt, 10*time.Second), Beside: "x"}, "RequestsPer10SecondsPerProjectPerModel", "5", "on requests per 10 seconds: Limit 5."},
		{Wait{Model: gpt, Cause: scheduler.ByTPM, On: scheduler.OfBucket(gpt, time.Hour), Beside: "x"}, "TokensPerHourPerProjectPerModel", "30000", "on tokens per hour (TPH): Limit 30000."},
		{Wait{Model: gpt, Cause: scheduler.ByRPM, On: scheduler.OfPlaces(gpt), Beside: "x"}, "RequestsAtATimePerProjectPerModel", "5", "on requests at a time: Limit 5."},
		{Wait{Model: claude, Cause: scheduler.ByRPM}, "RequestsPerMinutePerProjectPerModel", "5", "This request would exceed the rate limit of 5 requests per minute (model: claude-sonnet-5)."},
		{Wait{Model: claude, Cause: scheduler.ByTPM}, "InputTokensPerMinutePerProjectPerModel", "30000", "rate limit of 30000 input tokens per minute"},
		{Wait{Model: claude, Cause: scheduler.ByTPM, On: scheduler.OfOutputs(claude), Beside: "x"}, "OutputTokensPerMinutePerProjectPerModel", "30000", "rate limit of 30000 output tokens per minute"},
		{Wait{Model: gpt, Cause: scheduler.ByMinute}, "AnswersPerProjectPerModel", "", "Every usable project is busy. Rate limit reached for openai/gpt-5.5: openai's own answer says how long to wait."},
		{Wait{Model: gpt, Cause: scheduler.ByBare}, "AnswersPerProjectPerModel", "", "Rate limit reached for openai/gpt-5.5: openai's own answer refused a request and didn't say for how long."},
		{Wait{Model: claude, Cause: scheduler.ByMinute, On: scheduler.OfDay(claude), Beside: "x"}, "AnswersPerProjectPerModel", "", "This request would exceed the rate limit of anthropic (model: claude-sonnet-5), whose own answer says how long to wait."},
		{Wait{Model: claude, Cause: scheduler.ByBare}, "AnswersPerProjectPerModel", "", "whose own answer refused a request and didn't say for how long."},
	} {
		t.Run(c.id, func(t *testing.T) {
			c.wait.Limits, c.wait.Left = limits, 58_001*time.Millisecond
			for _, f := range []Format{Native, OpenAI, Anthropic} {
				w := httptest.NewRecorder()
				WriteWait(w, f, c.wait)
				assert.Contains(t, w.Body.String(), c.says)
				assert.Contains(t, w.Body.String(), "try again in 58.001s")
				for _, googles := range []string{"GenerateRequests", "generativelanguage", "Quota exceeded for metric"} {
					assert.NotContains(t, w.Body.String(), googles)
				}
				if f == Anthropic {
					continue // which has no details
				}
				violation := decode(t, w).Error.Details[0].Violations[0]
				assert.Equal(t, c.id, violation.ID)
				assert.Equal(t, c.value, violation.Value)
			}
		})
	}
}

// What upstream said passes as it said it, in the format of the route.
func TestUpstreamErrorsPass(t *testing.T) {
	const said = `{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT","details":[{"@type":"x"}]}}`
	w := httptest.NewRecorder()
	WriteUpstream(w, Native, Upstream{HTTPStatus: 400, Body: []byte(said)})
	assert.Equal(t, said, w.Body.String())
	w = httptest.NewRecorder()
	WriteUpstream(w, OpenAI, Upstream{HTTPStatus: 400, Body: []byte(said)})
	out := decode(t, w)
	assert.Equal(t, "no", out.Error.Message)
	assert.Equal(t, "invalid_request_error", out.Error.Type)
	assert.Len(t, out.Error.Details, 1)

	w = httptest.NewRecorder()
	WriteUpstream(w, Native, Upstream{TimedOut: true, Message: "addresses"})
	assert.Equal(t, http.StatusGatewayTimeout, w.Code)
	w = httptest.NewRecorder()
	WriteUpstream(w, Native, Upstream{Message: "dial 10.0.0.1"})
	assert.Equal(t, http.StatusBadGateway, w.Code)
	assert.NotContains(t, w.Body.String(), "10.0.0.1")
}
