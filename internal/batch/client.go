package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxAnswerBytes = 64 << 20
	maxErrorBytes  = 1 << 20
	maxMessage     = 500 // characters of a public message that go into a result
	// A day's quota is back in at most 25 hours; a wait beyond this is a broken clock or a broken server.
	maxWait = 7 * 24 * time.Hour
	// A refusal that says "now" is obeyed, but not in a busy loop.
	minWait = 100 * time.Millisecond
)

// verdict says what an exchange means for its request.
type verdict int

const (
	// answered: there is an answer.
	answered verdict = iota
	// refused: come back later.
	refused
	// broken: no usable answer, and another try may bring one.
	broken
	// rejected: this request will never be answered.
	rejected
	// forbidden: no request will be answered.
	forbidden
)

// exchange is the outcome of one HTTP exchange.
type exchange struct {
	verdict verdict
	status  int
	// message is the public text of an error.
	message string
	answer  answer
	// arrived is when the response's header did; a wait counts from there.
	arrived time.Time
	// wait is set when hinted.
	wait   time.Duration
	hinted bool
	// ticket is empty when the response has none; booked is whether the server keeps a slot for it.
	ticket string
	booked bool
	// unreachable: no connection could be made at all.
	unreachable bool
}

// answer is the body of a 200 from /generate.
type answer struct {
	Response   *string         `json:"response"`
	KeyUsed    json.RawMessage `json:"key_used"`
	ModelUsed  string          `json:"model_used"`
	TokensUsed int64           `json:"tokens_used"`
}

// sender speaks to one Fluxgate.
type sender struct {
	client  *http.Client
	base    string
	token   Token
	timeout time.Duration
}

// generate sends one request once. An exchange that the context ended is broken.
func (s *sender) generate(ctx context.Context, body []byte, ticket string) exchange {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+"/generate", bytes.NewReader(body))
	if err != nil {
		return exchange{verdict: rejected, message: s.public("making the request: " + err.Error())}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Fluxgate-Book", "true")
	if ticket != "" {
		request.Header.Set("X-Fluxgate-Ticket", ticket)
	}
	s.authorize(request)

	response, err := s.client.Do(request)
	if err != nil {
		return s.transportFailure(err)
	}
	defer response.Body.Close()
	ex := exchange{
		status:  response.StatusCode,
		arrived: time.Now(),
		ticket:  response.Header.Get("X-Fluxgate-Ticket"),
		booked:  !strings.EqualFold(response.Header.Get("X-Fluxgate-Booked"), "false"),
	}
	if response.StatusCode == http.StatusOK {
		s.readAnswer(&ex, response.Body)
		return ex
	}
	s.readError(&ex, response)
	return ex
}

func (s *sender) authorize(request *http.Request) {
	if s.token != "" {
		request.Header.Set("Authorization", "Bearer "+string(s.token))
	}
}

func (s *sender) transportFailure(err error) exchange {
	var operation *net.OpError
	unreachable := errors.As(err, &operation) && operation.Op == "dial"
	// A dial that timed out also counts as an exceeded deadline.
	if errors.Is(err, context.DeadlineExceeded) && !unreachable {
		return exchange{verdict: broken, message: fmt.Sprintf("no answer within %v", s.timeout)}
	}
	// url.Error repeats the address, which the user knows.
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return exchange{verdict: broken, message: s.public(err.Error()), unreachable: unreachable}
}

func (s *sender) readAnswer(ex *exchange, body io.Reader) {
	data, err := io.ReadAll(io.LimitReader(body, maxAnswerBytes+1))
	if err != nil {
		*ex = s.transportFailure(fmt.Errorf("reading the answer: %w", err))
		return
	}
	// What follows was served and paid for: another try would only be paid for again.
	ex.verdict = rejected
	switch {
	case len(data) > maxAnswerBytes:
		ex.message = fmt.Sprintf("the answer is larger than %d bytes", maxAnswerBytes)
	case json.Unmarshal(data, &ex.answer) != nil || ex.answer.Response == nil:
		ex.message = "the answer isn't one of /generate: is the URL right?"
	default:
		ex.verdict = answered
	}
}

