package terminal

import (
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"fluxgate.dev/fluxgate/internal/remote"
)

// A Style says what can be shown where the output goes.
type Style struct {
	// Width is the number of columns. 0: unlimited, as for a file or another program.
	Width int
	// Height is the number of lines. 0: unlimited.
	Height int
	// Colour is whether escape sequences are understood and wanted.
	Colour bool
	// Zone is where clock times are told. Nil: UTC.
	Zone *time.Location
}

// StyleOf returns the style of an open file as it is now: a terminal may have been resized. COLUMNS sets the width where
// there is no terminal to tell it. Colours follow https://no-color.org.
func StyleOf(f *os.File) Style {
	s := Style{Zone: time.Local}
	if !term.IsTerminal(int(f.Fd())) {
		if columns, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && columns > 0 {
			s.Width = columns
		}
		return s
	}
	kind := os.Getenv("TERM")
	s.Colour = os.Getenv("NO_COLOR") == "" && kind != "dumb"
	if width, height, err := term.GetSize(int(f.Fd())); err == nil {
		s.Width, s.Height = width, height
	}
	return s
}

// wide reports whether tables may have all their columns.
func (s Style) wide() bool { return s.Width == 0 || s.Width >= 116 }

// A colour is a parameter of the escape sequence that selects it.
type colour string

const (
	plain  colour = ""
	bold   colour = "1"
	faint  colour = "2"
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
)

func (s Style) paint(c colour, text string) string {
	if !s.Colour || c == plain || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// clean makes one line of somebody else's text.
func clean(s string) string {
	return strings.Join(strings.Fields(remote.Printable(s)), " ")
}

// field is a label and its text, which is wrapped beside the label.
func (s Style) field(label, value string) string {
	const indent = 11
	if value = clean(value); s.Width > 2*indent {
		value = text.WrapSoft(value, s.Width-indent)
	}
	lines := strings.Split(value, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return s.paint(faint, text.Pad(label, indent, ' ')) + strings.Join(lines, "\n"+strings.Repeat(" ", indent)) + "\n"
}

// heading is the line above a table.
func (s Style) heading(text string) string { return "\n" + s.paint(bold, text) + "\n" }
