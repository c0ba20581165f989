package repeated

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// least is the size from which an answer is packed, in bytes: below, a packet holds it.
const least = 1400

// NowHeader says what time it is for the server: an answer that isn't repeated can't.
const NowHeader = "X-Fluxgate-Now"

// A Body is an answer as JSON.
type Body interface {
	// Tag is its entity tag: the same as long as there is nothing new to tell.
	Tag() string
	// Moment is when it was made, in UTC and milliseconds.
	Moment() string
}

// Write answers with a body, unless there is an error: with 304 where the caller has it, else
// packed as the caller takes it. Nobody between may keep it, for it is the caller's.
func Write(w http.ResponseWriter, r *http.Request, body Body, err error) error {
	if err != nil {
		return err
	}
	h, tag := w.Header(), body.Tag()
	h.Set(NowHeader, body.Moment())
	h.Set("Cache-Control", "private, no-cache")
	h.Add("Vary", "Accept-Encoding")
	if tag != "" {
		h.Set("ETag", tag)
		if matches(r.Header.Get("If-None-Match"), tag) {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(body) // all that is answered can be
	out := text.Bytes()
	if len(out) >= least && takesGzip(r.Header.Get("Accept-Encoding")) {
		var packed bytes.Buffer
		z, _ := gzip.NewWriterLevel(&packed, gzip.BestSpeed) // the level exists
		_, _ = z.Write(out)                                  // a buffer takes all
		_ = z.Close()
		out = packed.Bytes()
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(out)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(out) // the caller may have left
	return nil
}

// matches reports whether a tag is among those of If-None-Match, by the weak comparison.
func matches(list, tag string) bool {
	for t := range strings.SplitSeq(list, ",") {
		if t = strings.TrimSpace(t); t == "*" || strings.TrimPrefix(t, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

// takesGzip reports whether Accept-Encoding takes gzip: names it, or all, without a
// quality of 0.
func takesGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		name, quality, _ := strings.Cut(part, ";")
		if name = strings.TrimSpace(name); name != "*" && !strings.EqualFold(name, "gzip") {
			continue
		}
		q, found := strings.CutPrefix(strings.ReplaceAll(quality, " ", ""), "q=")
		n, err := strconv.ParseFloat(q, 64)
		return !found || err == nil && n > 0
	}
	return false
}
