package geminisim

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// maxBody is how much of a request body is read, in bytes: the 100 MiB that
// the real service takes inline since 2026.
const maxBody = 100 << 20

// call is one HTTP request on its way through the server.
type call struct {
	s *Server
	w http.ResponseWriter
	r *http.Request
	route
	body        []byte
	arrived     time.Time
	credentials []presented
	who         identity
	model       string // for the log
	tokens      int64
	cached      int64 // of tokens, those of a cached content
	streaming   bool
	recorded    bool
	breaks      *apiError // a stream ends with it on its way
	seen        *Request  // the entry in the request log, guarded by s.mu
	status      int       // that was sent
	answered    bool      // nothing is left to be sent
	hungUp      bool      // the client did, before that
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{s: s, w: w, r: r, route: parseRoute(r.Method, r.URL.Path), credentials: credentialsOf(r)}
	c.model = c.route.model
	defer c.finish() // a reset is a panic
	if err := c.serve(); err != nil {
		c.fail(err)
	}
}

func (c *call) serve() *apiError {
	if c.op == opUpload {
		return c.upload()
	}
	var err error
	c.body, err = io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	c.arrived = c.s.now()
	refused := c.authenticate()
	c.enter()
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return invalidArgument(fmt.Sprintf("Request payload size exceeds the limit: %d bytes.", maxBody))
	case err != nil: // it never arrived
		c.op = opNone
		return errCancelled()
	case c.op == opNone:
		return errNoSuchURL()
	case refused != nil:
		return refused
	}
	switch c.op {
	case opListModels:
		return c.listModels()
	case opGetModel:
		return c.getModel()
	case opGenerate, opStream:
		return c.generate()
	case opCount:
		return c.count()
	case opEmbed:
		return c.embed()
	case opBatchEmbed:
		return c.batchEmbed()
	case opChat:
		return c.chat()
	case opOpenAIEmbeddings:
		return c.openAIEmbeddings()
	case opOpenAIModels:
		return c.openAIModels()
	case opOpenAIModel:
		return c.openAIModel()
	default:
		return c.resource()
	}
}

// resource serves the requests for files and cached contents.
func (c *call) resource() *apiError {
	switch c.op {
	case opListFiles:
		return c.listFiles()
	case opGetFile:
		return c.getFile()
	case opDeleteFile:
		return c.deleteFile()
	case opCreateCache:
		return c.createCache()
	case opListCaches:
		return c.listCaches()
	case opGetCache:
		return c.getCache()
	case opPatchCache:
		return c.patchCache()
	default:
		return c.deleteCache()
	}
}

func errNoSuchURL() *apiError {
	return &apiError{code: http.StatusNotFound, status: "NOT_FOUND", message: "The requested URL was not found on this server."}
}

// authenticate takes the key from the one place where it may be.
func (c *call) authenticate() *apiError {
	switch len(c.credentials) {
	case 0:
		return errNoKey()
	case 1:
	default:
		return errManyCredentials()
	}
	p := c.credentials[0]
	// The native routes expect an OAuth token in Authorization.
	if p.Form == FormAuthorization || p.Form == FormBearer && !c.openai {
		return errBearer()
	}
	who, known := c.s.lookup(p.value)
	if !known {
		c.who.fingerprint = p.Fingerprint
		return errKeyState(KeyInvalid, "", "", "")
	}
	c.who = who
	return errKeyState(who.state, p.value, who.project, c.op.rpc(c.version))
}

// fail ends a request with an error.
func (c *call) fail(e *apiError) {
	if c.op.logged() && !c.recorded {
		c.s.mu.Lock()
		c.s.record(c.entry(c.arrived, e.code, e.logReason(), 0), nil)
		c.s.mu.Unlock()
		c.logRequest(e.code, e.logReason())
	}
	switch e.drop {
	case resetConnection:
		c.reset()
	case hang:
		<-c.r.Context().Done()
		c.fail(errCancelled())
	default:
		if e.code == statusCancelled {
			c.hungUp = true
		}
		c.writeJSON(e.code, e.body(c.errorsInArray()))
	}
}

