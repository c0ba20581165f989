package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// Sessions of the Live API are measured like streams: an order in one has so many messages sent.
const (
	sessionPath  = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
	sessionModel = "gemini-3.8-live"
)

// hear opens a session, gives an order and hears its messages. FirstByte is the time from the
// call to the answer to the setup; a message that is missing, or comes twice, is an error.
func (s *source) hear(ctx context.Context, plan string, messages int64, delays bool) (got received, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("session at %s: %w", s.url, err)
		}
	}()
	begin := time.Now()
	conn, _, err := websocket.Dial(ctx, s.url, &websocket.DialOptions{HTTPClient: s.client, HTTPHeader: http.Header{"X-Goog-Api-Key": {s.key}}})
	if err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, conn.Close(websocket.StatusNormalClosure, "")) }()
	conn.SetReadLimit(-1)
	if err := conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"setup":{"model":"models/%s"}}`, sessionModel)); err != nil {
		return got, err
	}
	if _, _, err := conn.Read(ctx); err != nil {
		return got, err
	}
	got.firstByte = time.Since(begin)
	order := fmt.Appendf(nil, `{"clientContent":{"turns":[{"role":"user","parts":[{"text":%q}]}],"turnComplete":true}}`, plan)
	if err := conn.Write(ctx, websocket.MessageText, order); err != nil {
		return got, err
	}
	for next := int64(1); next <= messages; next++ {
		_, text, err := conn.Read(ctx)
		now := time.Now()
		if err != nil {
			return got, err
		}
		number, made, ok := parseChunk(text)
		if !ok || number != next {
			return got, fmt.Errorf("message %d came instead of %d", number, next)
		}
		got.bytes += int64(len(text))
		if delays {
			got.delays = append(got.delays, now.Sub(made))
		}
	}
	got.took = time.Since(begin)
	return got, nil
}
