package endpoint

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"fluxgate.dev/fluxgate/internal/upstream"
	"fluxgate.dev/fluxgate/internal/upstream/ratelimits"
	"fluxgate.dev/fluxgate/internal/upstream/refusals"
)

// Classify implements upstream.Provider. It is pure and accepts any bytes.
func (c *Client) Classify(status int, body []byte, key string) *upstream.Error {
	read := refusals.OpenAI
	if c.format == Anthropic {
		read = refusals.Anthropic
	}
	redirects := status/100 == 3
	if redirects {
		body = nil // it isn't that provider's answer
	}
	said, r := read(status, body), upstream.NewRedactor(key)
	e := &upstream.Error{
		Provider: c.name, Class: classOf(said), HTTPStatus: said.Status, Status: word(said.Type, r), Reason: word(said.Code, r),
		RetryDelay: said.Wait,
	}
	if e.Named = c.named(said); e.Named == nil {
		e.Violations = violations(said)
	}
	if object := bytes.TrimSpace(body); isObject(object) {
		e.Body = r.JSON(object)
	}
	switch e.Class {
	case upstream.ClassBilling:
		e.Reason = upstream.ReasonBilling
		if said.Scope == refusals.Key {
			e.Reason = upstream.ReasonSpendLimit
		}
	case upstream.ClassDenied:
		e.Reason = upstream.ReasonPermission
	}
	if redirects {
		e.HTTPStatus, said.Message = http.StatusBadGateway, "The provider redirects, which isn't followed: is it asked at the right address?"
	}
	if e.Message = upstream.Clip(r.Text(strings.ToValidUTF8(said.Message, "\uFFFD"))); e.Message == "" {
		e.Message = http.StatusText(e.HTTPStatus)
	}
	return e
}

// isObject reports whether a body is one JSON object.
func isObject(body []byte) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal(body, &object) == nil && object != nil
}

// classOf says what a refusal means for quota, keys and the caller.
func classOf(said refusals.Refusal) upstream.Class {
	switch said.Class {
	case refusals.RateLimit:
		return upstream.ClassMinute
	case refusals.NoQuota:
		return upstream.ClassNoQuota
	case refusals.Spent:
		return upstream.ClassBilling
	case refusals.KeyInvalid:
		return upstream.ClassKeyInvalid
	case refusals.Denied:
		if said.Scope == refusals.Everyone {
			return upstream.ClassCaller // such as a country
		}
		return upstream.ClassDenied
	case refusals.ModelUnknown:
		return upstream.ClassModelUnknown
	case refusals.Overloaded, refusals.Server:
		// Nobody of them charges for what failed (guessed of most, documented by none).
		return upstream.ClassServer
	case refusals.Unsure:
		return upstream.ClassBroken
	}
	return upstream.ClassCaller
}

// violations returns the limit that a refusal names, if it is one of a minute. Those of a day are
// filled evenly there, not counted until a midnight; the delay says when there is room.
func violations(said refusals.Refusal) []upstream.Violation {
	kind := map[ratelimits.Dimension]upstream.Kind{ratelimits.Requests: upstream.RequestsPerMinute, ratelimits.Tokens: upstream.TokensPerMinute,
		ratelimits.InputTokens: upstream.TokensPerMinute}[said.Limit.Dimension]
	if kind == upstream.KindUnknown || said.Limit.Per != time.Minute || said.Limit.Limit < 0 {
		return nil
	}
	return []upstream.Violation{{Kind: kind, Value: said.Limit.Limit}}
}

// named returns the limit of input or of output by itself that a refusal names, of a provider whose headers tell of none; nil: none.
func (c *Client) named(said refusals.Refusal) *ratelimits.Limit {
	l := said.Limit
	if c.counting.inputAlone || l.Dimension != ratelimits.InputTokens && l.Dimension != ratelimits.OutputTokens || l.Per != time.Minute || l.Limit <= 0 {
		return nil
	}
	l.Named = true
	return &l
}

// word returns a type or a code, which refusals has found to be a plain word, unless it is the key.
func word(text string, r upstream.Redactor) string {
	if r.Holds(text) {
		return ""
	}
	return text
}
