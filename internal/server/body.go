package server

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/gabriel-vasile/mimetype"

	"fluxgate.dev/fluxgate/internal/gemini"
)

// unreadTimeout is how long a body may take to come that no handler reads.
const unreadTimeout = 30 * time.Second

// boundBody says how long a body may take to come from now on. One that no
// handler reads is read by net/http before it answers, for as long as it takes:
// who sends a byte now and then must not hold a connection for ever. Where there
// is no connection, as in tests, there is nothing to hold.
func boundBody(w http.ResponseWriter, r *http.Request, limit time.Duration) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(limit))
}

// firstRoom is how much room a body gets at most before it has come, in bytes.
const firstRoom = 64 << 10

// readBody reads the whole body, up to the configured bound.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	most := int64(s.cfg.MaxBody)
	if r.ContentLength >= 0 {
		most = min(most, r.ContentLength)
	}
	if most > firstRoom { // else it is to come within unreadTimeout, as it is already
		boundBody(w, r, bodyTimeout(most))
	}
	// Room for what is announced, but no more than any caller may cost us before it
	// has sent a byte.
	body := bytes.NewBuffer(make([]byte, 0, bytes.MinRead+min(most, firstRoom)))
	_, err := body.ReadFrom(http.MaxBytesReader(unwrapped(w), r.Body, int64(s.cfg.MaxBody)))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &problem{bodyTooLarge, fmt.Sprintf("The request body is larger than %s.", s.cfg.MaxBody), err}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &problem{bodyTooSlow, "The request body came too slowly.", err}
	case err != nil:
		return nil, &problem{invalidArgument, "The request body could not be read to its end.", err}
	}
	// After a failure the deadline stays: the server still reads what is left.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return body.Bytes(), nil
}

// bodyTimeout is how long a body of so many bytes at most may take to come: half a
// minute, and as long as it takes at 512 KiB a second.
func bodyTimeout(most int64) time.Duration {
	return 30*time.Second + time.Duration(most)*time.Second/(512<<10)
}

// decodeBody decodes one JSON object with the fields of v and no others. The
// decoder's own errors may quote the body, which is not for the log: they are
// put in other words.
func decodeBody(body []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return jsonTrouble(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return invalid("body", "it holds more than one JSON value.")
	}
	return nil
}

var (
	unknownField = regexp.MustCompile(`^json: unknown field "([A-Za-z0-9_-]{1,40})"$`)
	wantedKinds  = map[reflect.Kind]string{
		reflect.String: "want a string.", reflect.Slice: "want a list of strings.", reflect.Bool: "want true or false.",
		reflect.Int: "want a whole number.", reflect.Int64: "want a whole number.", reflect.Float64: "want a number.",
		reflect.Struct: "want a JSON object.",
	}
)

// jsonTrouble says what is wrong with a JSON body without repeating it.
func jsonTrouble(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return invalid("body", "it ends too early.")
	case errors.As(err, &syntax):
		return invalid("body", fmt.Sprintf("malformed JSON at byte %d.", syntax.Offset))
	case errors.As(err, &kind) && kind.Field == "":
		what, _, _ := strings.Cut(kind.Value, " ")
		return invalid("body", "want a JSON object, not a JSON "+what+".")
	case errors.As(err, &kind):
		return invalid(kind.Field, wantedKinds[kind.Type.Kind()])
	}
	// encoding/json has no type for it.
	if m := unknownField.FindStringSubmatch(err.Error()); m != nil {
		return invalid(m[1], "there is no such field.")
	}
	return invalid("body", "it has a field that doesn't exist here.")
}

// unknownMedia is what sniffing says of bytes that it can't tell.
const unknownMedia = "application/octet-stream"

// inlinePart decodes base64 of any flavour, or a data: URL of it. The type is
// sniffed: what callers claim is often wrong. Only where the bytes don't show it
// is the data: URL believed.
func inlinePart(text string) (gemini.Part, error) {
	claimed := ""
	if rest, ok := strings.CutPrefix(text, "data:"); ok {
		if claimed, text, ok = strings.Cut(rest, ";base64,"); !ok {
			return gemini.Part{}, errors.New("data URL without base64")
		}
		claimed, _, _ = strings.Cut(claimed, ";")
	}
	text = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimSpace(text)), "=")
	data, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return gemini.Part{}, err
	}
	if len(data) == 0 {
		return gemini.Part{}, errors.New("empty")
	}
	kind, _, _ := strings.Cut(mimetype.Detect(data).String(), ";")
	if kind == unknownMedia && claimed != "" {
		kind = claimed
	}
	return gemini.Part{Data: data, MIMEType: kind}, nil
}
