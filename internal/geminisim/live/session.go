package live

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/coder/websocket"

	"fluxgate.dev/fluxgate/internal/geminisim/spelling"
)

// A conversation is what a handle goes on with.
type conversation struct {
	project string
	said    int64 // tokens
	until   time.Time
}

// A session is one connection.
type session struct {
	s           *Service
	conn        *websocket.Conn
	ctx         context.Context
	version     string
	constrained bool
	who         credentials
	failure     *Failure

	at      place
	resumes bool  // it tells handles
	said    int64 // tokens of all turns so far
	turns   int
}

// A refusal closes a session.
type refusal struct {
	code   websocket.StatusCode
	reason string
}

// handleFor is how long a handle is good, as is documented.
const handleFor = 2 * time.Hour

// maxReason is the most that a close frame holds, in bytes; the real service cuts there too.
const maxReason = 123

func (x *session) serve() {
	defer x.conn.CloseNow()
	var first clientMessage
	_, text, err := x.conn.Read(x.ctx)
	if err != nil {
		return
	}
	if spelling.Unmarshal(text, &first) != nil || first.Setup == nil {
		x.refuse(refusal{websocket.StatusInvalidFramePayloadData, "Request contains an invalid argument."})
		return
	}
	if no := x.begin(first.Setup); no != nil {
		x.refuse(*no)
		return
	}
	defer x.end()
	if x.fails(true) {
		return
	}
	if !x.say(object{"setupComplete": object{}}) {
		return
	}
	x.bound()
	for {
		_, text, err := x.conn.Read(x.ctx)
		if err != nil {
			return
		}
		var m clientMessage
		if spelling.Unmarshal(text, &m) != nil {
			x.refuse(refusal{websocket.StatusInvalidFramePayloadData, "Request contains an invalid argument."})
			return
		}
		if !x.answer(&m) || x.fails(false) {
			return
		}
	}
}

// refuse closes the session.
func (x *session) refuse(r refusal) {
	_ = x.conn.Close(r.code, r.reason[:min(len(r.reason), maxReason)])
}

// begin takes the session's place, or says why there is none.
func (x *session) begin(in *setup) *refusal {
	s := x.s
	name := strings.TrimPrefix(in.Model, "models/")
	invalid := func(text string) *refusal { return &refusal{websocket.StatusInvalidFramePayloadData, text} }
	policy := func(text string) *refusal { return &refusal{websocket.StatusPolicyViolation, text} }
	handle := ""
	if in.SessionResumption != nil {
		x.resumes, handle = true, in.SessionResumption.Handle
	}
	var project string
	switch {
	case x.who.number > 1:
		return policy("Multiple authentication credentials received. Please pass only one.")
	case x.constrained:
		t, text := s.useToken(x.who.token, handle != "")
		if t == nil {
			return policy(text)
		}
		project = t.project
		if t.model != "" {
			name = t.model
		}
	default:
		var text string
		if project, text = s.cfg.Project(x.who.key); text != "" {
			return invalid(text)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setups = append(s.setups, in.Model)
	if !s.cfg.Model(name) {
		return policy(fmt.Sprintf("models/%s is not found for API version %s, or is not supported for bidiGenerateContent. Call ListModels to see the list of available models and their supported methods.", name, x.version))
	}
	if handle != "" {
		c, ok := s.handles[handle]
		if !ok || c.project != project || s.cfg.Now().After(c.until) {
			return policy("Session not found.")
		}
		x.said = c.said
	}
	at := place{project, name}
	if most, bounded := s.most[at]; bounded && s.count(at) >= most {
		return &refusal{websocket.StatusInternalError, "Request trace id: 5ca1ab1e5ca1ab1e, [ORIGINAL ERROR] generic::resource_exhausted: RESOURCE_EXHAUSTED: Maximum concurrent sessions exceeded for the project."}
	}
	x.at = at
	x.said += s.cfg.Count(in.SystemInstruction.text())
	s.open[x] = true
	s.opened++
	s.peak[at] = max(s.peak[at], s.count(at))
	return nil
}

// count is called with s.mu held.
func (s *Service) count(at place) (n int) {
	for x := range s.open {
		if x.at == at {
			n++
		}
	}
	return n
}

func (x *session) end() {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	delete(x.s.open, x)
}

// fails reports whether the session ends as a test has ordered.
func (x *session) fails(atSetup bool) bool {
	f := x.failure
	if f == nil || atSetup != (f.After == 0) || x.turns < f.After {
		return false
	}
	switch {
	case f.Silent:
		for {
			if _, _, err := x.conn.Read(x.ctx); err != nil {
				return true
			}
		}
	case f.Code != 0:
		x.refuse(refusal{websocket.StatusCode(f.Code), f.Reason})
	}
	return true
}

// bound has the session end when it has lasted as long as one may.
func (x *session) bound() {
	x.s.mu.Lock()
	longest, goAway := x.s.longest, x.s.goAway
	x.s.mu.Unlock()
	if longest == 0 {
		return
	}
	go func() {
		select {
		case <-x.ctx.Done():
			return
		case <-time.After(longest - goAway):
		}
		if goAway > 0 && !x.say(object{"goAway": object{"timeLeft": fmt.Sprintf("%.3fs", goAway.Seconds())}}) {
			return
		}
		select {
		case <-x.ctx.Done():
			return
		case <-time.After(goAway):
		}
		x.refuse(refusal{websocket.StatusInternalError, "Deadline expired before operation could complete."})
	}()
}

func (x *session) say(o object) bool {
	return x.conn.Write(x.ctx, websocket.MessageBinary, o.bytes()) == nil
}

// answer answers a turn, and reports whether the session goes on.
func (x *session) answer(m *clientMessage) bool {
	var prompt string
	switch {
	case m.ClientContent != nil:
		for i := range m.ClientContent.Turns {
			prompt += m.ClientContent.Turns[i].text()
		}
		if !m.ClientContent.TurnComplete {
			x.said += x.s.cfg.Count(prompt)
			return true
		}
	case m.RealtimeInput != nil && m.RealtimeInput.Text != "":
		prompt = m.RealtimeInput.Text
	default:
		return true // audio and the rest is heard, and not answered
	}
	x.said += x.s.cfg.Count(prompt)
	used := x.s.cfg.Beside(prompt)
	used.Prompt, used.Cached = x.said, min(used.Cached, x.said)
	if order := x.s.cfg.Order(prompt); order != nil {
		for i := range order.Messages {
			if !x.say(said(order.Text(i+1, time.Now()))) {
				return false
			}
			if order.Every > 0 {
				time.Sleep(order.Every)
			}
		}
	} else {
		text := x.s.cfg.Answer(prompt)
		used.Response = x.s.cfg.Count(text)
		if !x.say(said(text)) {
			return false
		}
	}
	x.said += used.Response
	x.turns++
	x.s.cfg.Bill(x.at.project, x.at.model, used)
	return x.say(object{"serverContent": object{"generationComplete": true}}) && x.say(over(used)) && (!x.resumes || x.tellHandle())
}

func (x *session) tellHandle() bool {
	handle := rand.Text() + rand.Text()
	x.s.mu.Lock()
	x.s.handles[handle] = &conversation{project: x.at.project, said: x.said, until: x.s.cfg.Now().Add(handleFor)}
	x.s.mu.Unlock()
	return x.say(object{"sessionResumptionUpdate": object{"newHandle": handle, "resumable": true}})
}
