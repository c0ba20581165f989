package geminisim

import (
	"fluxgate.dev/fluxgate/internal/geminisim/answers"
	"fluxgate.dev/fluxgate/internal/geminisim/journal"
)

// Translate is what the text of a prompt is answered with; see [answers.Translate].
func Translate(text string) string { return answers.Translate(text) }

// Log returns a copy of every generate and embed request in order of arrival.
func (s *Server) Log() []journal.Entry { return s.journal.Entries() }

// Stats returns the totals so far.
func (s *Server) Stats() journal.Stats { return s.journal.Totals() }

// Bills returns what every answer that was made since the start cost, added up, and every turn
// of a session. An answer whose client has left by then was made all the same.
func (s *Server) Bills() map[journal.BillKey]journal.Bill { return s.journal.Billed() }

// RequestLog returns the latest requests (see [Config.RequestLog]), of every
// kind and with every outcome, in the order in which they were entered: when
// their body had been read, or been broken off. Requests under way are among
// them, with Done false.
func (s *Server) RequestLog() []journal.Request { return s.journal.Latest() }

// Peak returns the most requests and the most input tokens that were charged
// in any trailing 60 s on a project and model, each on its own (see [journal.Journal.Peak]).
func (s *Server) Peak(project, model string) (requests, tokens int64) {
	if resolved, ok := s.models.Resolve(model); ok {
		model = resolved
	}
	return s.journal.Peak(project, model)
}
