package requesthash

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
)

// Of returns the hash that identifies a request: the same caller, route and body is a return.
func Of(caller, route string, body []byte) uint64 {
	var text [256]byte
	head := text[:0]
	for _, part := range []string{caller, route} {
		head = strconv.AppendInt(head, int64(len(part)), 10)
		head = append(append(head, ':'), part...)
	}
	h := sha256.New()
	h.Write(head)
	h.Write(body)
	var sum [sha256.Size]byte
	return binary.BigEndian.Uint64(h.Sum(sum[:0]))
}
