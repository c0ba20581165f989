package credentials

import (
	"net/http"
	"strings"
)

// A Form is a place in a request where a credential was found.
type Form string

// The forms of a credential.
const (
	FormAPIKeyHeader  Form = "x-goog-api-key" // the header of that name
	FormQuery         Form = "key"            // the query parameter of that name
	FormBearer        Form = "bearer"         // Authorization: Bearer
	FormAuthorization Form = "authorization"  // Authorization of another scheme
)

// A Credential is one that a request carried, without its value.
type Credential struct {
	Form        Form
	Fingerprint string // see [Fingerprint]; of Basic, that of the password
}

// A Presented is a credential with its value, which goes no further.
type Presented struct {
	Credential
	value string
}

// Of returns every credential of a request, wherever it is.
func Of(r *http.Request) (list []Presented) {
	add := func(form Form, value string) {
		list = append(list, Presented{Credential{form, Fingerprint(value)}, value})
	}
	for _, v := range r.Header.Values("x-goog-api-key") {
		add(FormAPIKeyHeader, v)
	}
	if r.URL.RawQuery != "" {
		for _, v := range r.URL.Query()["key"] {
			add(FormQuery, v)
		}
	}
	for _, v := range r.Header.Values("Authorization") {
		if token, ok := strings.CutPrefix(v, "Bearer "); ok {
			add(FormBearer, token)
		} else if _, password, ok := r.BasicAuth(); ok {
			add(FormAuthorization, password)
		} else {
			add(FormAuthorization, v)
		}
	}
	return list
}
