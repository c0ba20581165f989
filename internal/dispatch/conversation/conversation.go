package conversation

import (
	"encoding/binary"
	"hash/maphash"

	"fluxgate.dev/fluxgate/internal/payload/turns"
	"fluxgate.dev/fluxgate/internal/recent"
)

// maxTurns bounds how many marks of conversations an instance remembers, some five for
// each turn that there was lately.
const maxTurns = 8192

// A Memory remembers which projects served the turns of conversations before: what
// upstream made of them, thought signatures and implicit caches, may be the project's
// alone (.github/compatibility.md). It is one instance's, and a preference: another
// project serves as well, most of the time.
type Memory struct {
	seed maphash.Seed
	of   *recent.Map[uint64, string]
}

// New returns one that remembers nothing.
func New() *Memory {
	return &Memory{maphash.MakeSeed(), recent.New[uint64, string](maxTurns)}
}

// A Turn is a request as part of a conversation: its marks, the most telling first.
type Turn struct {
	caller    string
	marks     []uint64
	continues bool // it isn't the first
}

// Read returns the turn that a caller's body is.
func (c *Memory) Read(caller string, body []byte) (t Turn) {
	is := turns.Read(body)
	if t.caller = caller; is.Token != nil {
		t.marks = append(t.marks, c.mark(caller, 't', is.Token))
	}
	for _, s := range is.Signatures {
		t.marks = append(t.marks, c.mark(caller, 's', s))
	}
	if is.First != nil {
		t.marks = append(t.marks, c.mark(caller, 'f', is.First))
	}
	t.continues = is.More || len(is.Signatures) > 0 || is.Token != nil
	return t
}

func (c *Memory) mark(caller string, kind byte, text []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(c.seed)
	_, _ = h.Write(binary.AppendUvarint([]byte{kind}, uint64(len(caller)))) // it never fails
	_, _ = h.WriteString(caller)
	_, _ = h.Write(text)
	return h.Sum64()
}

// Project returns the project that served the turn before; empty: none is known.
func (c *Memory) Project(t Turn) string {
	if !t.continues {
		return ""
	}
	for _, mark := range t.marks {
		if project, ok := c.of.Get(mark); ok {
			return project
		}
	}
	return ""
}

// Served notes which project served a turn, and the token that its answer said to go on with;
// nil: none.
func (c *Memory) Served(t Turn, project string, token []byte) {
	if token != nil {
		c.of.Put(c.mark(t.caller, 't', token), project)
	}
	for _, mark := range t.marks {
		c.of.Put(mark, project)
	}
}
