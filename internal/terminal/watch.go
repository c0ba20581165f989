package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"fluxgate.dev/fluxgate/internal/remote"
)

// A Watch shows something again and again. On a terminal each picture takes the place of the one before, on a screen of
// its own that is gone afterwards; elsewhere they follow one another.
type Watch struct {
	// Every is the pause between two pictures.
	Every time.Duration
	// Draw makes a picture for a style.
	Draw func(context.Context, Style) (string, error)
	// Style says how the output looks just now.
	Style func() Style
	// Terminal is whether Out is one.
	Terminal bool
	// Out receives the pictures. Err receives why there is none, unless Out is a terminal and shows that too.
	Out, Err io.Writer
}

// Control sequences of every terminal since the VT100 (the screen of its own is xterm's). A picture is drawn over the one
// before and only what it leaves is erased, in one write: nothing flickers.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // and no cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	eraseLine   = "\x1b[K"
	eraseBelow  = "\x1b[J"
)

// Run shows pictures until the context ends, which is no error. It returns an error when the first picture fails, when
// trying again can't help, and when nobody reads the output any more. A server that says when to come back is obeyed.
func (w *Watch) Run(ctx context.Context) error {
	style := w.Style()
	picture, err := w.Draw(ctx, style)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	if w.Terminal {
		if _, err := io.WriteString(w.Out, enterScreen); err != nil {
			return err
		}
		defer func() { _, _ = io.WriteString(w.Out, leaveScreen) }()
	}
	for {
		if err := w.show(picture, fmt.Sprintf("every %v, Ctrl-C ends", w.Every), style); err != nil {
			return err
		}
		pause := w.Every
		for {
			if !sleep(ctx, pause) {
				return nil
			}
			style = w.Style()
			next, err := w.Draw(ctx, style)
			if err == nil {
				picture = next
				break
			}
			if ctx.Err() != nil {
				return nil
			}
			if !temporary(err) {
				return err
			}
			pause = w.Every
			var refusal *remote.Error
			if errors.As(err, &refusal) {
				pause = max(pause, refusal.RetryAfter)
			}
			if err := w.showFault(picture, fmt.Sprintf("%s (next try in %s)", clean(err.Error()), durationText(pause+time.Second-1)), style); err != nil {
				return err
			}
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// temporary reports whether another try may go better. Whoever is refused for who he is, or asks something else than a
// Fluxgate, gets the same answer again.
func temporary(err error) bool {
	var refusal *remote.Error
	if errors.As(err, &refusal) {
		return refusal.Code >= 500 || refusal.Code == http.StatusTooManyRequests || refusal.Code == http.StatusRequestTimeout
	}
	return !errors.Is(err, remote.ErrNotFluxgate)
}

// show writes a picture, with a note below it on a terminal.
func (w *Watch) show(picture, note string, style Style) error {
	if !w.Terminal {
		_, err := io.WriteString(w.Out, picture)
		return err
	}
	return w.frame(picture, style.paint(faint, cut(note, style)), style)
}

// showFault keeps the last picture and says why there is no newer one.
func (w *Watch) showFault(picture, fault string, style Style) error {
	if !w.Terminal {
		_, err := fmt.Fprintln(w.Err, fault)
		return err
	}
	return w.frame(picture, style.paint(red, cut("as it was: "+fault, style)), style)
}

// frame fills the screen with a picture, as far as it fits above the note.
func (w *Watch) frame(picture, note string, style Style) error {
	lines := strings.Split(strings.TrimRight(picture, "\n"), "\n")
	if room := style.Height - 2; style.Height > 0 && len(lines) > room {
		hidden := len(lines) - max(0, room-1)
		lines = append(lines[:max(0, room-1)], style.paint(faint, fmt.Sprintf("… %d more lines", hidden)))
	}
	var b strings.Builder
	b.WriteString(home)
	for _, line := range append(lines, "") {
		if style.Width > 0 {
			line = text.Trim(line, style.Width) // a line that the terminal broke would move all below it
		}
		b.WriteString(line + eraseLine + "\r\n")
	}
	b.WriteString(note + eraseLine + eraseBelow)
	_, err := io.WriteString(w.Out, b.String())
	return err
}

// cut keeps a note on one line: the last line must not scroll the picture away.
func cut(note string, style Style) string {
	if style.Width < 2 {
		return note
	}
	return text.Snip(note, style.Width-1, "…")
}
