package dispatch

import (
	"encoding/binary"
	"hash/maphash"

	"fluxgate.dev/fluxgate/internal/payload"
)

// maxTurns bounds how many marks of conversations an instance remembers, some five for
// each turn that there was lately.
const maxTurns = 8192

// conversations remembers which projects served the turns of conversations before: what
// upstream made of them, thought signatures and implicit caches, may be the project's
// alone (.github/compatibility.md). It is one instance's, and a preference: another
// project serves as well, most of the time.
type conversations struct {
	seed maphash.Seed
	of   *recent[uint64, string]
}

func newConversations() *conversations {
	return &conversations{maphash.MakeSeed(), newRecent[uint64, string](maxTurns)}
}

// A turn is a request as part of a conversation: its marks, the most telling first.
type turn struct {
	marks     []uint64
	continues bool // it isn't the first
}

// read returns the turn that a caller's body is.
func (c *conversations) read(caller string, body []byte) (t turn) {
	is := payload.ReadTurns(body)
	for _, s := range is.Signatures {
		t.marks = append(t.marks, c.mark(caller, 's', s))
	}
	if is.First != nil {
		t.marks = append(t.marks, c.mark(caller, 'f', is.First))
	}
	t.continues = is.More || len(is.Signatures) > 0
	return t
}

func (c *conversations) mark(caller string, kind byte, text []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(c.seed)
	_, _ = h.Write(binary.AppendUvarint([]byte{kind}, uint64(len(caller)))) // it never fails
	_, _ = h.WriteString(caller)
	_, _ = h.Write(text)
	return h.Sum64()
}

// project returns the project that served the turn before; empty: none is known.
func (c *conversations) project(t turn) string {
	if !t.continues {
		return ""
	}
	for _, mark := range t.marks {
		if project, ok := c.of.get(mark); ok {
			return project
		}
	}
	return ""
}

// served notes which project served a turn.
func (c *conversations) served(t turn, project string) {
	for _, mark := range t.marks {
		c.of.put(mark, project)
	}
}
