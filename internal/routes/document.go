package routes

import (
	"slices"
	"strings"
)

// Document returns the table in Markdown: a line for each path, with the methods that are
// treated alike.
func Document(table []Route) string {
	var lines []string
	var b strings.Builder
	b.WriteString("| route | counted as | belongs to a project and a caller | passes |\n| --- | --- | --- | --- |\n")
	at := make(map[string]int) // of a line, by all but its methods
	var methods [][]string
	for _, r := range table {
		rest := "`" + r.Told() + "` | " + r.counted() + " | " + r.owned() + " | " + r.passes() + " |"
		i, ok := at[rest]
		if !ok {
			i = len(lines)
			at[rest], lines, methods = i, append(lines, rest), append(methods, nil)
		}
		methods[i] = append(methods[i], r.Method)
	}
	for i, rest := range lines {
		b.WriteString("| " + strings.Join(methods[i], ", ") + " " + rest + "\n")
	}
	return b.String()
}

// Told is how a route's path is told to people: below the usual version, and with what its
// {…} stand for.
func (r Route) Told() string {
	path := strings.ReplaceAll(r.Path, "...", "")
	if r.Model == InPath {
		path = strings.Replace(path, "{call}", "{model}", 1)
	}
	return r.Base.Roots()[0] + path
}

func (r Route) counted() string {
	var what string
	switch r.Counts {
	case Free:
		what = "free"
	case Requests:
		what = "a request of its model"
	case Texts:
		if what = "a request of its model"; r.Each != "" {
			what += " for each of `" + r.Each + "`"
		}
	case Jobs:
		what = "a job"
	}
	switch {
	case r.Unserved != "":
		return "not served"
	case r.Feature != "":
		what += ", and of " + r.Feature
	}
	return what
}

func (r Route) owned() string {
	switch {
	case r.Unserved != "":
		return r.Unserved
	case r.Ends:
		return "what it names, which is gone then"
	case r.Names != "" && len(r.Makes) > 0:
		return "what it names, and what the answer names"
	case r.Names != "":
		return "what it names"
	case len(r.Makes) > 0:
		return "what the answer names"
	case r.Lists != "" && !slices.Contains([]string{"models", "data"}, r.Collection()):
		return "all that is listed"
	}
	return ""
}

func (r Route) passes() string {
	switch r.Flow {
	case Streams:
		return "in pieces"
	case MayStream:
		return "in pieces where it asks for that"
	case Uploads:
		return "the body as it comes"
	case Downloads:
		return "the answer as it comes"
	case Upgrades:
		return "both ways"
	}
	if r.Lists != "" && r.Collection() != "models" {
		return "the lists of all projects as one"
	}
	return "whole"
}
