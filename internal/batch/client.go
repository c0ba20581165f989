package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/remote"
	"fluxgate.dev/fluxgate/internal/statuses"
)

const maxAnswerBytes = 64 << 20

// outcome says what an exchange means for its request.
type outcome int

const (
	// answered: there is an answer.
	answered outcome = iota
	// refused: come back later.
	refused
	// transient: no usable answer, and another try may bring one.
	transient
	// rejected: this request will never be answered.
	rejected
	// forbidden: no request will be answered.
	forbidden
)

// exchange is the outcome of one HTTP exchange.
type exchange struct {
	outcome outcome
	status  int
	// message is the public text of an error.
	message string
	answer  answer
	// arrived is when the response's header did; a wait counts from there.
	arrived time.Time
	// wait is set when hinted.
	wait   time.Duration
	hinted bool
	// unreachable: no connection could be made at all.
	unreachable bool
}

// answer is the body of a 200 from /generate.
type answer struct {
	Response   *string         `json:"response"`
	KeyUsed    json.RawMessage `json:"key_used"`
	ModelUsed  string          `json:"model_used"`
	TokensUsed int64           `json:"tokens_used"`
	// FinishReason is why the answer ends where it does; empty: it is complete.
	FinishReason string `json:"finish_reason"`
}

// sender speaks to one Fluxgate.
type sender struct {
	client  *http.Client
	access  remote.Access
	timeout time.Duration
}

// generate sends one request once. An exchange that the context ended is broken.
func (s *sender) generate(ctx context.Context, body []byte, turn *remote.Turn) exchange {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.access.URL+"/generate", bytes.NewReader(body))
	if err != nil {
		return exchange{outcome: rejected, message: s.access.Sanitize("making the request: " + err.Error())}
	}
	request.Header.Set("Content-Type", "application/json")
	turn.Ask(request.Header)
	if err := s.access.Authorize(request); err != nil {
		return s.transportFailure(err)
	}

	response, err := s.client.Do(request)
	if err != nil {
		return s.transportFailure(err)
	}
	defer response.Body.Close()
	ex := exchange{status: response.StatusCode, arrived: time.Now()}
	turn.Heard(response.Header)
	if response.StatusCode == http.StatusOK {
		s.readAnswer(&ex, response.Body)
		return ex
	}
	s.readError(&ex, response)
	return ex
}

func (s *sender) transportFailure(err error) exchange {
	unreachable := remote.Unreachable(err)
	// A dial that timed out also counts as an exceeded deadline.
	if errors.Is(err, context.DeadlineExceeded) && !unreachable {
		return exchange{outcome: transient, message: fmt.Sprintf("no answer within %v", s.timeout)}
	}
	return exchange{outcome: transient, message: s.access.Sanitize(remote.Cause(err).Error()), unreachable: unreachable}
}

func (s *sender) readAnswer(ex *exchange, body io.Reader) {
	data, err := io.ReadAll(io.LimitReader(body, maxAnswerBytes+1))
	if err != nil {
		*ex = s.transportFailure(fmt.Errorf("reading the answer: %w", err))
		return
	}
	// What follows was served and paid for: another try would only be paid for again.
	ex.outcome = rejected
	switch {
	case len(data) > maxAnswerBytes:
		ex.message = fmt.Sprintf("the answer is larger than %d bytes: is the URL right?", maxAnswerBytes)
	case json.Unmarshal(data, &ex.answer) != nil || ex.answer.Response == nil:
		ex.message = "the answer isn't one of /generate: is the URL right?"
	default:
		ex.outcome = answered
	}
}

func (s *sender) readError(ex *exchange, response *http.Response) {
	e := s.access.ReadError(response)
	ex.message, ex.wait, ex.hinted = e.Message, e.RetryAfter, e.RetryAfter > 0
	switch {
	case ex.status == http.StatusTooManyRequests, (ex.status == http.StatusServiceUnavailable || ex.status == statuses.Overloaded) && ex.hinted:
		ex.outcome = refused
	case ex.status == http.StatusUnauthorized, ex.status == http.StatusForbidden:
		ex.outcome = forbidden
	case ex.status >= 500, ex.status == http.StatusRequestTimeout:
		ex.outcome = transient
	default:
		ex.outcome = rejected
	}
}
