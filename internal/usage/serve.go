package usage

import (
	"encoding/csv"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"fluxgate.dev/fluxgate/internal/apierror"
)

// Serve answers GET /usage for a caller, who sees its own, or all of it as an administrator:
// in window (1h, 24h or 30d, default 24h), by what (any of day, project, model and caller,
// separated by commas, default model), and as CSV where format or Accept says so.
func (m *Meter) Serve(w http.ResponseWriter, r *http.Request, caller string, all bool) error {
	q, asCSV, err := readQuery(r)
	if err != nil {
		return err
	}
	if !all {
		q.Caller = &caller
	}
	report, err := m.Report(r.Context(), q)
	if err != nil {
		return err
	}
	if asCSV {
		writeCSV(w, report)
		return nil
	}
	if !all {
		if report.Budgets, err = m.budgets.Left(r.Context(), caller); err != nil {
			return err
		}
	}
	apierror.WriteJSON(w, http.StatusOK, report)
	return nil
}

func readQuery(r *http.Request) (q Query, asCSV bool, _ error) {
	in := r.URL.Query()
	q.Window, q.By = in.Get("window"), []string{"model"}
	if q.Window == "" {
		q.Window = "24h"
	}
	if _, ok := Windows[q.Window]; !ok {
		return q, false, apierror.Invalid("window", "want one of "+strings.Join(slices.Sorted(maps.Keys(Windows)), ", "))
	}
	if in.Has("by") {
		q.By = strings.FieldsFunc(in.Get("by"), func(c rune) bool { return c == ',' })
	}
	for _, by := range q.By {
		if !slices.Contains(By, by) {
			return q, false, apierror.Invalid("by", "want some of "+strings.Join(By, ", "))
		}
	}
	switch in.Get("format") {
	case "csv":
		return q, true, nil
	case "json":
		return q, false, nil
	case "":
		return q, strings.HasPrefix(r.Header.Get("Accept"), "text/csv"), nil
	}
	return q, false, apierror.Invalid("format", "want json or csv")
}

// columns are those of the CSV, in the names of the JSON.
var columns = []struct {
	name string
	of   func(*Row) string
}{
	{"day", func(r *Row) string { return r.Day }},
	{"project", func(r *Row) string { return r.Project }},
	{"model", func(r *Row) string { return r.Model }},
	{"caller", func(r *Row) string { return r.Caller }},
	{"requests", func(r *Row) string { return whole(r.Requests) }},
	{"refused", func(r *Row) string { return whole(r.Refused) }},
	{"failed", func(r *Row) string { return whole(r.Failed) }},
	{"input_tokens", func(r *Row) string { return whole(r.Input) }},
	{"output_tokens", func(r *Row) string { return whole(r.Output) }},
	{"thought_tokens", func(r *Row) string { return whole(r.Thoughts) }},
	{"cached_tokens", func(r *Row) string { return whole(r.Cached) }},
	{"tool_tokens", func(r *Row) string { return whole(r.Tools) }},
	{"unmetered", func(r *Row) string { return whole(r.Unmetered) }},
	{"dollars", func(r *Row) string { return strconv.FormatFloat(r.Dollars, 'f', -1, 64) }},
	{"unpriced", func(r *Row) string { return whole(r.Unpriced) }},
	{"wait_p50", func(r *Row) string { return seconds(r.WaitP50) }},
	{"wait_p95", func(r *Row) string { return seconds(r.WaitP95) }},
	{"answer_p50", func(r *Row) string { return seconds(r.TookP50) }},
	{"answer_p95", func(r *Row) string { return seconds(r.TookP95) }},
}

func whole(n int64) string     { return strconv.FormatInt(n, 10) }
func seconds(s float64) string { return strconv.FormatFloat(s, 'f', 3, 64) }

// writeCSV answers with the rows of a report, a line each. A name that a spreadsheet would
// take for a formula is written as text.
func writeCSV(w http.ResponseWriter, report *Report) {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="usage-%s.csv"`, report.Window))
	out := csv.NewWriter(w)
	line := make([]string, len(columns))
	for i, c := range columns {
		line[i] = c.name
	}
	_ = out.Write(line) // the caller may have left
	for _, row := range report.Rows {
		for i, c := range columns {
			line[i] = c.of(row)
			if line[i] != "" && strings.ContainsRune("=+-@", rune(line[i][0])) {
				line[i] = "'" + line[i]
			}
		}
		_ = out.Write(line)
	}
	out.Flush()
}
