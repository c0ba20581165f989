package apierror

import (
	"cmp"
	"net/http"
	"time"

	"fluxgate.dev/fluxgate/internal/statuses"
)

// A Code is what an error means to the caller. There are few of them, and one
// table from code to HTTP status and Google's status name.
type Code int

// The codes.
const (
	InvalidArgument Code = iota // the caller can fix it
	NeverFits                   // no project can ever take a request of this size
	BodyTooLarge
	BodyTooSlow
	UnknownCoding // the body's Content-Encoding
	Unauthenticated
	Forbidden
	NotFound
	MethodNotAllowed
	NoUsableKey // every key is disabled, invalid or without quota: waiting doesn't help
	Unguarded   // nobody is let in before an operator says who may be
	Unavailable // it may pass: the store or the keys can't be had, or a key failed
	TimedOut
	Canceled
	Internal
	Loop     // the request came back: it was sent by a Fluxgate
	Unserved // it is known what was asked for, and it isn't served
)

var codes = map[Code]struct {
	http   int
	status string
}{
	InvalidArgument:  {http.StatusBadRequest, "INVALID_ARGUMENT"},
	NeverFits:        {http.StatusBadRequest, "INVALID_ARGUMENT"},
	BodyTooLarge:     {http.StatusRequestEntityTooLarge, "INVALID_ARGUMENT"},
	BodyTooSlow:      {http.StatusRequestTimeout, "DEADLINE_EXCEEDED"},
	UnknownCoding:    {http.StatusUnsupportedMediaType, "INVALID_ARGUMENT"},
	Unauthenticated:  {http.StatusUnauthorized, "UNAUTHENTICATED"},
	Forbidden:        {http.StatusForbidden, "PERMISSION_DENIED"},
	NotFound:         {http.StatusNotFound, "NOT_FOUND"},
	MethodNotAllowed: {http.StatusMethodNotAllowed, "UNIMPLEMENTED"},
	NoUsableKey:      {http.StatusServiceUnavailable, "UNAVAILABLE"},
	Unguarded:        {http.StatusServiceUnavailable, "UNAVAILABLE"},
	Unavailable:      {http.StatusServiceUnavailable, "UNAVAILABLE"},
	TimedOut:         {http.StatusGatewayTimeout, "DEADLINE_EXCEEDED"},
	Canceled:         {statuses.ClientClosed, "CANCELLED"},
	Internal:         {http.StatusInternalServerError, "INTERNAL"},
	Loop:             {http.StatusLoopDetected, "FAILED_PRECONDITION"},
	Unserved:         {http.StatusNotImplemented, "UNIMPLEMENTED"},
}

// HTTP returns the HTTP status of a code.
func (c Code) HTTP() int { return codes[c].http }

// Status returns Google's name of a code.
func (c Code) Status() string { return codes[c].status }

// A Problem is an error with a text for the caller and a cause for the log.
type Problem struct {
	Code   Code
	Public string
	Cause  error // may be nil
	// Again is after how long the same may be tried again, where that is known; 0: it isn't.
	Again time.Duration
}

// Error implements error. It is for the log.
func (p *Problem) Error() string {
	if p.Cause == nil {
		return p.Public
	}
	return p.Public + ": " + p.Cause.Error()
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Cause }

// New returns a problem without a cause.
func New(code Code, public string) *Problem { return &Problem{Code: code, Public: public} }

// Invalid is a field or a header that the caller got wrong. The text must not
// repeat what it holds: that may be a prompt in the wrong place, and the text is
// logged.
func Invalid(field, text string) *Problem { return New(InvalidArgument, field+": "+text) }

// retryUnavailable is the Retry-After of what may have passed by then.
const retryUnavailable = 5 * time.Second

// Write answers with a problem.
func Write(w http.ResponseWriter, f Format, p *Problem) {
	c := codes[p.Code]
	switch {
	case p.Again > 0:
		setOwnRetry(w.Header(), p.Again, Exact)
	case p.Code == Unavailable:
		setOwnRetry(w.Header(), retryUnavailable, Exact)
	case p.Code == Loop || p.Code == Unserved:
		w.Header().Set(shouldRetry, "false") // clients try any 5xx again
	}
	writeOwn(w, f, status{Code: c.http, Message: p.Public, Status: c.status})
}

// An Upstream is an error of upstream's that is passed on.
type Upstream struct {
	HTTPStatus int    // 0: there was no answer
	Status     string // upstream's status name
	Message    string
	Body       []byte // without a key in it; nil: there is none to pass on
	Own        bool   // the body is as clients of its provider know it, and else in Google's shape
	TimedOut   bool   // no complete answer came in time
	From       string // the provider that it is of, for people; empty: Gemini
	// Wait is how long to wait before the same is tried again; 0: not known;
	// negative: waiting doesn't help.
	Wait   time.Duration
	Broken bool // no complete answer came, and the request may have been served
	Failed bool // it is a failure of upstream's, whatever its status, and no refusal
	// Patience is that of the route's clients.
	Patience Patience
}

// WriteUpstream passes an upstream error on as it is. What was no answer of
// upstream's is put in our words: the cause names addresses.
func WriteUpstream(w http.ResponseWriter, f Format, e Upstream) {
	code, name, text := e.HTTPStatus, e.Status, e.Message
	from := cmp.Or(e.From, "Gemini")
	switch {
	case e.TimedOut:
		code, name, text = http.StatusGatewayTimeout, "DEADLINE_EXCEEDED", from+" didn't answer in time. It may have served the request, so it is not sent again."
	case code == 0 && e.Broken:
		code, name, text = http.StatusBadGateway, "UNAVAILABLE", "The connection to "+from+" broke. It may have served the request, so it is not sent again."
	case code == 0:
		code, name, text = http.StatusBadGateway, "UNAVAILABLE", from+" can't be reached, or the connection to it broke."
	}
	e.setRetry(w.Header(), code)
	switch {
	case len(e.Body) > 0 && e.Own:
		writeText(w, code, e.Body)
		return
	case len(e.Body) > 0:
		writeBody(w, f, code, e.Body)
		return
	}
	if name == "" {
		name = "UNAVAILABLE"
	}
	writeOwn(w, f, status{Code: code, Message: text, Status: name})
}

// setRetry says when the same may be tried again. Nothing is said of what may have been served.
func (e *Upstream) setRetry(h http.Header, code int) {
	switch {
	case e.TimedOut || e.Broken:
	case e.Wait < 0, code == http.StatusLoopDetected:
		h.Set(shouldRetry, "false") // clients try any 5xx again
	case e.Wait > 0 && (e.Failed || code >= http.StatusInternalServerError):
		setOwnRetry(h, e.Wait, e.Patience) // upstream's word, and our wait
	case e.Wait > 0:
		setRetry(h, e.Wait, e.Patience)
	case code == http.StatusTooManyRequests:
		// There is room elsewhere, or the caller would have been told our own wait.
		setRetry(h, time.Second, e.Patience)
	case (code == http.StatusServiceUnavailable || code == statuses.Overloaded) && h.Get("Retry-After") == "":
		setRetry(h, retryUnavailable, e.Patience)
	}
}
