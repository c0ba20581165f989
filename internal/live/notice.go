package live

import (
	"context"
	"strconv"
	"time"

	"github.com/coder/websocket"
)

// maxNotice is how long before its end a caller is told that its session will have lasted its
// time here: as long as Gemini says for its own ends (captured: 50s). Of a short session it is a
// quarter.
const maxNotice = 50 * time.Second

// giveNotice tells the caller that the session will end, in the message in which Gemini tells it:
// who takes that, connects again and resumes in time. Where Gemini has said it itself it is left
// out.
func (x *session) giveNotice(ctx context.Context, kind websocket.MessageType) {
	left := min(maxNotice, (time.Until(x.until) / 4).Round(100*time.Millisecond))
	timer := time.NewTimer(time.Until(x.until) - left)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-x.ended:
	case <-timer.C:
		if !x.leaving.Load() {
			// That it can't be written is found where messages pass.
			_ = x.conn.Write(ctx, kind, goAway(left))
		}
	}
}

// goAway is the message; the time is a Duration in protobuf's JSON.
func goAway(left time.Duration) []byte {
	return []byte(`{"goAway":{"timeLeft":"` + strconv.FormatFloat(left.Seconds(), 'f', -1, 64) + `s"}}`)
}
