package credentials

import (
	"net/http"

	"fluxgate.dev/fluxgate/internal/geminisim/wire"
)

func errNoKey() *wire.Error {
	return wire.PermissionDenied("Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.")
}

func errManyCredentials() *wire.Error {
	return wire.InvalidArgument("Multiple authentication credentials received. Please pass only one.")
}

func errBearer() *wire.Error {
	return &wire.Error{Code: http.StatusUnauthorized, Status: "UNAUTHENTICATED",
		Message: "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.",
		Details: []wire.Detail{{"@type": wire.TypePrefix + "ErrorInfo", "reason": "ACCESS_TOKEN_TYPE_UNSUPPORTED",
			"metadata": map[string]string{"service": wire.Service}}}}
}

func errInvalidKey(message string) *wire.Error {
	e := wire.InvalidArgument(message)
	e.Details = []wire.Detail{wire.ErrorInfo("API_KEY_INVALID", map[string]string{"service": wire.Service}), wire.Localized(message)}
	return e
}

// errKeyState returns the refusal of a key that isn't healthy, or nil.
func errKeyState(st State, value, project, method string) *wire.Error {
	consumer := "projects/" + wire.ProjectNumber(project)
	switch st {
	case Invalid:
		return errInvalidKey("API key not valid. Please pass a valid API key.")
	case Expired:
		return errInvalidKey("API key expired. Please renew the API key.")
	case Leaked:
		return wire.PermissionDenied("Your API key was reported as leaked. Please use another API key.")
	case Suspended:
		return wire.PermissionDenied("Permission denied: Consumer 'api_key:"+value+"' has been suspended.",
			wire.ErrorInfo("CONSUMER_SUSPENDED", map[string]string{
				"consumer": consumer, "service": wire.Service, "containerInfo": "api_key:" + value}))
	case Blocked:
		message := "Requests to this API " + wire.Service + " method " + method + " are blocked."
		return wire.PermissionDenied(message, wire.ErrorInfo("API_KEY_SERVICE_BLOCKED", map[string]string{
			"consumer": consumer, "service": wire.Service, "apiName": wire.Service, "methodName": method}), wire.Localized(message))
	case DisabledAPI:
		return errAPIDisabled(wire.ProjectNumber(project))
	default:
		return nil
	}
}

func errAPIDisabled(number string) *wire.Error {
	link := "https://console.developers.google.com/apis/api/" + wire.Service + "/overview?project=" + number
	message := "Generative Language API has not been used in project " + number +
		" before or it is disabled. Enable it by visiting " + link +
		" then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and retry."
	return wire.PermissionDenied(message,
		wire.Detail{"@type": wire.TypePrefix + "Help", "links": []map[string]string{
			{"description": "Google developers console API activation", "url": link}}},
		wire.ErrorInfo("SERVICE_DISABLED", map[string]string{
			"activationUrl": link, "consumer": "projects/" + number, "containerInfo": number,
			"service": wire.Service, "serviceTitle": "Generative Language API"}),
		wire.Localized(message))
}
