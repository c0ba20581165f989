package codec

import (
	"encoding/binary"
	"slices"

	"fluxgate.dev/fluxgate/scheduler"
)

// Sections returns the sections that this build knows.
func Sections() []Section {
	return []Section{wider, fine, others, buckets, open, idle, services, waiters, settings, holds}
}

// open holds which reservations are known to be on their way, of calendars with
// some: per calendar its position, a count, and three bytes for each. Where another
// build has written since, none is: it may have settled any of them.
var open = Section{
	Tag:      16,
	Optional: true,
	Take: func(_ *scheduler.Rules, p *scheduler.Project) (*scheduler.Project, []byte) {
		size := 0
		for _, c := range p.Calendars {
			if len(c.Open) > 0 {
				size += 2*binary.MaxVarintLen16 + 3*len(c.Open)
			}
		}
		if size == 0 {
			return p, nil
		}
		e := &encoder{b: make([]byte, 0, size)}
		for i, c := range p.Calendars {
			if len(c.Open) == 0 {
				continue
			}
			e.len(i)
			e.open(c.Open)
		}
		return p, e.b
	},
	Give: func(p *scheduler.Project, data []byte, current bool) *scheduler.Project {
		if !current || len(data) == 0 {
			return p
		}
		next := *p
		next.Calendars = slices.Clone(p.Calendars)
		d := &decoder{b: data}
		for len(d.b) > 0 {
			i, ids := d.uint(), d.open()
			if d.bad || i >= uint64(len(next.Calendars)) {
				return p
			}
			c := *next.Calendars[i]
			c.Open = ids
			next.Calendars[i] = &c
		}
		return &next
	},
}

func (e *encoder) open(ids []uint32) {
	e.len(len(ids))
	for _, id := range ids {
		e.b = append(e.b, byte(id>>16), byte(id>>8), byte(id))
	}
}

func (d *decoder) open() []uint32 {
	n := d.len()
	if n > scheduler.MaxOpen || n == 0 {
		d.bad = d.bad || n > 0
		return nil
	}
	data, ids := d.bytes(3*n), make([]uint32, n)
	if d.bad {
		return nil
	}
	for i := range ids {
		ids[i] = uint32(data[3*i])<<16 | uint32(data[3*i+1])<<8 | uint32(data[3*i+2])
	}
	return ids
}
