package terminal

import (
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// A column is the heading of a column and what it may do to fit.
type column struct {
	name  string
	right bool // numbers
	// least is the width that the column may be cut to. 0: it isn't cut.
	least int
	// wrap puts what would be cut on further lines.
	wrap bool
}

// A cell is a text in a colour.
type cell struct {
	text   string
	colour colour
}

func coloured(c colour, text string) cell { return cell{text, c} }

// A grid is a table without lines, cut to fit its style.
type grid struct {
	style   Style
	columns []column
	rows    [][]cell
}

func (s Style) grid(columns ...column) *grid { return &grid{style: s, columns: columns} }

// row adds a row of strings and cells.
func (g *grid) row(values ...any) {
	cells := make([]cell, len(values))
	for i, value := range values {
		switch v := value.(type) {
		case cell:
			cells[i] = cell{clean(v.text), v.colour}
		case string:
			cells[i] = cell{text: clean(v)}
		}
	}
	g.rows = append(g.rows, cells)
}

const gap = "  "

// String lays the table out. Columns that nothing stands in are left out.
func (g *grid) String() string {
	widths, fits := g.widths()
	var header table.Row
	var configs []table.ColumnConfig
	for i, c := range g.columns {
		header = append(header, g.style.paint(faint, c.name))
		config := table.ColumnConfig{
			Number: i + 1, WidthMax: max(widths[i], 1), Hidden: widths[i] == 0,
			WidthMaxEnforcer: func(s string, width int) string { return text.Snip(s, width, "…") },
		}
		if c.wrap {
			config.WidthMaxEnforcer = text.WrapSoft
		}
		if c.right {
			config.Align, config.AlignHeader = text.AlignRight, text.AlignRight
		}
		configs = append(configs, config)
	}
	w := table.NewWriter()
	style := table.Style{Box: table.BoxStyle{PaddingRight: gap, UnfinishedRow: "…"}, Options: table.OptionsNoBordersAndSeparators}
	if !fits {
		style.Size.WidthMax = g.style.Width
	}
	w.SetStyle(style)
	w.SetColumnConfigs(configs)
	w.SuppressTrailingSpaces()
	w.AppendHeader(header)
	for _, cells := range g.rows {
		var row table.Row
		for _, c := range cells {
			row = append(row, g.style.paint(c.colour, c.text))
		}
		w.AppendRow(row)
	}
	return w.Render() + "\n"
}

// widths returns the width of every column, 0 for an empty one. Where all of them don't fit, the widest that may be cut
// is, until they do or nothing more may be.
func (g *grid) widths() (widths []int, fits bool) {
	widths = make([]int, len(g.columns))
	total := -len(gap) // none after the last column
	for i, c := range g.columns {
		for _, cells := range g.rows {
			if width := text.StringWidth(cells[i].text); width > 0 {
				widths[i] = max(widths[i], width, text.StringWidth(c.name))
			}
		}
		if widths[i] > 0 {
			total += widths[i] + len(gap)
		}
	}
	for g.style.Width > 0 && total > g.style.Width {
		widest := -1
		for i, c := range g.columns {
			if c.least > 0 && widths[i] > c.least && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return widths, false
		}
		widths[widest]--
		total--
	}
	return widths, true
}

// empty reports whether there is nothing to show.
func (g *grid) empty() bool { return len(g.rows) == 0 }

// section adds it below a heading, unless there is nothing to show.
func (g *grid) section(b *strings.Builder, heading string) {
	if !g.empty() {
		b.WriteString(g.style.heading(heading) + g.String())
	}
}

// modelColumn is wide enough for names that differ at their end.
var modelColumn = column{name: "MODEL", least: len("gemini-2.5-flash-lite")}

// sortedKeys returns the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
