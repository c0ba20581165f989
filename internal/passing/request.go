package passing

import (
	"context"
	"net/http"
	"net/url"
)

// WithQuery returns the request with another query.
func WithQuery(r *http.Request, change func(query url.Values)) *http.Request {
	query := r.URL.Query()
	change(query)
	again, u := *r, *r.URL
	u.RawQuery = query.Encode()
	again.URL = &u
	return &again
}

// Wholly has a query ask for all of an answer, in JSON.
func Wholly(query url.Values) {
	for _, name := range []string{"alt", "$alt", "fields"} {
		query.Del(name)
	}
}

// MethodOf returns the method that a request is routed by.
func MethodOf(r *http.Request) string {
	if r.Method == http.MethodHead {
		return http.MethodGet
	}
	return r.Method
}

type formKey struct{}

// AsForm returns a request whose body was read as the form that it says it is, so that it goes
// upstream as one.
func AsForm(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), formKey{}, true))
}

// IsForm reports whether a request's body goes upstream as a form.
func IsForm(r *http.Request) bool { return r.Context().Value(formKey{}) != nil }

type fileKey struct{}

// AsFile returns a request, which is no POST, for what is in a file, whatever its query says.
func AsFile(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), fileKey{}, true))
}

// IsAnswer reports whether a status passes to a request's caller as an answer, and is no refusal: also where what is in a file is
// still what the caller said that it has.
func IsAnswer(r *http.Request, status int) bool {
	if status == http.StatusNotModified {
		return IsFile(r) && (r.Header.Get("If-None-Match") != "" || r.Header.Get("If-Modified-Since") != "")
	}
	return status >= 200 && status <= 299
}

// InFull returns a request for all of a file, whatever part it asks for, and whatever its caller
// has of it.
func InFull(r *http.Request) *http.Request {
	r = r.Clone(r.Context())
	for _, name := range FileRequestHeaders {
		r.Header.Del(name)
	}
	return r
}