func (s *sender) readError(ex *exchange, response *http.Response) {
	// A body that breaks off still has its status and header.
	data, _ := io.ReadAll(io.LimitReader(response.Body, maxErrorBytes))
	message, retryInfo := readErrorBody(data)
	if message == "" {
		message = strings.TrimSpace(fmt.Sprintf("%d %s", ex.status, http.StatusText(ex.status)))
	}
	ex.message = s.public(message)
	ex.wait, ex.hinted = readWait(response.Header, retryInfo, ex.arrived)
	switch {
	case ex.status == http.StatusTooManyRequests, ex.status == http.StatusServiceUnavailable && ex.hinted:
		ex.verdict = refused
	case ex.status == http.StatusUnauthorized, ex.status == http.StatusForbidden:
		ex.verdict = forbidden
	case ex.status >= 500, ex.status == http.StatusRequestTimeout:
		ex.verdict = broken
	default:
		ex.verdict = rejected
	}
}

// public makes a message fit for a result: short, and without the token should a server echo it.
func (s *sender) public(message string) string {
	if s.token != "" {
		message = strings.ReplaceAll(message, string(s.token), s.token.redacted())
	}
	message = strings.ToValidUTF8(message, "\uFFFD")
	if utf8.RuneCountInString(message) > maxMessage {
		message = string([]rune(message)[:maxMessage]) + "…"
	}
	return message
}

// readWait finds how long a refusal says to wait, the most exact source first. False means it doesn't say.
func readWait(header http.Header, retryInfo string, now time.Time) (time.Duration, bool) {
	if ms, err := strconv.ParseFloat(strings.TrimSpace(header.Get("retry-after-ms")), 64); err == nil {
		if wait, ok := waitOf(ms / 1000); ok {
			return wait, true
		}
	}
	after := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(after, 64); err == nil {
		if wait, ok := waitOf(seconds); ok {
			return wait, true
		}
	} else if date, err := http.ParseTime(after); err == nil {
		if wait, ok := waitOf(max(0, date.Sub(now).Seconds())); ok {
			return wait, true
		}
	}
	if delay, err := time.ParseDuration(retryInfo); err == nil {
		return waitOf(delay.Seconds())
	}
	return 0, false
}

func waitOf(seconds float64) (time.Duration, bool) {
	// Written so that NaN is refused as well.
	if !(seconds >= 0 && seconds <= maxWait.Seconds()) {
		return 0, false
	}
	return max(minWait, time.Duration(math.Round(seconds*float64(time.Second)))), true
}

// readErrorBody finds the message and the RetryInfo of an error body: Google's shape, alone or in an array, or a plain
// {"error": "…"}.
func readErrorBody(data []byte) (message, retryInfo string) {
	var wrapped struct {
		Error json.RawMessage `json:"error"`
	}
	data = bytes.TrimSpace(data)
	if bytes.HasPrefix(data, []byte("[")) {
		var list []json.RawMessage
		if json.Unmarshal(data, &list) != nil || len(list) == 0 {
			return "", ""
		}
		data = list[0]
	}
	if json.Unmarshal(data, &wrapped) != nil {
		return "", ""
	}
	if json.Unmarshal(wrapped.Error, &message) == nil {
		return message, ""
	}
	var status struct {
		Message string            `json:"message"`
		Details []json.RawMessage `json:"details"`
	}
	if json.Unmarshal(wrapped.Error, &status) != nil {
		return "", ""
	}
	for _, raw := range status.Details {
		var detail struct {
			Type       string `json:"@type"`
			RetryDelay string `json:"retryDelay"`
		}
		if json.Unmarshal(raw, &detail) == nil && strings.HasSuffix(detail.Type, "google.rpc.RetryInfo") {
			retryInfo = detail.RetryDelay
		}
	}
	return status.Message, retryInfo
}

// release gives a ticket back. The server drops a booking that nobody returns to, so a failure costs little.
func (s *sender) release(ctx context.Context, ticket string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodDelete, s.base+"/tickets/"+url.PathEscape(ticket), nil)
	if err != nil {
		return fmt.Errorf("releasing a ticket: %w", err)
	}
	s.authorize(request)
	response, err := s.client.Do(request)
	if err != nil {
		return fmt.Errorf("releasing a ticket: %w", err)
	}
	return response.Body.Close()
}