// statusCancelled is what is logged of a request whose client hung up.
const statusCancelled = 499

func errCancelled() *apiError {
	return &apiError{code: statusCancelled, status: "CANCELLED", message: "The operation was cancelled."}
}

// reset drops the connection so that the client sees a reset, not an end.
func (c *call) reset() {
	c.answered = true // it was the server that hung up
	conn, _, err := http.NewResponseController(c.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the in-memory transport, or HTTP/2
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // close with RST
	}
	_ = conn.Close()
}

// errorsInArray tells whether errors come as [{"error":…}].
func (c *call) errorsInArray() bool {
	return c.openai || c.op == opStream && !c.sse()
}

func (c *call) sse() bool { return c.r.URL.Query().Get("alt") == "sse" }

func (c *call) writeJSON(code int, body []byte) {
	c.w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	c.writeHeader(code)
	_, err := c.w.Write(body)
	c.sent(err)
}

// sent notes that the last of the answer was written, or couldn't be.
func (c *call) sent(err error) {
	c.answered = err == nil
	c.hungUp = c.hungUp || err != nil
}

func (c *call) writeHeader(code int) {
	if code != statusCancelled {
		c.status = code
	}
	c.w.WriteHeader(code)
}

// admit charges a request to the quota, or refuses it, or lets it fail as
// injected, and enters the outcome in the log.
func (c *call) admit(m *model, requests, tokens int64) *apiError {
	c.model, c.tokens, c.recorded = m.resolved, tokens, true
	e := c.decide(m, requests, tokens)
	switch {
	case e != nil:
		c.logRequest(e.code, e.logReason())
	case c.breaks != nil:
		c.logRequest(http.StatusOK, c.breaks.logReason())
	default:
		c.logRequest(http.StatusOK, "")
	}
	return e
}

// decide is the part of admit that has to be one step.
func (c *call) decide(m *model, requests, tokens int64) *apiError {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.bucketOf(bucketID{c.who.project, m.resolved}, m.kind == embeddingModel)
	now := b.arrive(c.arrived)
	s.advance(now)
	at := time.Unix(0, now)
	f, failing := s.pending(c.streaming)
	if !failing || f.charged() {
		if refused := b.charge(now, requests, tokens, s.rejectOversize); refused != nil {
			e := errQuota(m.resolved, b.embed, refused, s.dailyDelay)
			s.record(c.entry(at, e.code, e.reason, 0), refused)
			return e
		}
	}
	if !failing {
		s.record(c.entry(at, http.StatusOK, "", requests), nil)
		return nil
	}
	s.useFailure()
	e := f.apiError(m.resolved)
	if !f.charged() {
		requests = 0
	}
	if f.midStream() {
		c.breaks = e
		s.record(c.entry(at, http.StatusOK, f.String(), requests), nil)
		return nil
	}
	s.record(c.entry(at, e.code, f.String(), requests), nil)
	return e
}

func (c *call) entry(at time.Time, code int, reason string, charged int64) Entry {
	return Entry{At: at.Round(0).UTC(), Project: c.who.project, Model: c.model, Key: c.who.fingerprint,
		Tokens: c.tokens, Status: code, Reason: reason, Charged: charged}
}

func (c *call) logRequest(code int, reason string) {
	c.s.logger.LogAttrs(c.r.Context(), slog.LevelDebug, "request",
		slog.String("path", c.r.URL.Path), slog.Int("status", code), slog.String("reason", reason),
		slog.String("project", c.who.project), slog.String("key", c.who.fingerprint),
		slog.String("model", c.model), slog.Int64("tokens", c.tokens))
}

// think waits for as long as an answer takes.
func (c *call) think() *apiError {
	if !c.pause(c.s.delay()) {
		return errCancelled()
	}
	return nil
}

// pause waits, and tells whether the client was still there at the end.
func (c *call) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.r.Context().Done():
		return false
	}
}
