package longrunning

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"fluxgate.dev/fluxgate/internal/geminisim/spelling"
)

// An Answer is what a request is answered with: Body in JSON, or an error.
type Answer struct {
	Body any
	// Code is 0, or the HTTP status of an error with the name Status.
	Code            int
	Status, Message string
}

func ok(body any) Answer { return Answer{Body: body} }

func notFound(name string) Answer {
	return Answer{Code: http.StatusNotFound, Status: "NOT_FOUND", Message: "Requested entity was not found: " + name}
}

func denied(name string) Answer {
	return Answer{Code: http.StatusForbidden, Status: "PERMISSION_DENIED", Message: "You do not have permission to access the " + name + " or it may not exist."}
}

func invalid(format string, args ...any) Answer {
	return Answer{Code: http.StatusBadRequest, Status: "INVALID_ARGUMENT", Message: fmt.Sprintf(format, args...)}
}

// object is one in JSON.
type object = map[string]any

func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// page returns a page of a list, newest first, as a member.
func page[T any](r Request, member string, all []T, view func(T) any) Answer {
	slices.Reverse(all)
	from, _ := strconv.Atoi(r.Query.Get("pageToken"))
	size, _ := strconv.Atoi(r.Query.Get("pageSize"))
	if size <= 0 {
		size = 10
	}
	from = min(max(from, 0), len(all))
	to := min(from+size, len(all))
	out, list := object{}, []any{}
	for _, x := range all[from:to] {
		list = append(list, view(x))
	}
	if len(list) > 0 {
		out[member] = list
	}
	if to < len(all) {
		out["nextPageToken"] = strconv.Itoa(to)
	}
	return ok(out)
}

// read reads a body, but for what an operation is given as it came.
func read(body []byte, into any) error { return spelling.Unmarshal(body, into, "request", "metadata") }
