package openaisim

import (
	"net/http"
	"strings"
)

// apiError is an error in OpenAI's format, where an empty Param and Code are null, or in
// another dialect's.
type apiError struct {
	Status        int
	Message, Type string
	Param, Code   string
	Other         any // the whole body, of another dialect
}

// errorBody is what an error looks like.
type errorBody struct {
	Error errorFields `json:"error"`
}

type errorFields struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (e *apiError) body() any {
	if e.Other != nil {
		return e.Other
	}
	return errorBody{errorFields{e.Message, e.Type, orNull(e.Param), orNull(e.Code)}}
}

// invalid is the error for a body that is at fault.
func invalid(param, message string) *apiError {
	return &apiError{http.StatusBadRequest, message, "invalid_request_error", param, "", nil}
}

// errNoKey and errInvalidKey are captured.
func errNoKey() *apiError {
	return &apiError{http.StatusUnauthorized, "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth " +
		"(i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if you're accessing the API from your browser " +
		"and are prompted for a username and password. You can obtain an API key from https://platform.openai.com/account/api-keys.",
		"invalid_request_error", "", "", nil}
}

func errInvalidKey(key string) *apiError {
	return &apiError{http.StatusUnauthorized, "Incorrect API key provided: " + masked(key) + ". You can find your API key at https://platform.openai.com/account/api-keys.",
		"invalid_request_error", "", "invalid_api_key", nil}
}

// masked is a key as the real service shows it: its first eight and last four characters.
func masked(key string) string {
	if len(key) <= 12 {
		return strings.Repeat("*", len(key))
	}
	return key[:8] + strings.Repeat("*", len(key)-12) + key[len(key)-4:]
}

// errNoModel is captured, of OpenAI and of Groq.
func errNoModel(model string) *apiError {
	return &apiError{http.StatusNotFound, "The model `" + model + "` does not exist or you do not have access to it.", "invalid_request_error", "", "model_not_found", nil}
}

// errModelDenied is captured.
func errModelDenied(project, model string) *apiError {
	return &apiError{http.StatusForbidden, "Project `" + project + "` does not have access to model `" + model + "`", "invalid_request_error", "", "model_not_found", nil}
}

// errNotFound is what is said of a file, a batch or a response that there isn't, or that is
// another project's (guessed that nothing tells these two apart).
func errNotFound(what, id string) *apiError {
	return &apiError{http.StatusNotFound, what + " with id '" + id + "' not found.", "invalid_request_error", "", "", nil}
}
