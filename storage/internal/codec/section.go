package codec

import (
	"encoding/binary"
	"hash/fnv"
	"slices"

	"fluxgate.dev/fluxgate/scheduler"
)

// A Section is a part of a project's state that goes into the second field,
// because there are builds that would refuse it in the first. A build that
// doesn't know a section keeps it as it is; the release before there were
// sections doesn't touch the field at all. Either may change the state beside
// it, so a section says which state it was written with.
type Section struct {
	// Tag names the section in the document. It is never used for another.
	Tag uint64
	// Take returns the project without what the section holds, and that encoded.
	// It is called once the project was made to fit, and may not change it. The rules are
	// those that the project is decided by.
	Take func(rules *scheduler.Rules, p *scheduler.Project) (rest *scheduler.Project, data []byte)
	// Give returns the project, which is its own to change, with what the section holds. With current, the
	// data was written together with the rest of the project. Otherwise another
	// build wrote last, and what it did isn't in the data, which is nil where no
	// build ever wrote the section; what can't be known of it must then count so
	// that no limit is exceeded. The same goes for data that can't be decoded.
	Give func(p *scheduler.Project, data []byte, current bool) *scheduler.Project
	// Optional says that the section isn't written when it has no data: it doesn't
	// matter whether it is empty or missing.
	Optional bool
	// Last says that Give is called after those of all other sections; Take is in its turn.
	Last bool
}

// sectionsFormat is the first byte of the second field. After it come the
// sections: tag, tie (8 bytes), length, data. A field that is empty, or in
// another format, holds no section that this build knows.
const sectionsFormat = 1

// A part is one section as it is stored.
type part struct {
	tag  uint64
	tie  uint64 // of the state that it was written with
	data []byte
}

// tie tells states apart. No two commits write the same state, for each leaves
// the number of its instance and its own.
func tie(state []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(state) // never fails
	return h.Sum64()
}

// join encodes a project together with the unknown parts of the second field
// that it replaces. One in another format stays as it is: then what this build
// knows has no place, and is taken conservatively by whoever reads it.
func (c *Codec) join(rules *scheduler.Rules, p *scheduler.Project, before []byte) Document {
	rest, own := c.take(rules, p)
	doc := Document{State: encode(rest), Sections: before}
	parts, ok := parse(before)
	if !ok {
		return doc
	}
	mine := func(x part) bool {
		return slices.ContainsFunc(c.sections, func(s Section) bool { return s.Tag == x.tag })
	}
	if len(own) == 0 && !slices.ContainsFunc(parts, mine) {
		return doc
	}
	parts = slices.DeleteFunc(parts, mine)
	for _, x := range own {
		x.tie = tie(doc.State)
		parts = append(parts, x)
	}
	doc.Sections = format(parts)
	return doc
}

// alone encodes a project and gives up all sections, the unknown ones too.
func (c *Codec) alone(rules *scheduler.Rules, p *scheduler.Project, before []byte) Document {
	rest, _ := c.take(rules, p)
	doc := Document{State: encode(rest)}
	if before != nil {
		doc.Sections = []byte{}
	}
	return doc
}

// take takes what the sections hold out of a project, and returns those that are to be written.
func (c *Codec) take(rules *scheduler.Rules, p *scheduler.Project) (rest *scheduler.Project, parts []part) {
	for i := range c.sections {
		s, data := &c.sections[i], []byte(nil)
		if p, data = s.Take(rules, p); !s.Optional || len(data) > 0 {
			parts = append(parts, part{tag: s.Tag, data: data})
		}
	}
	return p, parts
}

// split gives the project of a document what its sections hold.
func (c *Codec) split(p *scheduler.Project, doc Document) *scheduler.Project {
	if len(c.sections) == 0 {
		return p
	}
	parts, _ := parse(doc.Sections)
	now := uint64(0)
	if len(parts) > 0 {
		now = tie(doc.State)
	}
	for _, last := range []bool{false, true} {
		for i := range c.sections {
			s := &c.sections[i]
			if s.Last != last {
				continue
			}
			if i := index(parts, s.Tag); i >= 0 {
				p = s.Give(p, parts[i].data, parts[i].tie == now)
			} else {
				p = s.Give(p, nil, false)
			}
		}
	}
	return p
}

func index(parts []part, tag uint64) int {
	return slices.IndexFunc(parts, func(x part) bool { return x.tag == tag })
}

func format(parts []part) []byte {
	size := 1
	for _, x := range parts {
		size += 2*binary.MaxVarintLen64 + 8 + len(x.data)
	}
	e := &encoder{b: make([]byte, 1, size)}
	e.b[0] = sectionsFormat
	for _, x := range parts {
		e.uint(x.tag)
		e.id(x.tie)
		e.len(len(x.data))
		e.b = append(e.b, x.data...)
	}
	return e.b
}

// parse returns the parts of a second field, and false if it is in no format
// that this build reads: then there are none.
func parse(data []byte) ([]part, bool) {
	if len(data) == 0 {
		return nil, true
	}
	if data[0] != sectionsFormat {
		return nil, false
	}
	var parts []part
	d := &decoder{b: data[1:]}
	for len(d.b) > 0 {
		x := part{tag: d.uint(), tie: d.id()}
		x.data = d.bytes(d.len())
		if d.bad || index(parts, x.tag) >= 0 {
			return nil, false
		}
		parts = append(parts, x)
	}
	return parts, true
}
